"""SMS arithmetic: the signature 【…】 and the segments that a text is billed as."""

from __future__ import annotations

import re

# One name in brackets at either end of the text is its signature, whoever wrote it. (gateway.md, part 1 §1)
_AT_START = re.compile(r"\s*【[^【】]+】")
_AT_END = re.compile(r"【[^【】]+】\s*\Z")

# 3GPP TS 23.038 §6.2.1: the default alphabet, and the characters that cost two septets because they need an escape.
_GSM7 = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿"
    "abcdefghijklmnopqrstuvwxyzäöñüà"
)
_GSM7_EXTENDED = frozenset("\f^{}\\[~]|€")
_GSM7_ALL = _GSM7 | _GSM7_EXTENDED

_UCS2_SINGLE, _UCS2_PART = 70, 67  # gateway.md, part 1, Limits
_GSM7_SINGLE, _GSM7_PART = 160, 153  # 3GPP TS 23.040 §9.2.3.24: a part gives 7 septets to its header


def signed(text: str, signature: str) -> str:
    """``text`` with 【signature】 after it, unless it carries a signature at either end or ``signature`` is empty."""
    if not signature or ("】" in text and (_AT_START.match(text) or _AT_END.search(text))):
        return text
    return f"{text}【{signature}】"


def segments(text: str, alphabet: str = "ucs2") -> int:
    """How many segments ``text`` (with its signature) is billed as.

    ``ucs2``: 70 UTF-16 units in one segment, 67 in each of several, whatever the characters are. ``gsm7``: 160 and 153
    septets where the GSM-7 alphabet can write all of it, else as ``ucs2``. A character of two units is never cut.
    """
    if alphabet == "gsm7" and _GSM7_ALL.issuperset(text):
        return _parts([2 if c in _GSM7_EXTENDED else 1 for c in text], _GSM7_SINGLE, _GSM7_PART)
    units = len(text.encode("utf-16-le", "surrogatepass")) // 2
    if units <= _UCS2_SINGLE:
        return 1
    if units == len(text):
        return -(-units // _UCS2_PART)
    return _parts([2 if c > "\uffff" else 1 for c in text], _UCS2_SINGLE, _UCS2_PART)


def room(most: int, text: str, alphabet: str = "ucs2") -> int:
    """How many characters fit into ``most`` segments where they are written as ``text`` is; one of two units is two."""
    gsm7 = alphabet == "gsm7" and _GSM7_ALL.issuperset(text)
    single, part = (_GSM7_SINGLE, _GSM7_PART) if gsm7 else (_UCS2_SINGLE, _UCS2_PART)
    return single if most == 1 else most * part


def _parts(widths: list[int], single: int, part: int) -> int:
    if sum(widths) <= single:
        return 1
    count, room = 1, part
    for width in widths:
        if width > room:
            count, room = count + 1, part
        room -= width
    return count
