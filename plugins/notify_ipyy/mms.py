"""ipyy.mms: mms.aspx, a form in UTF-8 around a TMS container, answered in XML (gateway.md part 1 §3, §4)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

from notify_core import charsets
from notify_core.exchange import Endpoint, Gateway, Http
from notify_core.hookspecs import hookimpl
from notify_core.messages import Accepted, Balance, Mms, Part, Submission
from notify_ipyy import addressing, form, smil, tms, xml
from notify_ipyy.settings import IpyySettings

PATH = "/mms.aspx"

settings = xml.settings
status = xml.status
push = xml.push
change_password = xml.change_password


@hookimpl
def carries() -> frozenset[str]:
    """Multimedia messages."""
    return frozenset({Mms.kind})


@hookimpl
def check(settings: IpyySettings, message: Mms) -> None:
    """Refuse a part whose name or text its charset cannot carry too."""
    addressing.check(message)
    for part in message.parts:
        charsets.check(part.name, tms.NAMES, "the name of a part", "rename the file")
        if settings.unencodable == "refuse" and (text := _utf8_text(part)) is not None:
            charsets.check(text, settings.text_charset, part.name, "write it otherwise, or set unencodable: replace")


@hookimpl
def send(settings: IpyySettings, http: Http, submission: Submission) -> Accepted:
    """Post the message to mms.aspx."""
    message = cast("Mms", submission.message)
    container = tms.packed(elements(settings, message.parts))
    return form.submit(http, PATH, form.mms(settings.credentials, message, container), message.to)


def elements(settings: IpyySettings, parts: tuple[Part, ...]) -> list[Part]:
    """The parts as they travel: texts in the charset of phones, and a SMIL element to lay them out."""
    errors = "replace" if settings.unencodable == "replace" else "strict"
    travelling = [_transcoded(part, settings.text_charset, errors) for part in parts]
    return travelling if any(map(smil.is_smil, parts)) else [*travelling, smil.layout(parts)]


def _transcoded(part: Part, charset: str, errors: str) -> Part:
    text = _utf8_text(part)
    return part if text is None else Part(part.name, text.encode(charset, errors))


def _utf8_text(part: Part) -> str | None:
    """The words of a text part in UTF-8; None for any other, and for a text that already is in GBK."""
    if not part.name.lower().endswith(".txt"):
        return None
    try:
        return part.content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return None


@hookimpl
def balance(settings: IpyySettings, http: Http) -> Balance:
    """Ask mms.aspx for the MMS balance."""
    return form.balance(http, PATH, settings.credentials)


@hookimpl
def sandbox(gateway: Gateway) -> Mapping[str, Endpoint]:
    """The provider's side of mms.aspx and of what belongs to it."""
    from notify_ipyy.sandbox import mms_endpoints

    return mms_endpoints(gateway)
