"""For tests of your own: the local gateway as a context manager, and as the pytest fixture ``notify_gateway``."""

from notify_core.testing.gateway import sandbox

__all__ = ["sandbox"]
