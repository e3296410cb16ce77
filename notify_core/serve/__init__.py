"""What ``notify serve`` serves: the push addresses, a JSON API, metrics and a dashboard. Needs the extra ``server``."""

from __future__ import annotations

from notify_core.errors import MissingExtra

try:
    import starlette as _starlette  # noqa: F401 - nothing below can be imported without them
    import uvicorn as _uvicorn  # noqa: F401
except ModuleNotFoundError as error:
    raise MissingExtra("server", error.name or "starlette") from error

from notify_core.serve.application import application
from notify_core.serve.server import Server, Service

__all__ = ["Server", "Service", "application"]
