"""The six transports as plugins: which hooks each has, and that the core's specifications accept them."""

from __future__ import annotations

from types import ModuleType

import pluggy
import pytest

from notify_core import hookspecs
from notify_core.messages import Mms, Sms
from notify_ipyy import ensms, gbk, json, mms, soap, xml
from notify_ipyy.settings import IpyySettings

TRANSPORTS = [xml, gbk, json, ensms, soap, mms]
TEXT_HOOKS = {"send", "balance", "status", "inbound", "push", "change_password", "sandbox"}
DECLARATIONS = {"settings", "carries", "check"}

CAPABILITIES = {
    xml: TEXT_HOOKS,
    gbk: TEXT_HOOKS,
    json: TEXT_HOOKS,
    ensms: TEXT_HOOKS | {"bind"},
    soap: TEXT_HOOKS | {"bind"},
    mms: TEXT_HOOKS - {"inbound"},
}


@pytest.mark.parametrize("module", TRANSPORTS, ids=lambda module: module.__name__)
def test_each_transport_has_the_hooks_of_the_table(module: ModuleType) -> None:
    """What a transport can do is what it implements, and every implementation fits its specification."""
    manager = pluggy.PluginManager("notify")
    manager.add_hookspecs(hookspecs)
    manager.register(module)
    manager.check_pending()
    implemented = {caller.name for caller in manager.get_hookcallers(module) or ()}
    assert implemented == CAPABILITIES[module] | DECLARATIONS


@pytest.mark.parametrize("module", TRANSPORTS, ids=lambda module: module.__name__)
def test_each_transport_carries_one_kind(module: ModuleType) -> None:
    """mms.aspx carries multimedia messages, all else text messages."""
    assert module.carries() == {Mms.kind if module is mms else Sms.kind}
    assert module.settings() is IpyySettings


def test_borrowed_hooks_are_the_same_function() -> None:
    """What ensms and soap lack is that of json; gbk and mms read the reports of xml."""
    for module in (ensms, soap):
        assert (module.balance, module.status, module.inbound) == (json.balance, json.status, json.inbound)
    assert (gbk.status, mms.status, gbk.inbound) == (xml.status, xml.status, xml.inbound)
