"""The SendSms envelope: made by zeep from a WSDL once, filled in for each message.

zeep takes about 280 µs to make an envelope, filling one in takes 5: between two messages only the values of leaves
differ. zeep is imported when the first envelope is made (it costs 160 ms and some megabytes), its session never used.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from io import BytesIO
from pathlib import Path
from typing import Any, NoReturn

from lxml import etree

from notify_core.errors import Retry, Scope, SendError, Sent
from notify_core.exchange import Http
from notify_core.messages import Sms
from notify_ipyy import addressing, chinatime
from notify_ipyy.settings import IpyySettings

BUNDLED = "bundled"
LIVE = "live"
LIVE_PATH = "/WebService.asmx?wsdl"

_OPERATION = "SendSms"
_WSDL = Path(__file__).with_name("service.wsdl")
_TIME = datetime(2001, 2, 3, 4, 5, 6)  # noqa: DTZ001  # xs:dateTime without a zone is what the gateway wants
_PLACES = {name: f"place-of-{name}" for name in ("userName", "password", "Msisdns", "SMSContent", "ExtNumber")}
_TIME_PLACE = {"PlanSendTime": _TIME.isoformat()}


@dataclass(frozen=True, slots=True)
class Envelope:
    """What is posted for a message: the two shapes of it as ``%`` formats, and the HTTP headers that go with them."""

    immediate: str = field(repr=False)
    planned: str = field(repr=False)
    content_type: str
    headers: Mapping[str, str]

    def filled(self, settings: IpyySettings, message: Sms) -> bytes:
        """The envelope of ``message``. Times are China's wall clock (gateway.md part 2)."""
        values = {
            "userName": _leaf(settings.account),
            "password": _leaf(settings.password.get_secret_value()),
            "Msisdns": ",".join(addressing.national(message.to)),
            "SMSContent": _leaf(message.text),
            "ExtNumber": message.extension,
        }
        if message.send_at is None:
            return (self.immediate % values).encode()
        values["PlanSendTime"] = f"{chinatime.wall_clock(message.send_at):%Y-%m-%dT%H:%M:%S}"
        return (self.planned % values).encode()


def _leaf(text: str) -> str:
    """``text`` as the value of an element; a bare carriage return would be read as a line feed (XML 1.0 §2.11)."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("\r", "&#13;")


def of(settings: IpyySettings, http: Http) -> Envelope:
    """The account's envelope. A live WSDL is fetched when it is first needed; without it surely nothing was sent.

    Raises ``SendError`` for a live WSDL that cannot be read, ``ValueError`` for a file.
    """
    if settings.wsdl == LIVE:
        return _live(http, settings.base_url, settings.soap_version)
    return from_file(settings.wsdl, settings.soap_version)


@lru_cache(maxsize=16)
def from_file(wsdl: str, version: str) -> Envelope:
    """The envelope by a WSDL file, or by the bundled one. Raises ``ValueError``, saying what to do."""
    path = _WSDL if wsdl == BUNDLED else Path(wsdl)
    try:
        return made(path.read_bytes(), version)
    except OSError as error:
        reason: object = error.strerror
    except ValueError as error:
        reason = error
    raise ValueError(f"wsdl: cannot read {path}: {reason}; name the gateway's WSDL file, or set wsdl: {BUNDLED}")


_live_envelopes: dict[tuple[str, str], Envelope] = {}


def _live(http: Http, base_url: str, version: str) -> Envelope:
    """Threads that come at once may each fetch it: that is cheaper than having them wait for one another."""
    known = _live_envelopes.get((base_url, version))
    return known or _live_envelopes.setdefault((base_url, version), _fetched(http, version))


def _fetched(http: Http, version: str) -> Envelope:
    try:
        return made(http.get(LIVE_PATH).body, version)
    except (SendError, ValueError) as error:
        raise SendError(
            f"the gateway's WSDL cannot be read: {error}; nothing was sent. With wsdl: {BUNDLED} none is asked for",
            sent=Sent.NO,
            scope=Scope.TRANSPORT,
            retry=Retry.LATER,
            raw=getattr(error, "raw", ""),
        ) from error


class _NoTransport:
    """What zeep is given for its session: it may load nothing beyond the WSDL that it is handed."""

    def load(self, url: str) -> NoReturn:
        raise ValueError(f"it imports {url}; one without imports is needed")


def made(wsdl: bytes, version: str) -> Envelope:
    """The envelope as zeep makes it from ``wsdl`` for SOAP ``version``. Raises ``ValueError``."""
    import zeep

    client: Any = zeep.Client
    strict = zeep.Settings(forbid_dtd=True, forbid_external=True)
    try:
        client = client(BytesIO(wsdl), transport=_NoTransport(), settings=strict)
        action, service = _service(client, version)
        return Envelope(_shape(client, service, None), _shape(client, service, _TIME), *_headers(version, action))
    except ValueError:
        raise
    except Exception as error:  # zeep's errors have no common base: KeyError and AttributeError are among them
        raise ValueError(f"it is no WSDL of this gateway ({type(error).__name__})") from error


def _service(client: Any, version: str) -> tuple[str, Any]:
    """The SOAPAction of SendSms, and zeep's proxy for the port that speaks that version."""
    from zeep.wsdl.bindings import Soap11Binding, Soap12Binding

    wanted = {"1.1": Soap11Binding, "1.2": Soap12Binding}[version]
    if not client.wsdl.services:
        raise ValueError("it offers no service: is it a page of something else?")
    for service in client.wsdl.services.values():
        for port in service.ports.values():
            operation = port.binding.get(_OPERATION)
            if isinstance(port.binding, wanted):
                return operation.soapaction, client.bind(service.name, port.name)
    raise ValueError(f"it offers no SOAP {version}; set soap_version to the other one")


def _headers(version: str, action: str) -> tuple[str, Mapping[str, str]]:
    """Content type and further headers (SOAP 1.1 §6.1.1; SOAP 1.2 part 2 §7.1.4)."""
    if version == "1.1":
        return "text/xml; charset=utf-8", {"SOAPAction": f'"{action}"'}
    return f'application/soap+xml; charset=utf-8; action="{action}"', {}


def _shape(client: Any, service: Any, time: datetime | None) -> str:
    """The envelope as a ``%`` format, for a message that leaves at once (no ``time``) or later."""
    sms = {name: _PLACES[name] for name in ("Msisdns", "SMSContent", "ExtNumber")} | {"PlanSendTime": time}
    credentials = {name: _PLACES[name] for name in ("userName", "password")}
    tree = client.create_message(service, _OPERATION, **credentials, sms=sms)
    shape = etree.tostring(tree, encoding="utf-8", xml_declaration=True).decode().replace("%", "%%")
    for name, place in (_PLACES | (_TIME_PLACE if time else {})).items():
        if shape.count(f">{place}<") != 1:
            raise ValueError(f"its {_OPERATION} does not take {name} as text")
        shape = shape.replace(f">{place}<", f">%({name})s<")
    return shape
