"""What GBK cannot carry. What .NET calls gb2312 is code page 936, that is GBK (gateway.md part 2, trap 8)."""

from __future__ import annotations

from notify_core.errors import InvalidMessage


def check(text: str, charset: str, where: str, remedy: str) -> None:
    """Raise ``InvalidMessage`` naming the characters of ``text`` that ``charset`` cannot carry, with the ``remedy``."""
    try:
        text.encode(charset)
    except UnicodeEncodeError:
        raise InvalidMessage(
            f"{where} has {_lost(text, charset)}, which {charset.upper()} cannot carry: {remedy}"
        ) from None


def _lost(text: str, charset: str) -> str:
    lost = [character for character in dict.fromkeys(text) if not character.encode(charset, "ignore")]
    shown = ", ".join(f"{character} (U+{ord(character):04X})" for character in lost[:10])
    return f"{shown} and {len(lost) - 10} more" if len(lost) > 10 else shown
