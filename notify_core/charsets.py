"""Characters and bytes: what a charset cannot carry, and what a reply may be written in."""

from __future__ import annotations

import re
from codecs import BOM_UTF8, BOM_UTF16_BE, BOM_UTF16_LE

from notify_core.errors import InvalidMessage

_NOT_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")  # XML 1.0 §2.2


# --- what cannot be carried ------------------------------------------------------------------------------------------


def check(text: str, charset: str, where: str = "the text", remedy: str = "write it otherwise") -> None:
    """Raise ``InvalidMessage`` naming the characters of ``text`` that ``charset`` cannot carry, and the ``remedy``."""
    if lost := uncarried(text, charset):
        raise InvalidMessage(f"{where} has {lost}, which {charset.upper()} cannot carry: {remedy}")


def check_xml(text: str, where: str = "the text") -> None:
    """Raise ``InvalidMessage`` naming the control characters of ``text`` that XML cannot carry, even escaped."""
    if not text.isprintable() and (lost := dict.fromkeys(_NOT_XML.findall(text))):
        raise InvalidMessage(f"{where} has {_shown([*lost])}, which XML cannot carry: leave it out")


def uncarried(text: str, charset: str) -> str:
    """The characters of ``text`` that ``charset`` cannot carry, as an error shows them; empty where there are none."""
    try:
        text.encode(charset)
    except UnicodeEncodeError:
        lost = [character for character in dict.fromkeys(text) if not character.encode(charset, "ignore")]
        return _shown(lost)
    return ""


def _shown(lost: list[str]) -> str:
    more = f" and {len(lost) - 10} more" if len(lost) > 10 else ""
    return ", ".join(f"{character!r} (U+{ord(character):04X})" for character in lost[:10]) + more


# --- what is read ----------------------------------------------------------------------------------------------------

# A byte order mark, or what the first character of an XML document or a JSON object looks like.
_UTF_16 = {
    BOM_UTF16_LE: "utf-16",
    BOM_UTF16_BE: "utf-16",
    b"<\0": "utf-16-le",
    b"{\0": "utf-16-le",
    b"\0<": "utf-16-be",
    b"\0{": "utf-16-be",
}
# GB18030 holds GBK, and that GB2312. What .NET calls gb2312 is code page 936, that is GBK. (gateway.md part 2, trap 8)
_READ_AS = {"gbk": "gb18030", "gb2312": "gb18030"}
# A character of UTF-8 that was cut: half a surrogate pair, or one without its last bytes and with ASCII behind it.
_CUT = re.compile(
    rb"[\xc2-\xf4](?:(?<=\xed)[\xa0-\xbf][\x80-\xbf]"
    rb"|(?:(?<=[\xe0-\xf4])[\x80-\xbf])?(?:(?<=[\xf0-\xf4][\x80-\xbf])[\x80-\xbf])?(?![\x80-\xff]))"
)


def decoded(body: bytes, charset: str | None = None) -> str:
    """The characters of a reply in ``charset``; without one, in what it looks like: UTF-8, UTF-16 or GB18030.

    A byte order mark is stronger than ``charset``, and no part of the characters. What cannot be read becomes U+FFFD.
    What a reply itself declares is no matter: a declaration is often left over from another page.
    """
    if wide := _UTF_16.get(body[:2]):
        return body.decode(wide, "replace")
    if charset is not None and not body.startswith(BOM_UTF8):
        return body.decode(_READ_AS.get(charset, charset), "replace")
    try:
        return body.decode().removeprefix("\ufeff")
    except UnicodeDecodeError:
        return _damaged(body) or body.decode("gb18030", "replace")


def _damaged(body: bytes) -> str:
    """UTF-8 with some damage, as where a gateway cut a text by bytes; empty for what rather is no UTF-8.

    Of words of two Chinese characters in GBK 33 in 1000 are valid UTF-8 by chance, of four 1 in 1000. These weights
    add less than 1 in 1000 to that. (Measured with GB2312's 3755 characters of level 1, evenly.)
    """
    mended, cut = _CUT.subn("\ufffd".encode(), body)
    text = mended.decode("utf-8", "replace").removeprefix("\ufeff")
    replaced = text.count("\ufffd")
    right = len(text) - len(text.encode("ascii", "ignore")) - replaced
    return text if right > cut + 4 * (replaced - cut) else ""
