"""Trying a request out when the configuration is read, so that what cannot work does not start.

Each template is rendered for invented messages, one of them with all the characters that could break out of where they
stand. What fails, escapes into a header or leaves something of the message out is a fault at its place in the YAML.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from jinja2 import TemplateError

from notify_core.charsets import uncarried
from notify_core.errors import nearest
from notify_core.replies import from_xml
from notify_http import filters, request, templates
from notify_http.faults import Place, Problem
from notify_http.filters import FilterError
from notify_http.request import RequestSettings
from notify_http.templates import MESSAGE, Text, Uses, Value

_HOSTILE = "<a b='1'>&amp;\"]]>\\\r\n{{ x }}%26+=é中"
_PRINTABLE = re.compile(r"[!-~]([ -~]*[!-~])?|")  # of a header's value; RFC 9110 §5.5 allows no more for new ones
_TARGET = re.compile(r"[!-~]+")
_NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
_SETTINGS = ("user", "password", "sender")
_TELLING = (TemplateError, FilterError, TypeError)  # their words name types and variables rather than values


def of_send(asked: RequestSettings, fixed: Mapping[str, object], *, several: bool) -> list[Problem]:
    """What is wrong with a request that sends; ``fixed`` are the account's values, ``several``: it takes lists."""
    samples = _samples(fixed, asked.charset, several=several)
    return _faults(asked, fixed, samples) or _lost(asked, samples, several=several)


def of_balance(asked: RequestSettings, fixed: Mapping[str, object]) -> list[Problem]:
    """What is wrong with a request that asks for the balance, and so has no message."""
    strange = [
        (place, f"{name!r} belongs to a message; asking for the balance has none")
        for place, template in asked.templates
        for name in sorted(template.uses.names & MESSAGE)
    ]
    return strange or _faults(asked, fixed, [{**fixed, "now": _NOW, "reference": "1"}])


def _faults(asked: RequestSettings, fixed: Mapping[str, Any], samples: list[dict[str, object]]) -> list[Problem]:
    unusable = _uses(asked, fixed)
    failing = _failures(asked, samples, but={place for place, _ in unusable})
    return [*unusable, *failing]


# --- what is used ----------------------------------------------------------------------------------------------------


def _uses(asked: RequestSettings, fixed: Mapping[str, Any]) -> list[Problem]:
    """Names that have no value in this account."""
    return [
        (place, words)
        for place, template in asked.templates
        for words in [*_unset(template.uses, fixed), *_too_early(template.uses, place, asked)]
    ]


def _unset(uses: Uses, fixed: Mapping[str, Any]) -> Iterator[str]:
    for name in _SETTINGS:
        if name in uses.names and not fixed[name]:
            yield f"uses `{name}`, which the account does not set"
    if not fixed["country"] and ("national" in uses.filters or "country" in uses.names):
        yield "needs the account's `country`, such as 86: which numbers are national?"
    for secret in sorted(uses.secrets - set(fixed["secrets"])):
        yield f"`secrets` of the account has no {secret!r}{nearest(secret, fixed['secrets'])}"


def _too_early(uses: Uses, place: Place, asked: RequestSettings) -> Iterator[str]:
    if "body" in uses.names and place[0] == asked.body_kind:
        yield "`body` is made of this; path, query and headers can use it"


# --- what fails ------------------------------------------------------------------------------------------------------


def _samples(fixed: Mapping[str, object], charset: str, *, several: bool) -> list[dict[str, object]]:
    """The values of a message with everything, and of one with nothing but a recipient and a letter."""
    to = _recipients(fixed, 1, 2) if several else _recipients(fixed, 1)
    hostile = "".join(character for character in _HOSTILE if not uncarried(character, charset))
    full = {"to": to, "text": hostile, "extension": "7", "send_at": _NOW, "now": _NOW, "reference": "1"}
    bare = {**full, "to": to[:1], "text": "b", "extension": "", "send_at": None}
    return [{**fixed, **full}, {**fixed, **bare}]


def _recipients(fixed: Mapping[str, object], *last: int) -> tuple[str, ...]:
    return tuple(f"+{fixed['country'] or 86}1380000000{digit}" for digit in last)


def _failures(asked: RequestSettings, samples: list[dict[str, object]], but: set[Place]) -> list[Problem]:
    found = [
        (place, words)
        for values in samples
        for place, template in asked.templates
        if place not in but and (words := _failure(asked, place, template, {**values, "body": "a"}))
    ]
    return list(dict(found).items())


def _failure(asked: RequestSettings, place: Place, template: Value | Text, values: dict[str, object]) -> str:
    """What is wrong with one template for these values, or nothing."""
    try:
        value = template.of(templates.context(values))
        written = filters.json_text(value) if place[0] == "json" else filters.text(value)
    except Exception as error:  # noqa: BLE001 - whatever a template can raise
        return f"cannot be rendered: {_words(error, values)}"
    return _misplaced(asked, str(place[0]), written)


def _words(error: Exception, values: Mapping[str, Any]) -> str:
    """What an exception tells, unless it may quote a secret."""
    secrets = [secret for secret in (values["password"], *values["secrets"].values()) if secret]
    told = str(error) if isinstance(error, _TELLING) else ""
    return type(error).__name__ if any(secret in told for secret in secrets) else told or type(error).__name__


def _misplaced(asked: RequestSettings, block: str, written: str) -> str:
    """Why what was written cannot stand in that block, or nothing."""
    if block == "headers" and not _PRINTABLE.fullmatch(written):
        return "a header carries printable ASCII only: write | urlencode, | base64 or a hash"
    if block == "path" and (not _TARGET.fullmatch(written) or "://" in written[8:] or "#" in written):
        return "an address has neither blanks, # nor a second ://; write values as {{ }}, or under `query`"
    if block == "xml" and (problem := _xml_problem(written)):
        return problem
    if lost := uncarried(written, asked.charset):
        return f"holds what {asked.charset.upper()} cannot carry: {lost}"
    return ""


def _xml_problem(written: str) -> str:
    """Whether it is not XML. libxml2's own words would quote the document, which holds the account's password."""
    try:
        from_xml(written)
    except SyntaxError as error:
        return f"not well-formed XML at its line {error.lineno}; a value stands in an element or a quoted attribute"
    return ""


# --- what is lost ----------------------------------------------------------------------------------------------------


def _lost(asked: RequestSettings, samples: list[dict[str, object]], *, several: bool) -> list[Problem]:
    try:
        return list(_losses(asked, samples, several=several))
    except Exception as error:  # noqa: BLE001 - whatever the whole request can raise where its parts did not
        return [((), f"cannot be rendered: {_words(error, samples[0])}")]


def _losses(asked: RequestSettings, samples: list[dict[str, object]], *, several: bool) -> Iterator[Problem]:
    """What of a message makes no difference to the request, and so would never arrive."""
    full, bare = samples
    if _same(asked, full, {**full, "text": bare["text"]}):
        yield (), "the message's `text` appears nowhere in the request"
    if _same(asked, full, {**full, "to": _recipients(full, 3, 4) if several else _recipients(full, 3)}):
        yield (), "the message's recipients `to` appear nowhere in the request"
    elif several and _same(asked, full, {**full, "to": bare["to"]}):
        yield (), "only the first recipient appears in the request: set `max_recipients: 1` for the account"


def _same(asked: RequestSettings, one: dict[str, object], other: dict[str, object]) -> bool:
    return request.call(asked, dict(one)) == request.call(asked, dict(other))
