"""Reporting several mistakes of one block at once, each at its own place in the YAML."""

from __future__ import annotations

from collections.abc import Iterable

from pydantic import ValidationError
from pydantic_core import InitErrorDetails, PydanticCustomError

Place = tuple[str | int, ...]
"""Where a value stands below its block: ``("headers", "X-Sign")``."""
Problem = tuple[Place, str]
"""A place, and what is wrong there."""


def refuse(problems: Iterable[Problem]) -> None:
    """Raise all problems together, if there are any. pydantic puts the place of the block before each of theirs."""
    if found := [_detail(place, words) for place, words in problems]:
        raise ValidationError.from_exception_data("http", found, hide_input=True)


def below(place: Place, problems: Iterable[Problem]) -> list[Problem]:
    """The problems of a block as its parent sees them."""
    return [((*place, *inner), words) for inner, words in problems]


def _detail(place: Place, words: str) -> InitErrorDetails:
    return InitErrorDetails(
        type=PydanticCustomError("http_form", "{words}", {"words": words}),  # words may hold braces, a format must not
        loc=place,
        input=None,
    )
