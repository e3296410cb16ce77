"""What the library logs as an error, on stderr in one line. The rest of its log is in the results already."""

from __future__ import annotations

import logging
import os

from notify_core.cli import terminal


class _Complaints(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        kind = record.exc_info[0] if record.exc_info else None
        more = f" ({kind.__name__}); NOTIFY_DEBUG=1 shows the traceback" if kind else ""
        terminal.complain(f"{record.getMessage()}{more}")
        if os.environ.get("NOTIFY_DEBUG") and record.exc_info:
            terminal.complain(logging.Formatter().formatException(record.exc_info))


def listen(name: str = "notify") -> None:
    """Show errors that are logged from now on, such as those of a plugin of the user's own that failed."""
    logger = logging.getLogger(name)
    if not any(isinstance(handler, _Complaints) for handler in logger.handlers):
        logger.addHandler(_Complaints(logging.ERROR))
