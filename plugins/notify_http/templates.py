"""Templates: Jinja2's expressions in its sandbox, strict, compiled once when the configuration is read.

A ``Value`` is one value of a mapping or of a nested structure; whoever writes that structure escapes it. A ``Text`` is
a whole document in which every ``{{ }}`` is escaped as the document wants. Neither knows other filters than ours.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any
from urllib.parse import quote

from jinja2 import StrictUndefined, TemplateSyntaxError, nodes
from jinja2.runtime import Context
from jinja2.sandbox import ImmutableSandboxedEnvironment
from pydantic import PlainValidator, WithJsonSchema

from notify_core.errors import nearest
from notify_http import filters
from notify_http.filters import FILTERS

NAMES: Mapping[str, str] = {
    "to": "the recipients, a list of numbers in E.164 (+8613800000001)",
    "text": "the text with its signature",
    "extension": "the digits appended to the sender's number, empty where the message has none",
    "send_at": "the time at which the message shall leave, none for at once",
    "reference": "a new number of 18 digits for each request, for gateways that want one of ours",
    "now": "the time of the request",
    "user": "the account's `user`",
    "password": "the account's `password`",
    "sender": "the account's `sender`",
    "country": "the account's `country`",
    "secrets": "the account's `secrets`, such as secrets.app_key",
    "body": "the finished body, for a signature over it; not within the body itself",
}
"""What a template may use, and what it is."""

MESSAGE = frozenset({"to", "text", "extension", "send_at"})
"""The names that only a message gives values to."""

_XML = str.maketrans(
    {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&apos;", "\t": "&#9;", "\n": "&#10;", "\r": "&#13;"}
)


_ADDRESS = re.compile(r"/|https?://[^/{}?#@\s]+/")  # a value never stands where the host does


def xml_escaped(value: object) -> str:
    """A value as it stands in an element or a quoted attribute, whose blanks are kept (XML 1.0 §2.4, §3.3.3)."""
    return filters.text(value).translate(_XML)


def _path_escaped(value: object) -> str:
    return quote(filters.text(value), safe="")


def _environment(finalize: Callable[[Any], Any]) -> ImmutableSandboxedEnvironment:
    environment = ImmutableSandboxedEnvironment(undefined=StrictUndefined, finalize=finalize)
    environment.filters = dict(FILTERS)
    environment.globals = {}
    return environment


_PLAIN = _environment(filters.text)
_IN_XML = _environment(xml_escaped)
_IN_PATH = _environment(_path_escaped)


def context(values: dict[str, object]) -> Context:
    """What all the templates of one request read: ``values`` themselves, so that a value added later is seen."""
    return _PLAIN.context_class(_PLAIN, values, None, {})


@dataclass(frozen=True, slots=True)
class Uses:
    """What a template uses: the names of ``NAMES``, which of the account's ``secrets``, and the filters."""

    names: frozenset[str]
    secrets: frozenset[str]
    filters: frozenset[str]

    @classmethod
    def of(cls, tree: nodes.Template) -> Uses:
        """What the template of that syntax tree uses."""
        owners = tree.find_all(nodes.Getattr)
        return cls(
            names=frozenset(_free(tree)),
            secrets=frozenset(
                use.attr for use in owners if isinstance(use.node, nodes.Name) and use.node.name == "secrets"
            ),
            filters=frozenset(use.name for use in tree.find_all(nodes.Filter)),
        )


class Value:
    """One value: constant, a single expression (which keeps its type), or text with expressions in it.

    Raises ``ValueError`` for what cannot be compiled.
    """

    __slots__ = ("_constant", "_name", "_run", "single", "uses")

    def __init__(self, source: str) -> None:
        tree = _parsed(source, _PLAIN, (nodes.Output,))
        expression = _single(tree)
        self.uses = Uses.of(tree)
        self.single = expression is not None
        self._constant = _constant(tree)
        self._name = expression.name if isinstance(expression, nodes.Name) else ""
        self._run = _PLAIN.from_string(tree if expression is None else _assignment(expression)).root_render_func

    def __repr__(self) -> str:
        return "<template>"

    def of(self, context: Context) -> Any:
        """The value in ``context``: that of a single expression as it is, else text."""
        if self._constant is not None:
            return self._constant
        if self._name and (known := context.parent.get(self._name)) is not None:
            return known
        if not self.single:
            return "".join(self._run(context))
        next(self._run(context), None)  # it writes nothing, and so runs to its end
        return context.vars["value"]


class Text:
    """A document with ``{{ }}``, each escaped by its ``environment``; it may have ``{% if %}`` and ``{% for %}``."""

    __slots__ = ("_constant", "_run", "source", "uses")

    def __init__(self, source: str, environment: ImmutableSandboxedEnvironment) -> None:
        tree = _parsed(source, environment, (nodes.Output, nodes.If, nodes.For))
        self.source = source
        self.uses = Uses.of(tree)
        self._constant = _constant(tree)
        self._run = environment.from_string(tree).root_render_func

    def __repr__(self) -> str:
        return "<template>"

    def of(self, context: Context) -> str:
        """The document in ``context``."""
        if self._constant is not None:
            return self._constant
        return "".join(self._run(context))


# --- compiling -------------------------------------------------------------------------------------------------------


def _parsed(source: str, environment: ImmutableSandboxedEnvironment, allowed: tuple[type, ...]) -> nodes.Template:
    """The syntax tree of a template that uses nothing unknown. Raises ``ValueError`` with all that is wrong with it."""
    try:
        tree = environment.parse(source)
    except TemplateSyntaxError as error:
        raise ValueError(f"not a template: {error.message}") from error
    if problems := [*_forbidden(tree, allowed), *_unknown(tree, environment)]:
        raise ValueError("; ".join(dict.fromkeys(problems)))
    return tree


def _forbidden(tree: nodes.Template, allowed: tuple[type, ...]) -> Iterator[str]:
    """Statements that are not ``allowed``: what they make would not be escaped where it stands."""
    for statement in tree.find_all(nodes.Stmt):
        if not isinstance(statement, allowed):
            written = f"{{% {type(statement).__name__.lower()} %}}"
            remedy = "write {{ a if b else c }}" if nodes.If not in allowed else "only {% if %} and {% for %} can"
            yield f"{written} cannot stand here: {remedy}"


def _unknown(tree: nodes.Template, environment: ImmutableSandboxedEnvironment) -> Iterator[str]:
    for name in sorted(_free(tree) - set(NAMES)):
        yield f"nothing is named {name!r}{nearest(name, NAMES)}"
    for use in tree.find_all(nodes.Filter):
        if use.name not in environment.filters:
            yield f"no filter {use.name!r}{nearest(use.name, environment.filters)}"
    for test in tree.find_all(nodes.Test):
        if test.name not in environment.tests:
            yield f"no test {test.name!r}{nearest(test.name, environment.tests)}"


def _free(tree: nodes.Template) -> set[str]:
    """The names that a template takes from outside: not the variables of its loops."""
    names = list(tree.find_all(nodes.Name))
    bound = {name.name for name in names if name.ctx == "store"} | {"loop" for _ in tree.find_all(nodes.For)}
    return {name.name for name in names} - bound


def _single(tree: nodes.Template) -> nodes.Expr | None:
    """The only expression of a template that is nothing else."""
    parts = [part for output in tree.body if isinstance(output, nodes.Output) for part in output.nodes]
    return parts[0] if len(parts) == 1 and not isinstance(parts[0], nodes.TemplateData) else None


def _constant(tree: nodes.Template) -> str | None:
    """What a template always says, None where it depends on anything."""
    parts = list(tree.find_all(nodes.Expr))
    if any(not isinstance(part, nodes.TemplateData) for part in parts):
        return None
    return "".join(part.data for part in parts if isinstance(part, nodes.TemplateData))


def _assignment(expression: nodes.Expr) -> nodes.Template:
    """A template that keeps an expression's value instead of writing it, as ``Environment.compile_expression`` does."""
    return nodes.Template([nodes.Assign(nodes.Name("value", "store"), expression, lineno=1)], lineno=1)


# --- as types of settings --------------------------------------------------------------------------------------------


def _value(written: object) -> Value:
    return Value(_source(written))


def _source(written: object) -> str:
    if not isinstance(written, str | int | float) or isinstance(written, bool):
        raise ValueError("expected text, in which {{ }} may stand")  # noqa: TRY004 - pydantic reports ValueError
    return str(written)


def _xml(written: object) -> Text:
    source = _source(written).strip()
    if "<!" in source or "<?" in source:
        raise ValueError("leave out <?xml … ?> (it is written for you), and <!…>: a value cannot be escaped in there")
    return Text(source, _IN_XML)


def _plain(written: object) -> Text:
    source = _source(written)
    start = source.lstrip()
    if start.startswith(("<", "[")) or (start.startswith("{") and not start.startswith(("{{", "{%", "{#"))):
        raise ValueError("this looks like JSON or XML: write it under `json` or `xml`, where values are escaped")
    return Text(source, _PLAIN)


def _path(written: object) -> Text:
    source = _source(written)
    if not _ADDRESS.match(source):
        raise ValueError("expected a path such as /send, or an address such as https://sms.example.com/send")
    return Text(source, _IN_PATH)


_Schema = WithJsonSchema({"type": "string"})
AnyValue = Annotated[Value, PlainValidator(_value), _Schema]
"""One value in a mapping."""
XmlText = Annotated[Text, PlainValidator(_xml), _Schema]
"""A document in XML, without its declaration."""
PlainText = Annotated[Text, PlainValidator(_plain), _Schema]
"""Text, in which nothing is escaped."""
Address = Annotated[Text, PlainValidator(_path), _Schema]
"""A path or address; a value within it is percent-encoded whole."""
