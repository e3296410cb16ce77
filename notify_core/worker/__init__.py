"""What works in the background: ``Worker`` sends what lies in the outbox, and ``Processes`` are several of them.

Beside sending, a worker makes its rounds of the gateways (``pulling``) and tells listeners (``telling``) and webhooks
(``webhooks``) what happened, each of them one worker at a time (``turn``).
"""

from notify_core.worker.processes import Processes
from notify_core.worker.worker import LIMIT, THREADS, Worker

__all__ = ["LIMIT", "THREADS", "Processes", "Worker"]
