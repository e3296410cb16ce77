"""Plugins: found, bound to one transport each, and told what happens."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.metadata import entry_points
from typing import Any

import pytest

from notify_core import hookspecs
from notify_core.hookspecs import hookimpl
from notify_core.plugins import CAPABILITIES, EVENTS, PluginError, assemble, installed, load, load_module, transports
from tests.core.transports import picture, query, wire

TWO = {"acme.json": wire, "acme.query": query}


def test_every_hook_has_its_kind() -> None:
    """Each specification is a capability, an event, or one of the four that prepare a send."""
    specified = {name for name, each in vars(hookspecs).items() if getattr(each, "notify_spec", None)}
    assert specified == {*CAPABILITIES, *EVENTS, "settings", "carries", "bind", "check"}


def test_installed_transports_are_found() -> None:
    """Every entry point of the group can be imported, and has a model and a kind that it carries."""
    assert set(installed()) == {entry.name for entry in entry_points(group="notify")}
    plugins = assemble(transports())
    assert all(transport.carries for transport in plugins.transports.values())


def test_an_unknown_plugin_is_refused() -> None:
    """The nearest right name is told."""
    with pytest.raises(PluginError, match=r"^no plugin 'ipyy.jason' is installed; did you mean 'ipyy.json'\?$"):
        load("ipyy.jason")


@pytest.mark.parametrize("dotted", ["", ".", ".x", "a..b", "a b", "a/b", "no_such", "tests.core.no_such"])
def test_an_unknown_module_is_refused(dotted: str) -> None:
    """Whatever is written where a module's name is wanted."""
    with pytest.raises(PluginError, match=r"^no module .*: give the dotted name of a module on Python's path$"):
        load_module(dotted)


def test_a_module_that_lacks_another_says_which(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A name that merely begins alike is not taken for the module itself."""
    (tmp_path / "no_such_meter.py").write_text("import no_such")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(PluginError, match=r"^module 'no_such_meter' needs 'no_such', which is not installed$"):
        load_module("no_such_meter")


def test_what_a_transport_implements_is_what_it_can_do() -> None:
    """There are no flags."""
    found = {name: each.capabilities for name, each in assemble(TWO).transports.items()}
    assert found == {
        "acme.json": ("send", "balance", "status", "inbound", "push", "change_password"),
        "acme.query": ("send",),
    }


def test_a_transport_answers_alone() -> None:
    """A bound hook asks one transport and nobody else, though all have it."""
    bound = assemble({**TWO, "acme.mms": picture}).transports
    assert {name: each.hooks["carries"]() for name, each in bound.items()} == {
        "acme.json": frozenset({"sms"}),
        "acme.query": frozenset({"sms"}),
        "acme.mms": frozenset({"mms"}),
    }


def test_wrappers_stand_around_every_transport() -> None:
    """A wrapper is asked for each of them."""
    asked: list[str] = []

    class Wrapper:
        @hookimpl(wrapper=True)
        def carries(self) -> Iterator[None]:
            """Note it."""
            asked.append("carries")
            return (yield)

    assemble(TWO, [Wrapper()])
    assert asked == ["carries", "carries"]


def test_a_listener_takes_what_it_wants() -> None:
    """An implementation may take fewer arguments than there are."""
    told: list[object] = []

    class Listener:
        @hookimpl
        def attempted(self, route: str) -> None:
            """Keep the route."""
            told.append(route)

        @hookimpl
        def sent(self) -> None:
            """Take nothing."""
            told.append("sent")

    plugins = assemble({}, [Listener()])
    plugins.tell("attempted", route="default", attempt=None)
    plugins.tell("sent", result=None)
    assert told == ["default", "sent"]


def test_no_plugin_is_registered_twice() -> None:
    """A module under two names would answer for both."""
    with pytest.raises(PluginError, match=r"^acme.too is there already: each plugin needs a module of its own$"):
        assemble({"acme.json": wire, "acme.too": wire})


def test_two_listeners_of_one_class_are_two() -> None:
    """Instances are told apart, whatever their class is called."""

    class Listener:
        count = 0

        @hookimpl
        def sent(self) -> None:
            """Count."""
            type(self).count += 1

    assemble({}, [Listener(), Listener()]).tell("sent", result=None)
    assert Listener.count == 2
