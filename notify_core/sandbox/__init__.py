"""The local gateway that ships with the project: the providers' side of every dialect, with faults on demand.

Written to be the counterpart of tests and first steps; nothing that sends real messages imports it.
"""

from notify_core.sandbox.faults import Fault
from notify_core.sandbox.gateway import LocalGateway, Sandbox
from notify_core.sandbox.kinds import KINDS

__all__ = ["KINDS", "Fault", "LocalGateway", "Sandbox"]
