"""Finding plugins and binding their hooks.

Transports are found by entry point (group ``notify``, name ``provider.dialect``) or named under ``transports:`` in the
YAML; an entry point without a dot in its name, and each module under ``plugins:``, is a wrapper or listener. A manager
is made by ``assemble``, filled, checked, and never changed again: a plugin that is registered after hooks were bound
would leak into them.
"""

from __future__ import annotations

import logging
import re
import threading
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from importlib import import_module
from importlib.metadata import EntryPoint, PackageNotFoundError, entry_points, requires
from inspect import Parameter, isclass, isgeneratorfunction, signature
from typing import Any, TypeVar

import pluggy

from notify_core import hookspecs
from notify_core.errors import InvalidMessage, Scope, SendError, Sent, nearest
from notify_core.exchange import Http
from notify_core.messages import Accepted, Submission
from notify_core.redaction import located

GROUP = "notify"
CAPABILITIES = {
    "send": "send",
    "balance": "ask for the balance",
    "status": "fetch reports",
    "inbound": "fetch inbound messages",
    "push": "read what a gateway pushes",
    "change_password": "change the password",
    "sandbox": "play its gateway",
}
"""The hooks whose presence is a capability, in the order in which they are shown, and what each lets a transport do."""
EVENTS = frozenset(
    {"sent", "attempted", "failed_over", "in_doubt", "reported", "received", "balance_low", "balance_recovered"}
)
"""The hooks that tell what happened: anybody may implement them."""

log = logging.getLogger("notify")


class PluginError(ValueError):
    """A plugin cannot be found, imported or bound; the text says what to do."""


@lru_cache(maxsize=1)
def installed() -> Mapping[str, EntryPoint]:
    """The entry points of the group ``notify``, by name."""
    return {entry.name: entry for entry in entry_points(group=GROUP)}


def transports() -> dict[str, Any]:
    """Every installed transport, imported, by name. Raises ``PluginError``."""
    return {name: load(name) for name in sorted(installed()) if "." in name}


def load(name: str) -> Any:
    """The plugin of that entry point, imported. Raises ``PluginError``."""
    if name not in installed():
        raise PluginError(f"no plugin {name!r} is installed{nearest(name, installed())}")
    entry = installed()[name]
    try:
        return entry.load()
    except ModuleNotFoundError as error:
        raise PluginError(
            f"plugin {name!r} needs {error.name!r}, which is not installed: {_remedy(entry, error)}"
        ) from error
    except Exception as error:
        raise PluginError(f"plugin {name!r} cannot be imported: {located(error)}") from error


def load_module(dotted: str) -> Any:
    """The plugin of that module, imported. Raises ``PluginError``."""
    missing = f"no module {dotted!r}: give the dotted name of a module on Python's path"
    if not all(map(str.isidentifier, dotted.split("."))):
        raise PluginError(missing)
    try:
        return import_module(dotted)
    except ModuleNotFoundError as error:
        if error.name and f"{dotted}.".startswith(f"{error.name}."):
            raise PluginError(missing) from error
        raise PluginError(f"module {dotted!r} needs {error.name!r}, which is not installed") from error
    except Exception as error:
        raise PluginError(f"module {dotted!r} cannot be imported: {located(error)}") from error


def _remedy(entry: EntryPoint, error: ModuleNotFoundError) -> str:
    """The line that installs what a plugin misses: its distribution with the extra that brings it, where one does."""
    distribution = entry.dist.name if entry.dist else ""
    try:
        wanted = requires(distribution) or [] if distribution else []
    except PackageNotFoundError:
        wanted = []
    package = (error.name or "").partition(".")[0]
    spelled = "[-_.]".join(map(re.escape, re.split("[-_.]", package)))
    requirement = re.compile(rf"{spelled}(?![\w.-]).*\bextra\s*==\s*[\"']([^\"']+)", re.IGNORECASE)
    extra = next((found[1] for line in wanted if (found := requirement.match(line))), "")
    return f"pip install '{distribution}[{extra}]'" if extra else f"pip install {package}"


class Witness:
    """The innermost wrapper around every ``send``: it notes the transport's own outcome.

    What wrappers further out do after that cannot change what became of the message. It also gives every failure of a
    transport its verdict: an error of ours after the request left is in doubt.
    """

    @hookspecs.hookimpl(wrapper=True, trylast=True)
    def send(self, http: Http, submission: Submission) -> Any:
        """Note what the transport answered, or the ``SendError`` that stands for its failure."""
        if submission.message.to != submission.recipients:
            words = "a wrapper around send changed the recipients: it may change only what is said"
            raise SendError(words, scope=Scope.MESSAGE, code="vetoed")
        try:
            accepted = of_type(Accepted, (yield), "send")
        except SendError as error:
            submission.outcome = error
            raise
        except Exception as error:
            submission.outcome = _local_failure(error, left=getattr(http, "left", True))
            raise submission.outcome from error
        submission.outcome = accepted
        return accepted


Expected = TypeVar("Expected")


def of_type(expected: type[Expected], answer: object, hook: str) -> Expected:
    """What a hook returned, if it is what its specification says. Raises ``TypeError``."""
    if not isinstance(answer, expected):
        raise TypeError(f"{hook} returned {type(answer).__name__} instead of {expected.__name__}")
    return answer


def _local_failure(error: Exception, *, left: bool) -> SendError:
    """The verdict on an exception inside a plugin."""
    if left:
        return SendError(f"{located(error)}, in the transport after the request left", sent=Sent.UNKNOWN)
    if isinstance(error, InvalidMessage):
        return SendError(str(error), sent=Sent.NO)
    return SendError(f"{located(error)}, in the transport before anything was sent", sent=Sent.NO)


class Transport:
    """One dialect with its hooks bound: calling one asks this transport and the wrappers around it, nobody else."""

    def __init__(self, name: str, plugin: Any, manager: pluggy.PluginManager, others: Iterable[Any]) -> None:
        others = list(others)
        implemented = {caller.name for caller in manager.get_hookcallers(plugin) or ()}
        self.name = name
        self.provider, _, self.dialect = name.rpartition(".")
        self.hooks = {hook: manager.subset_hook_caller(hook, others) for hook in implemented}
        self.carries: frozenset[str] = self.hooks["carries"]() if "carries" in implemented else frozenset()
        self._problems: dict[str, str] = {}
        self._lock = threading.Lock()

    @property
    def capabilities(self) -> tuple[str, ...]:
        """What the transport can do: the capability hooks that it implements."""
        return tuple(hook for hook in CAPABILITIES if hook in self.hooks)

    def bind(self, account: str, settings: Any) -> str:
        """Load and check what the account's sending needs, once; why the transport cannot serve it, or nothing."""
        if account not in self._problems:
            with self._lock:
                if account not in self._problems:
                    self._problems[account] = self._binding_problem(settings)
        return self._problems[account]

    def _binding_problem(self, settings: Any) -> str:
        try:
            if "bind" in self.hooks:
                self.hooks["bind"](settings=settings)
        except ModuleNotFoundError as error:
            return f"needs {error.name!r}, which is not installed: pip install {error.name}"
        except ValueError as error:
            return str(error)
        except Exception as error:  # noqa: BLE001 - its text may quote a setting
            return f"cannot be bound: {located(error)}"
        return ""


class Listener:
    """One plugin's implementation of an event; ``name`` is the same wherever the same plugins are assembled."""

    __slots__ = ("_function", "_takes", "name")

    def __init__(self, name: str, implementation: Any) -> None:
        self.name = name
        self._function = implementation.function
        self._takes: tuple[str, ...] = implementation.argnames

    def hear(self, facts: Mapping[str, Any]) -> None:
        """Tell it those of the facts that it takes. Raises whatever it raises."""
        self._function(*(facts[name] for name in self._takes))


class Plugins:
    """Everything that takes part in a notifier: transports by name, and the listeners to events."""

    def __init__(self, manager: pluggy.PluginManager, transports: Mapping[str, Transport]) -> None:
        self.transports = transports
        self._listeners = {event: _listeners(getattr(manager.hook, event).get_hookimpls()) for event in EVENTS}

    def listeners(self, event: str) -> Sequence[Listener]:
        """Who wants to be told of ``event``, in the order in which they are told."""
        return self._listeners.get(event, ())

    def tell(self, event: str, /, **facts: Any) -> None:
        """Tell every listener of ``event``. One that fails is logged and disturbs nobody."""
        for listener in self._listeners[event]:
            try:
                listener.hear(facts)
            except Exception as error:  # noqa: BLE001 - whatever it is, it is not the sender's
                _log_failure(event, error)


def _listeners(implementations: Iterable[Any]) -> tuple[Listener, ...]:
    """Listeners by the names of their plugins; the second of one name has a number."""
    found: Counter[str] = Counter()
    listeners = []
    for each in implementations:
        name = _named(each.plugin)
        found[name] += 1
        listeners.append(Listener(name if found[name] == 1 else f"{name} {found[name]}", each))
    return tuple(listeners)


def _log_failure(event: str, error: Exception) -> None:
    facts = {"action": "listener_failed", "event": event}
    log.error("a listener to %s failed: %s", event, located(error), extra=facts)


def assemble(transports: Mapping[str, Any], others: Iterable[Any] = ()) -> Plugins:
    """Register transports (by name), then wrappers and listeners, check them all, and bind each transport.

    Raises ``PluginError`` for a hook that nobody specified or an argument that its specification does not have.
    """
    manager = pluggy.PluginManager("notify")
    manager.add_hookspecs(hookspecs)
    try:
        for name, plugin in transports.items():
            _register(plugin, manager, name)
        for plugin in [*others, Witness()]:
            _register(plugin, manager)
            _refuse_usurper(plugin, manager)
        manager.check_pending()
    except pluggy.PluginValidationError as error:
        raise PluginError(f"{_named(error.plugin)}: {' '.join(str(error).split())}") from error
    return Plugins(manager, {name: _bound(name, transports, manager) for name in transports})


def _register(plugin: Any, manager: pluggy.PluginManager, name: str | None = None) -> None:
    if manager.is_registered(plugin):
        raise PluginError(f"{name or _named(plugin)} is there already: each plugin needs a module of its own")
    _check_marked(name, plugin, manager)
    manager.register(plugin, name or f"{_named(plugin)} {id(plugin)}")


def _check_marked(transport: str | None, plugin: Any, manager: pluggy.PluginManager) -> None:
    """Raise ``PluginError`` for a plugin that implements nothing, or implements a hook otherwise than it can be called.

    pluggy finds the second too, in words that name neither the plugin nor what is right.
    """
    marked = [(each, options) for each in dir(plugin) if (options := manager.parse_hookimpl_opts(plugin, each))]
    name = transport or _named(plugin)
    if not marked and transport is None:
        raise PluginError(f"{name}: no function of it is marked @hookimpl, so nothing would ever call it")
    for each, options in marked:
        hook = options.get("specname") or each
        function = getattr(plugin, each)
        spec: Any = getattr(hookspecs, hook, None)
        if hasattr(spec, "notify_spec"):
            own = ["self", "cls"] if isclass(plugin) else []
            _check_arguments(f"{name}: its {hook}", function, [*signature(spec).parameters], own)
        if (options["wrapper"] or options["hookwrapper"]) and not isgeneratorfunction(function):
            raise PluginError(f"{name}: its {hook} is marked as a wrapper and has no `yield`, where the others run")


def _check_arguments(implementation: str, function: Any, known: list[str], own: list[str]) -> None:
    for each in signature(function).parameters.values():
        by_name = each.kind in (Parameter.POSITIONAL_ONLY, Parameter.POSITIONAL_OR_KEYWORD)
        if by_name and each.default is Parameter.empty and each.name not in (*known, *own):
            hint = nearest(each.name, known) if known else "; it has no arguments"
            raise PluginError(f"{implementation} takes {each.name!r}, which the hook does not have{hint}")


def _named(plugin: Any) -> str:
    return str(getattr(plugin, "__name__", type(plugin).__qualname__))


def _refuse_usurper(plugin: Any, manager: pluggy.PluginManager) -> None:
    """Raise ``PluginError`` where a wrapper or listener would answer in the place of every transport."""
    for caller in manager.get_hookcallers(plugin) or ():
        own = (each for each in caller.get_hookimpls() if each.plugin is plugin)
        answers = any(not (each.wrapper or each.hookwrapper) for each in own)
        if answers and caller.has_spec() and caller.name not in EVENTS:
            raise PluginError(f"{_named(plugin)}: its {caller.name} would replace every transport's: make it a wrapper")


def _bound(name: str, transports: Mapping[str, Any], manager: pluggy.PluginManager) -> Transport:
    others = [plugin for other, plugin in transports.items() if other != name]
    return Transport(name, transports[name], manager, others)
