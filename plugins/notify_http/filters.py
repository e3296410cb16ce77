"""The named filters of templates. There are no others: Jinja2's own are left out, ``safe`` among them.

Each takes the value on its left and answers text, unless it says otherwise. A filter that cannot work raises
``FilterError``, whose words never quote the value: it may be a password.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
from collections.abc import Callable, Mapping
from datetime import datetime
from functools import lru_cache
from typing import Any
from urllib.parse import quote
from zoneinfo import ZoneInfo

from jinja2 import pass_context
from jinja2.runtime import Context, Undefined

from notify_core.errors import nearest


class FilterError(ValueError):
    """A filter was given what it cannot take; the text says what it takes."""


# --- text ------------------------------------------------------------------------------------------------------------


def text(value: object) -> str:
    """A value as text, which every ``{{ }}`` within a text goes through: nothing for none, ``true`` and ``false``."""
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float | Undefined):  # an undefined one raises what is undefined
        return str(value)
    raise FilterError(f"{_ADVICE.get(type(value), type(value).__name__)} is not text")


_ADVICE: Mapping[type, str] = {
    tuple: "a list (write | join(','))",
    list: "a list (write | join(','))",
    dict: "a mapping (write | json, or name one of its values)",
    datetime: "a time (write | time('%Y-%m-%d %H:%M:%S', 'Asia/Shanghai'), | unix or | unix_ms)",
    bytes: "bytes (write | base64 or | hex)",
}


def _bytes(value: object, charset: str) -> bytes:
    if isinstance(value, bytes):
        return value
    try:
        return text(value).encode(charset)
    except LookupError:
        raise FilterError(
            f"no charset {charset!r}; known are utf-8, gbk, big5, utf-16-be and Python's others"
        ) from None


def _upper(value: object) -> str:
    return text(value).upper()


def _lower(value: object) -> str:
    return text(value).lower()


def _trim(value: object) -> str:
    return text(value).strip()


def _length(value: object) -> int:
    return len(value if isinstance(value, tuple | list) else text(value))


def _integer(value: object) -> int:
    try:
        return int(text(value))
    except ValueError:
        raise FilterError("int takes digits") from None


_JSON = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))


def json_text(value: object) -> str:
    """A value in JSON, in which no text can end its string."""
    try:
        return _JSON.encode(value)
    except TypeError:
        raise FilterError(f"{_unwritable(value)} cannot be written in JSON") from None


def _unwritable(value: object) -> str:
    return _ADVICE[type(value)] if isinstance(value, datetime | bytes) else "something within the value"


# --- hashes and encodings --------------------------------------------------------------------------------------------


def _hash(name: str) -> Callable[..., str]:
    algorithm = getattr(hashlib, name)  # half the time of hashlib.new

    def hashed(value: object, charset: str = "utf-8") -> str:
        return str(algorithm(_bytes(value, charset), usedforsecurity=False).hexdigest())

    return hashed


def _hmac(name: str) -> Callable[..., str]:
    def signed(value: object, key: object, charset: str = "utf-8") -> str:
        return hmac.new(_bytes(key, charset), _bytes(value, charset), name).hexdigest()

    return signed


def _base64(value: object, charset: str = "utf-8") -> str:
    return base64.b64encode(_bytes(value, charset)).decode()


def _hex(value: object, charset: str = "utf-8") -> str:
    return _bytes(value, charset).hex()


def _unhex(value: object) -> bytes:
    try:
        return binascii.unhexlify(text(value))
    except ValueError:
        raise FilterError("unhex takes hex digits, such as those of sha256") from None


def _urlencode(value: object, charset: str = "utf-8") -> str:
    return quote(_bytes(value, charset), safe="")


# --- recipients ------------------------------------------------------------------------------------------------------


def _numbers(write: Callable[[str], str]) -> Callable[[object], str | list[str]]:
    def written(numbers: object) -> str | list[str]:
        if isinstance(numbers, tuple | list):
            return [write(_e164(number)) for number in numbers]
        return write(_e164(numbers))

    return written


def _e164(number: object) -> str:
    if not isinstance(number, str) or not number.startswith("+"):
        raise FilterError("takes numbers with + as they are in `to`: apply it once, and first")
    return number


@pass_context
def _national(context: Context, numbers: object) -> str | list[str]:
    prefix = f"+{context.resolve('country')}"
    return _numbers(lambda number: number.removeprefix(prefix))(numbers)


def _join(values: object, separator: str = ",") -> str:
    if not isinstance(values, tuple | list):
        raise FilterError("join takes a list such as `to`")
    return separator.join(map(text, values))


def _first(values: object) -> Any:
    if not isinstance(values, tuple | list) or not values:
        raise FilterError("first takes a list such as `to`")
    return values[0]


def _each(values: object, name: str) -> list[dict[str, Any]]:
    if not isinstance(values, tuple | list):
        raise FilterError("each takes a list such as `to`")
    return [{name: value} for value in values]


# --- time ------------------------------------------------------------------------------------------------------------


def _time(at: object, layout: str, zone: str) -> str | None:
    return None if at is None else _datetime(at).astimezone(_zone(zone)).strftime(layout)


def _unix(at: object) -> int | None:
    return None if at is None else int(_datetime(at).timestamp())


def _unix_ms(at: object) -> int | None:
    return None if at is None else int(_datetime(at).timestamp() * 1000)


def _datetime(at: object) -> datetime:
    if not isinstance(at, datetime):
        raise FilterError("takes a time: now or send_at")
    return at


@lru_cache(maxsize=64)
def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ValueError, OSError, LookupError):
        from zoneinfo import available_timezones

        hint = nearest(name, available_timezones()) if available_timezones() else "; install the package tzdata"
        raise FilterError(f"no time zone {name!r}{hint if len(hint) < 100 else ', such as Asia/Shanghai'}") from None


FILTERS: Mapping[str, Callable[..., Any]] = {
    "base64": _base64,
    "e164": _numbers(str),
    "each": _each,
    "first": _first,
    "hex": _hex,
    "hmac_sha1": _hmac("sha1"),
    "hmac_sha256": _hmac("sha256"),
    "int": _integer,
    "international": _numbers(lambda number: number[1:]),
    "join": _join,
    "json": json_text,
    "length": _length,
    "lower": _lower,
    "md5": _hash("md5"),
    "national": _national,
    "prefixed": _numbers(lambda number: f"00{number[1:]}"),
    "sha1": _hash("sha1"),
    "sha256": _hash("sha256"),
    "time": _time,
    "trim": _trim,
    "unhex": _unhex,
    "unix": _unix,
    "unix_ms": _unix_ms,
    "upper": _upper,
    "urlencode": _urlencode,
}
"""Every filter by its name in templates."""
