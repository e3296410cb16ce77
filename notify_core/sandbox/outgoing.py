"""What the gateway posts to its customers."""

from __future__ import annotations

from http.client import HTTPConnection, HTTPException, HTTPSConnection
from urllib.parse import urlsplit

_TIMEOUT = 5.0
_ANSWER_LIMIT = 64 * 1024


def post(url: str, body: bytes, content_type: str) -> bytes | None:
    """Post to ``url``; the answer whatever its status, or None where the network failed. Redirects are not followed."""
    parts = urlsplit(url)
    maker = HTTPSConnection if parts.scheme == "https" else HTTPConnection
    connection = maker(parts.hostname or "", parts.port, timeout=_TIMEOUT)
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    try:
        connection.request("POST", target, body, {"Content-Type": content_type})
        return connection.getresponse().read(_ANSWER_LIMIT)
    except (OSError, HTTPException):
        return None
    finally:
        connection.close()
