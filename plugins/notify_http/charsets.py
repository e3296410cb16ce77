"""Characters and bytes: what a request's charset cannot carry, and what a reply may be written in."""

from __future__ import annotations

from codecs import BOM_UTF8
from typing import Literal

from notify_core.errors import InvalidMessage

Charset = Literal["utf-8", "gbk", "big5", "iso-8859-1"]
"""The charsets of gateways. What Windows and .NET call GB2312 is GBK. (gateway.md part 2, trap 8)"""


def check(text: str, charset: str) -> None:
    """Raise ``InvalidMessage`` naming the characters of ``text`` that ``charset`` cannot carry."""
    if lost := uncarried(text, charset):
        raise InvalidMessage(f"the text has what {charset.upper()} cannot carry: {lost}; write it otherwise")


def uncarried(text: str, charset: str) -> str:
    """The characters of ``text`` that ``charset`` cannot carry, as an error shows them; empty where there are none."""
    try:
        text.encode(charset)
    except UnicodeEncodeError:
        lost = [character for character in dict.fromkeys(text) if not character.encode(charset, "ignore")]
        more = f" and {len(lost) - 10} more" if len(lost) > 10 else ""
        return ", ".join(f"{character!r} (U+{ord(character):04X})" for character in lost[:10]) + more
    return ""


def decoded(body: bytes, charset: str | None) -> str:
    """The reply's characters. Without a ``charset``: what is valid as UTF-8 is UTF-8, all else is Chinese.

    GB18030 holds GBK and GB2312. Few words in GBK are valid UTF-8 by chance (系统忙 is), none begins with its mark.
    """
    if charset is not None and not body.startswith(BOM_UTF8):
        return body.decode(_READ_AS.get(charset, charset), "replace")
    try:
        return body.decode("utf-8-sig")
    except UnicodeDecodeError:
        return body.decode("gb18030", "replace")


_READ_AS = {"gbk": "gb18030"}
