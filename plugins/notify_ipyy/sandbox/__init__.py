"""The provider's side of ipyy, for the local gateway.

Written from the interface document alone: it shares no codec with the client, so that a mistake cannot cancel itself
out. Each function answers the hook ``sandbox`` of one transport; all share one ``Provider`` a gateway, and so its
accounts, credit, limits, reports and inbound messages.
"""

from __future__ import annotations

from collections.abc import Mapping

from notify_core.exchange import Endpoint, Gateway
from notify_ipyy.sandbox import form, pulls
from notify_ipyy.sandbox.ensms import ensms
from notify_ipyy.sandbox.mms import mms
from notify_ipyy.sandbox.provider import Provider
from notify_ipyy.sandbox.soap import soap
from notify_ipyy.sandbox.spelling import WHITE_LABEL, Style, json_reply, xml_reply

__all__ = [
    "WHITE_LABEL",
    "Provider",
    "Style",
    "ensms_endpoints",
    "gbk_endpoints",
    "json_endpoints",
    "mms_endpoints",
    "soap_endpoints",
    "xml_endpoints",
]

Endpoints = Mapping[str, Endpoint]


def xml_endpoints(gateway: Gateway) -> Endpoints:
    """``ipyy.xml``: sms.aspx, statusApi.aspx, callApi.aspx, pwd.aspx."""
    return _chosen(gateway, "/sms.aspx", "/statusApi.aspx", "/callApi.aspx", "/pwd.aspx")


def gbk_endpoints(gateway: Gateway) -> Endpoints:
    """``ipyy.gbk``: smsGBK.aspx, statusApi.aspx, callApi.aspx, pwd.aspx."""
    return _chosen(gateway, "/smsGBK.aspx", "/statusApi.aspx", "/callApi.aspx", "/pwd.aspx")


def json_endpoints(gateway: Gateway) -> Endpoints:
    """``ipyy.json``: smsJson.aspx, statusJsonApi.aspx, callJsonApi.aspx, pwd.aspx."""
    return _chosen(gateway, "/smsJson.aspx", *_JSON_COMPANIONS)


def ensms_endpoints(gateway: Gateway) -> Endpoints:
    """``ipyy.ensms``: ensms.ashx, and the JSON addresses for all but sending."""
    return _chosen(gateway, "/ensms.ashx", "/smsJson.aspx", *_JSON_COMPANIONS)


def soap_endpoints(gateway: Gateway) -> Endpoints:
    """``ipyy.soap``: WebService.asmx, and the JSON addresses for all but sending."""
    return _chosen(gateway, "/WebService.asmx", "/smsJson.aspx", *_JSON_COMPANIONS)


def mms_endpoints(gateway: Gateway) -> Endpoints:
    """``ipyy.mms``: mms.aspx, statusApi.aspx, pwd.aspx."""
    return _chosen(gateway, "/mms.aspx", "/statusApi.aspx", "/pwd.aspx")


_JSON_COMPANIONS = ("/statusJsonApi.aspx", "/callJsonApi.aspx", "/pwd.aspx")


def _chosen(gateway: Gateway, *paths: str) -> Endpoints:
    served = gateway.state(_served)
    return {path: served[path] for path in paths}


def _served(gateway: Gateway) -> Endpoints:
    """Every address, made once a gateway: transports that share an address share its endpoint."""
    provider = gateway.state(Provider)
    return {
        "/sms.aspx": form.sms(provider, "/sms.aspx", "utf-8", xml_reply),
        "/smsGBK.aspx": form.sms(provider, "/smsGBK.aspx", "gbk", form.xml_gb2312_reply),
        "/smsJson.aspx": form.sms(provider, "/smsJson.aspx", "utf-8", json_reply),
        "/ensms.ashx": ensms(provider),
        "/mms.aspx": mms(provider),
        "/WebService.asmx": soap(provider),
        "/statusApi.aspx": pulls.status_xml(provider),
        "/statusJsonApi.aspx": pulls.status_json(provider),
        "/callApi.aspx": pulls.call_xml(provider),
        "/callJsonApi.aspx": pulls.call_json(provider),
        "/pwd.aspx": form.pwd(provider),
    }
