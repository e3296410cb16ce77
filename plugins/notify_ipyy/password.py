"""Changing the account's password: pwd.aspx (gateway.md part 1 §8)."""

from __future__ import annotations

from urllib.parse import quote_plus

from notify_core.errors import InvalidMessage
from notify_core.exchange import Http
from notify_core.hookspecs import hookimpl
from notify_ipyy import form, replies
from notify_ipyy.settings import IpyySettings

PATH = "/pwd.aspx"
LONGEST = 20
"""Characters of the longest password that the gateway takes."""


@hookimpl
def change_password(settings: IpyySettings, http: Http, new_password: str) -> None:
    """Change the password. It is the same for all transports of the account (trap 6): change it in the YAML too.

    Raises ``InvalidMessage`` for one that the gateway does not take, ``SendError`` where it did not change it.
    """
    if not 0 < len(new_password) <= LONGEST:
        words = f"the new password has {len(new_password)} characters: ipyy takes 1 to {LONGEST}"
        raise InvalidMessage(words)
    fields = f"{settings.credentials}&newpassword={quote_plus(new_password)}"
    answer = replies.read(http.post(PATH, fields.encode("ascii"), form.CONTENT_TYPE).body)
    if not form.succeeded(answer):
        raise form.refusal(answer)
