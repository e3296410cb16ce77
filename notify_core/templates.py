"""Named texts of the YAML, rendered strictly: a missing or unknown value is an error before any network."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from notify_core.errors import InvalidMessage, nearest

if TYPE_CHECKING:
    from jinja2 import Template


class Templates:
    """The templates of a configuration, compiled once in Jinja2's sandbox. ``compile`` raises ``ValueError``."""

    def __init__(self, texts: Mapping[str, str]) -> None:
        self._compiled = {name: _compiled(text) for name, text in texts.items()}

    def render(self, name: str, values: Mapping[str, object]) -> str:
        """The text of template ``name`` with ``values``. Raises ``InvalidMessage``."""
        if name not in self._compiled:
            raise InvalidMessage(f"no template {name!r}{nearest(name, self._compiled)}")
        template, variables = self._compiled[name]
        if unknown := set(values) - variables:
            raise InvalidMessage(f"template {name!r} has no {_quoted(unknown)}{nearest(min(unknown), variables)}")
        if missing := variables - set(values):
            raise InvalidMessage(f"template {name!r} needs a value for {_quoted(missing)}")
        return _rendered(name, template, values)


def _rendered(name: str, template: Template, values: Mapping[str, object]) -> str:
    from jinja2 import TemplateError

    try:
        return template.render(values)
    except (TemplateError, ArithmeticError, LookupError, TypeError, ValueError, AttributeError) as error:
        raise InvalidMessage(
            f"template {name!r} cannot be rendered with these values: {type(error).__name__}"
        ) from None  # its text may quote a value


def _compiled(text: str) -> tuple[Template, frozenset[str]]:
    from jinja2 import StrictUndefined, TemplateSyntaxError, meta
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    environment = ImmutableSandboxedEnvironment(undefined=StrictUndefined)
    try:
        variables = meta.find_undeclared_variables(environment.parse(text))
        return environment.from_string(text), frozenset(variables) - set(environment.globals)
    except TemplateSyntaxError as error:
        raise ValueError(f"not a Jinja2 template: {error.message} (line {error.lineno} of the text)") from error


def _quoted(names: set[str] | frozenset[str]) -> str:
    return ", ".join(map(repr, sorted(names)))
