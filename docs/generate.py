"""Writes what derives from the code: docs/reference/, config/reference.yaml, and the marked parts of other pages.

``make docs`` runs it. ``python docs/generate.py --check`` writes nothing and ends with exit code 1 where a file is not
current; the tests run that.
"""

from __future__ import annotations

import inspect
import json
import re
import sys
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping
from enum import StrEnum
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import Any, get_origin
from urllib.request import urlopen

import typer.main
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from typer.testing import CliRunner

import notify_core
from notify_core import errors, events, exchange, hookspecs, http, messages, plugins, states
from notify_core.cli.app import app
from notify_core.config import FileSettings, RouteSettings, ServerSettings, StoreSettings, WebhookSettings, json_schema
from notify_core.sandbox import KINDS
from notify_core.settings import AccountSettings, CreditSettings, Limit, PullSettings, PushSettings
from notify_core.testing import sandbox
from notify_ipyy import codes
from notify_ipyy.sandbox.account import Account
from notify_ipyy.sandbox.spelling import Style

ROOT = Path(__file__).parent.parent
BEGIN, END = "<!-- {name}: begin, written by make docs -->", "<!-- {name}: end -->"


# --- Markdown --------------------------------------------------------------------------------------------------------


def joined(blocks: Iterable[str]) -> str:
    """Blocks, with a blank line between them."""
    return "\n\n".join(block for block in blocks if block)


def table(columns: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """A table."""
    lines = [list(columns), *(list(row) for row in rows)]
    lines.insert(1, ["---"] * len(lines[0]))
    return "\n".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |" for line in lines)


def code(text: str, language: str = "text") -> str:
    """A block of code."""
    return f"```{language}\n{text.strip(chr(10))}\n```"


def prose(docstring: str | None) -> str:
    """A docstring as Markdown."""
    return re.sub(r"\n\n::\n|::\n", "\n", inspect.cleandoc(docstring or "")).replace("``", "`")


def first(docstring: str | None) -> str:
    """The first paragraph of a docstring, on one line."""
    return " ".join(prose(docstring).partition("\n\n")[0].split())


# --- configuration ---------------------------------------------------------------------------------------------------


def accounts() -> str:
    """What accounts have, provider by provider."""
    return joined(block for name, model in providers().items() for block in provider(name, model))


def providers() -> dict[str, type[AccountSettings]]:
    """The model of an account, by provider; ipyy comes first."""
    models = {name.rpartition(".")[0]: module.settings() for name, module in plugins.transports().items()}
    return dict(sorted(models.items(), reverse=True))


def provider(name: str, model: type[AccountSettings]) -> Iterator[str]:
    """What accounts of one provider have beside the common keys, and the blocks within."""
    dialects = [f"`{known}`" for known in plugins.transports() if known.rpartition(".")[0] == name]
    yield f"## An account of {name}"
    yield f"{first(model.__doc__)} It has the keys above too. Its transports: {', '.join(dialects)}."
    yield settings(model, without=AccountSettings)
    for block, places in blocks_within(model).items():
        yield f"### {name}: {', '.join(f'`{place}`' for place in places)}"
        yield prose(block.__doc__)
        yield settings(block)


COMMON = (Limit, PullSettings, PushSettings, CreditSettings)
"""The blocks that the accounts of every provider may have."""


def blocks_within(model: type[BaseModel]) -> dict[type[BaseModel], list[str]]:
    """The models of the blocks inside of a model, each with the places where it stands; without the common ones."""
    found: dict[type[BaseModel], list[str]] = {}
    for name, field in keys_of(model).items():
        for inner in models_in(field.annotation):
            if inner in COMMON:
                continue
            found.setdefault(inner, []).append(name)
            for deeper, places in blocks_within(inner).items():
                found.setdefault(deeper, []).extend(f"{name}.{place}" for place in places)
    return found


def keys_of(model: type[BaseModel]) -> dict[str, FieldInfo]:
    """The fields of a model by the key that the YAML has for them."""
    return {field.alias or name: field for name, field in model.model_fields.items()}


def models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    """The models that an annotation mentions."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in getattr(annotation, "__args__", ()):
        yield from models_in(argument)


def settings(model: type[BaseModel], without: type[BaseModel] | None = None) -> str:
    """The keys of a model: how each is written, its default, its meaning."""
    known = keys_of(without) if without else {}
    rows = [
        (f"`{key}`", kind(shape), default(model, key), meaning(model, key))
        for key, shape in shapes(model).items()
        if key not in known
    ]
    return table(("key", "written as", "default", "meaning"), rows)


def shapes(model: type[BaseModel]) -> dict[str, Any]:
    """The JSON Schema of each key, its reference followed where that leads to a few words."""
    schema = model.model_json_schema()
    block = next(one for one in (schema, *schema.get("anyOf", ())) if "properties" in one)  # or a short form of it
    words = {f"#/$defs/{name}": shape for name, shape in schema.get("$defs", {}).items() if "enum" in shape}
    return {key: words.get(shape.get("$ref", ""), shape) for key, shape in block["properties"].items()}


def kind(shape: Mapping[str, Any]) -> str:
    """How a value is written, out of its JSON Schema."""
    if "$ref" in shape:
        return "a block"
    if "anyOf" in shape:
        return " or ".join(dict.fromkeys(kind(one) for one in shape["anyOf"] if one.get("type") != "null"))
    if "enum" in shape:
        return " or ".join(f"`{value}`" for value in shape["enum"])
    return KINDS_OF_VALUE.get(shape.get("type", ""), any_kind)(shape)


def any_kind(shape: Mapping[str, Any]) -> str:
    """A value of no fixed type, which says itself what it takes."""
    return str(shape.get("title", "any value")).lower()


def text_kind(shape: Mapping[str, Any]) -> str:
    """How a text is written: a secret, a duration, digits or any."""
    if shape.get("format") == "password":
        return "text, secret"
    return "duration" if "(ms|s|m|h|d)" in shape.get("pattern", "") else "text"


def number_kind(shape: Mapping[str, Any]) -> str:
    """A number, with its bounds."""
    least, most = shape.get("minimum"), shape.get("maximum")
    return f"number {least} to {most}" if most else f"number from {least}" if least is not None else "number"


def named_kind(shape: Mapping[str, Any]) -> str:
    """Values by name."""
    inner = shape.get("additionalProperties")
    return f"by name: {kind(inner) if isinstance(inner, dict) else 'a block'}"


KINDS_OF_VALUE: Mapping[str, Callable[[Mapping[str, Any]], str]] = {
    "string": text_kind,
    "integer": number_kind,
    "number": number_kind,
    "boolean": lambda _: "`true` or `false`",
    "array": lambda shape: f"list of: {kind(shape.get('items', {}))}",
    "object": named_kind,
}


def default(model: type[BaseModel], key: str) -> str:
    """The default of a key, as the YAML would have it."""
    if keys_of(model)[key].is_required():
        return "required"
    written = spelled(defaults(model).get(key))
    return f"`{written}`" if written else "none"


def defaults(model: type[BaseModel]) -> dict[str, Any]:
    """The defaults of a model, serialized; those of keys that are never written out too."""
    hidden = {key: field.default for key, field in keys_of(model).items() if field.exclude}
    return hidden | model.model_construct().model_dump(mode="json", by_alias=True)


def spelled(value: Any) -> str:
    """A default as YAML; empty where there is none."""
    if isinstance(value, str):
        return value
    return "" if value in (None, [], {}) else json.dumps(value, ensure_ascii=False)


def meaning(model: type[BaseModel], key: str) -> str:
    """What a key is for."""
    return " ".join(prose(keys_of(model)[key].description).split())


# --- reference.yaml --------------------------------------------------------------------------------------------------

EXAMPLES: Mapping[str, str] = {
    "ipyy.provider": "ipyy",
    "http.provider": "http",
    "ipyy.base_url": "https://sh2.ipyy.com",
    "http.base_url": "https://sms.acme.example",
    "account": "${IPYY_ACCOUNT:-your-account}",
    "ipyy.password": "${IPYY_PASSWORD:-your-password}",
    "per": "recipient",
    "count": "10",
    "within": "1d",
    "path": "/send",
    "send.request.form": "{mobile: \"{{ to | national | join(',') }}\", content: '{{ text }}'}",
    "kind": "json",
    "reply.code": "code",
    "reply.error": "message",
    "success.at": "code",
    "success.equals": '"0"',
    "balance.reply.balance": "data.credit",
    "country": '"86"',
    "store.url": "sqlite:///notify.db",
    "push.tokens": "[an-unguessable-word-0123456789]",
    "webhook.url": "https://shop.example/notify",
    "webhook.secrets": "[whsec_bm90LWEtc2VjcmV0LW9mLWFueWJvZHkh]",
    "codes": '{"1001": message}',
}
"""What stands at a place that has no default; the longest end of the place counts."""


def reference_yaml() -> str:
    """A configuration with every key that there is."""
    lines = [
        "# Every key with its meaning and its default or, where it has none, an example. Written by `make docs`.",
        "# docs/reference/configuration.md has the same in tables. To begin with, copy notify.example.yaml instead.",
        "",
        *keys(FileSettings, only=("default_region",)),
        "",
        "accounts:",
        *(line for name, model in providers().items() for line in (f"  my-{name}:", *keys(model, "    ", name))),
        "",
        "routes:",
        "  default: [my-ipyy.json, my-http.form]  # the paths alone, where all else has its default",
        "  otp:",
        *keys(RouteSettings, "    ", paths="[my-ipyy.soap, my-ipyy.xml]"),
        "",
        *keys(FileSettings, only=("store",)),
        "",
        f"# {meaning(FileSettings, 'webhooks')}",
        "webhooks:",
        "  my-shop:",
        *keys(WebhookSettings, "    ", "webhook"),
        "",
        *keys(FileSettings, only=("server", "templates", "transports", "plugins")),
    ]
    return "\n".join(lines) + "\n"


def keys(
    model: type[BaseModel], margin: str = "", place: str = "", only: tuple[str, ...] = (), **given: str
) -> Iterator[str]:
    """The lines of a block: each key below its meaning."""
    for key in only or keys_of(model):
        yield f"{margin}# {meaning(model, key)}"
        if inner := block_of(model, key):
            yield f"{margin}{key}:" + ("  # default: none" if keys_of(model)[key].default is None else "")
            yield from keys(inner, f"{margin}  ", f"{place}.{key}")
        else:
            yield f"{margin}{key}: {given.get(key) or value(model, key, f'{place}.{key}')}"


def block_of(model: type[BaseModel], key: str) -> type[BaseModel] | None:
    """The model of the one block that stands at a key."""
    annotation = keys_of(model)[key].annotation
    return None if get_origin(annotation) in (dict, tuple) else next(models_in(annotation), None)


def value(model: type[BaseModel], key: str, place: str) -> str:
    """The default of a key, or an example."""
    if example := example_at(place):
        return example + ("  # required" if keys_of(model)[key].is_required() else "  # default: none")
    if keys_of(model)[key].annotation == tuple[Limit, ...]:
        return "\n".join(["[]  # each of them has:", *(f"    #   {line}" for line in keys(Limit))])
    return yaml_value(defaults(model)[key])


def example_at(place: str) -> str:
    """The example for a place."""
    steps = place.split(".")
    ends = (".".join(steps[number:]) for number in range(len(steps)))
    return next((EXAMPLES[end] for end in ends if end in EXAMPLES), "")


def yaml_value(default: Any) -> str:
    """A default in YAML; none at all leaves the key empty, which is as good as absent."""
    if isinstance(default, str) and re.fullmatch(r"[\d.]*", default):
        return f'"{default}"'
    return "# none" if default is None else spelled(default) or json.dumps(default)


# --- commands --------------------------------------------------------------------------------------------------------


def commands() -> str:
    """The help of every command; that of a family comes before those of its commands."""
    pages = ((f"## notify {' '.join(words)}", code(help_of(*words))) for words in command_names())
    return joined([code(help_of()), *(block for page in pages for block in page)])


def command_names() -> Iterator[tuple[str, ...]]:
    """The words of every command and family."""
    for name, command in vars(typer.main.get_command(app))["commands"].items():
        yield (name,)
        yield from ((name, inner) for inner in getattr(command, "commands", ()))


def help_of(*command: str) -> str:
    """What ``notify COMMAND --help`` prints on a terminal of 100 columns."""
    result = CliRunner().invoke(app, [*command, "--help"], prog_name="notify", terminal_width=100)
    return "\n".join(line.rstrip() for line in result.output.splitlines())


# --- errors and codes ------------------------------------------------------------------------------------------------


def error_tree() -> str:
    """The family of errors, as its module draws it."""
    return code((errors.__doc__ or "").split("\n\n")[1])


def error_pages() -> str:
    """Every class of error, and the words of their verdicts."""
    classes = (block for cls in error_classes() for block in (f"## {cls.__name__}", prose(cls.__doc__)))
    words = (errors.Sent, errors.Scope, errors.Retry)
    return joined([*classes, *(block for each in words for block in enumeration(each))])


def ipyy_codes() -> str:
    """Every result code of ipyy."""
    columns = ("code", "name", "message", "meaning", "sent", "scope", "retry")
    return table(columns, map(code_row, codes.CODES))


def error_classes() -> list[type[BaseException]]:
    """The errors of the package, in the order of their module."""
    found = [value for value in vars(errors).values() if isinstance(value, type) and issubclass(value, Exception)]
    return [cls for cls in found if cls.__module__ == errors.__name__]


def enumeration(words: Any) -> Iterator[str]:
    """The words of an enumeration, with the comments of its source."""
    yield f"## {words.__name__}"
    yield prose(words.__doc__)
    comments = dict(re.findall(r'= "(\w+)"  # (.*)', inspect.getsource(words)))
    if comments:
        yield table(("value", "meaning"), ((f"`{word}`", comments[word]) for word in words))
    else:
        yield ", ".join(f"`{word}`" for word in words)


def verdicts() -> str:
    """What became of a request, by what the network raised or the gateway's status."""
    return table(("what happened", "sent", "told as"), [*exception_rows(), *status_rows()])


def exception_rows() -> Iterator[tuple[str, str, str]]:
    """A row for each word of the tables of exceptions."""
    for verdict, exceptions in (("no", http.SURELY_NOT), ("unknown", http.IN_DOUBT)):
        for words in dict.fromkeys(exceptions.values()):
            names = dict.fromkeys(cls.__name__ for cls, said in exceptions.items() if said == words)
            yield ", ".join(f"`{name}`" for name in names), verdict, words.format(where="HOST:PORT")
    yield "any of these while the connection was being made", "no", "… before the connection to HOST:PORT stood"


def status_rows() -> Iterator[tuple[str, str, str]]:
    """A row for each run of statuses with the same verdict."""
    statuses = {status: http.refusal(status, "") for status in range(200, 600)}
    for (sent, words), run in groupby(statuses, lambda status: said(statuses[status])):
        first_status, *rest = run
        yield f"HTTP {first_status}" + (f" to {rest[-1]}" if rest else ""), sent, words


def said(verdict: errors.SendError | None) -> tuple[str, str]:
    """A verdict's ``sent`` and words."""
    return (str(verdict.sent), verdict.description) if verdict else ("by the reply", "the dialect reads it")


def code_row(row: codes.Code) -> tuple[str, ...]:
    """One code of ipyy."""
    return row.number, row.name, "、".join(row.messages), row.meaning, str(row.sent), str(row.scope), str(row.retry)


# --- hooks -----------------------------------------------------------------------------------------------------------


def hooks() -> str:
    """Every hook."""
    return joined(block for name in specified() for block in hook(name))


def values_of_hooks() -> str:
    """What hooks are handed and return."""
    return joined(block for value in VALUES for block in member(value.__name__, value))


VALUES: tuple[Any, ...] = (
    *(exchange.Http, exchange.Request, exchange.Reply, exchange.Gateway),
    *(messages.Submission, messages.Accepted, messages.Push),
    *(events.FailedOver, events.InDoubt, events.Credit),
)


def specified() -> dict[str, Any]:
    """The hook specifications, in the order of their module."""
    return {name: value for name, value in vars(hookspecs).items() if hasattr(value, "notify_spec")}


def hook(name: str) -> Iterator[str]:
    """One hook: its signature and its sentence."""
    specification = specified()[name]
    yield f"## {name}"
    yield code(f"def {name}{signature(specification)}", "python")
    yield prose(specification.__doc__)


def capabilities() -> str:
    """The transports and their capability hooks."""
    rows = []
    for name, transport in bound_transports().items():
        marks = ["✓" if capability in transport.capabilities else "–" for capability in plugins.CAPABILITIES]
        rows.append([f"`{name}`", ", ".join(sorted(transport.carries)), *marks])
    return table(("transport", "carries", *(f"`{capability}`" for capability in plugins.CAPABILITIES)), rows)


def bound_transports() -> Mapping[str, plugins.Transport]:
    """Every installed transport."""
    return plugins.assemble(plugins.transports()).transports


# --- Python ----------------------------------------------------------------------------------------------------------


def members(*names: str) -> str:
    """Public names of the package."""
    return joined(block for name in names for block in member(name, getattr(notify_core, name)))


def member(name: str, value: Any) -> Iterator[str]:
    """A class with its public methods and properties."""
    yield f"### {name}"
    if issubclass(value, StrEnum):
        yield from list(enumeration(value))[1:]
        return
    if not getattr(value, "_is_protocol", False):
        yield code(f"{name}{signature(value)}", "python")
    yield prose(value.__doc__)
    public = {known: attribute for known, attribute in vars(value).items() if not known.startswith("_")}
    yield "\n".join(line for known, attribute in public.items() if (line := method_line(known, attribute)))


def method_line(name: str, attribute: Any) -> str:
    """A method or property: how it is called, and its docstring."""
    if isinstance(attribute, property):
        return f"- `{name}`: {first(attribute.__doc__)}"
    function = attribute.__func__ if isinstance(attribute, classmethod) else attribute
    if not inspect.isfunction(function) or not function.__doc__:
        return ""
    return f"- `{name}{signature(function, own=True)}`: {first(function.__doc__)}"


def signature(value: Any, *, own: bool = False) -> str:
    """A signature without quotation marks around its annotations; ``own`` leaves out self."""
    found = inspect.signature(value)
    parameters = list(found.parameters.values())[1 if own else 0 :]
    written = str(found.replace(parameters=parameters))
    written = unquoted(written).removesuffix(" -> None")
    return written if own or len(written) < 90 else wrapped(written, [str(each) for each in parameters])


def unquoted(written: str) -> str:
    """A signature without the quotation marks around annotations, and without the names of factories."""
    written = re.sub(r"(: |-> )'([^']*)'", r"\1\2", written)
    return re.sub(r"<factory>|<class '[^']*'>", "…", written)


def wrapped(written: str, parameters: list[str]) -> str:
    """A long signature, one parameter a line."""
    star = ["*"] if written.startswith("(*,") else []
    lines = "".join(f"    {line},\n" for line in [*star, *map(unquoted, parameters)])
    return f"(\n{lines}){written[written.rindex(')') + 1 :]}"


# --- the sandbox -----------------------------------------------------------------------------------------------------


def faults() -> str:
    """Every kind of fault."""
    return table(("kind", "what the gateway does", "options"), map(fault_row, KINDS))


def fault_row(name: str) -> tuple[str, str, str]:
    """One kind of fault."""
    return f"`{name}`", KINDS[name].meaning, ", ".join(f"`{option}`" for option in sorted(KINDS[name].options))


def control_calls() -> str:
    """The control calls as the running gateway lists them."""
    with sandbox() as gateway, urlopen(f"{gateway.url}/sandbox") as reply:  # noqa: S310  # its own address
        calls: dict[str, str] = json.load(reply)
    return table(("call", "what it does"), ((f"`{call}`", text.rstrip(".")) for call, text in calls.items()))


# --- parts of other pages --------------------------------------------------------------------------------------------


def words_of(words: Any) -> str:
    """The words of an enumeration in a table."""
    return list(enumeration(words))[-1]


def state_diagram() -> str:
    """The moves between states, as Mermaid draws them."""
    lines = [f"    [*] --> {states.State.QUEUED}"]
    lines += [f"    {state} --> {after}" for state in states.State for after in sorted_states(states.MOVES[state])]
    lines += [f"    {state} --> [*]" for state in states.State if state in states.FINAL]
    return code("\n".join(["stateDiagram-v2", *lines]), "mermaid")


def sorted_states(found: Iterable[states.State]) -> list[states.State]:
    """States in the order in which they are declared."""
    return sorted(found, key=list(states.State).index)


def layers() -> str:
    """The core's layers, from the contract that import-linter checks."""
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["importlinter"]["contracts"]
    rows = next(contract["layers"] for contract in contracts if contract["id"] == "layers")
    return code("\n".join(row.replace(" | ", "   ") for row in rows))


PARTS: Mapping[str, Mapping[str, Callable[[], str]]] = {
    "docs/reference/configuration.md": {
        "file": partial(settings, FileSettings),
        "route": partial(settings, RouteSettings),
        "store": partial(settings, StoreSettings),
        "webhook": partial(settings, WebhookSettings),
        "server": partial(settings, ServerSettings),
        "account": partial(settings, AccountSettings),
        "limit": partial(settings, Limit),
        "pull": partial(settings, PullSettings),
        "push": partial(settings, PushSettings),
        "credit": partial(settings, CreditSettings),
        "providers": accounts,
    },
    "docs/reference/commands.md": {"commands": commands},
    "docs/reference/errors-and-codes.md": {
        "tree": error_tree,
        "classes": error_pages,
        "verdicts": verdicts,
        "ipyy": ipyy_codes,
    },
    "docs/reference/hooks.md": {"transports": capabilities, "hooks": hooks, "values": values_of_hooks},
    "docs/reference/python.md": {
        "sending": partial(members, "Notifier", "Sms", "Mms", "Part"),
        "outcome": partial(members, "Result", "Delivery", "Attempt", "State", "Estimate"),
        "answers": partial(members, "Balance", "Report", "Inbound"),
    },
    "docs/reference/sandbox.md": {
        "faults": faults,
        "controls": control_calls,
        "account": partial(settings, Account),
        "style": partial(settings, Style),
    },
    "docs/design.md": {
        "scopes": partial(words_of, errors.Scope),
        "states": partial(words_of, states.State),
        "moves": state_diagram,
        "tree": error_tree,
        "layers": layers,
    },
    "README.md": {"transports": capabilities},
    "README.zh-CN.md": {"transports": capabilities},
}
"""The marked parts of each page, and what writes them."""


def filled(page: str, parts: Mapping[str, Callable[[], str]]) -> str:
    """A page with its marked parts written anew."""
    text = (ROOT / page).read_text("utf-8")
    for name, part in parts.items():
        begin, end = BEGIN.format(name=name), END.format(name=name)
        before, found, rest = text.partition(begin)
        if not found or end not in rest:
            raise SystemExit(f"{page}: expected {begin} and, after it, {end}")
        text = f"{before}{begin}\n\n{part()}\n\n{end}{rest.partition(end)[2]}"
    return text


# --- writing ---------------------------------------------------------------------------------------------------------


def written() -> dict[str, str]:
    """Every file that this script writes, with its content."""
    return {
        "docs/reference/schema.json": json.dumps(json_schema(), ensure_ascii=False, indent=2) + "\n",
        "config/reference.yaml": reference_yaml(),
        **{name: filled(name, parts) for name, parts in PARTS.items()},
    }


def outdated() -> list[str]:
    """The files that are not as they would be written now."""
    return [name for name, text in written().items() if not same(ROOT / name, text)]


def same(file: Path, text: str) -> bool:
    """Whether a file has this content."""
    return file.exists() and file.read_text("utf-8") == text


def main(arguments: list[str]) -> int:
    """Write the files that are not current or, with ``--check``, only name them."""
    names = outdated()
    for name in names:
        print(f"{name} is not current: make docs" if "--check" in arguments else f"wrote {name}")
    if "--check" in arguments:
        return 1 if names else 0
    for name in names:
        (ROOT / name).parent.mkdir(parents=True, exist_ok=True)
        (ROOT / name).write_text(written()[name], "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
