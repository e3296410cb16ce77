"""What a gateway's error codes mean for failover, as the YAML maps them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import BeforeValidator, GetJsonSchemaHandler, model_validator
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from notify_core.errors import Retry, Scope, SendError, Sent
from notify_core.settings import Duration, Strict


def _scope_alone(written: object) -> object:
    return {"scope": written} if isinstance(written, str) else written


class Code(Strict):
    """What one error code means. The scope alone may stand for the block."""

    scope: Scope
    """How far the failure reaches: message, recipient, transport, account or provider."""
    retry: Literal["never", "later"] | None = None
    """Whether the same may succeed there later. Without it: later for scope provider and for credit, else never."""
    after: Duration | None = None
    """When it may, where the gateway's documents say so."""
    sent: Literal["no", "unknown"] = "no"
    """no: the gateway surely did not take the message. unknown: it may have; the message is then in doubt."""
    credit: bool = False
    """The account is out of credit: its paths are passed over until it has some again. For scope account."""
    meaning: str = ""
    """What the code means, for errors and logs, where the gateway sends no words."""

    @model_validator(mode="after")
    def _credit_is_the_account_s(self) -> Code:
        if self.credit and (self.scope is not Scope.ACCOUNT or self.sent != "no"):
            raise ValueError("credit: true says that the account surely did not send: it belongs to scope: account")
        return self

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """The block, or its scope alone."""
        block = handler(schema)
        return {"anyOf": [handler.resolve_ref_schema(block)["properties"]["scope"], block]}

    @property
    def verdict(self) -> Retry:
        """Whether to try again."""
        return Retry(self.retry or ("later" if self.scope is Scope.PROVIDER or self.credit else "never"))


Entry = Annotated[Code, BeforeValidator(_scope_alone)]
"""A code in the YAML: its block, or the scope alone."""

UNKNOWN = Code(scope=Scope.PROVIDER)
"""A code that nobody described, and an error without a code: this gateway, later. (design.md, the table of errors)"""

# What a gateway calls a code, as opposed to a sentence, which may quote the message or a phone number.
_CODE = re.compile(r"(?!.*\d{11})[A-Za-z0-9_.:/-]{1,64}")


def error(codes: Mapping[str, Code], code: str, words: str, raw: str) -> SendError:
    """The verdict on a refusal with that code and text; either may be empty."""
    key, known = _described(codes, code)
    return SendError(
        _description(known.meaning, words, code),
        sent=Sent(known.sent),
        scope=known.scope,
        retry=known.verdict,
        after=known.after,
        code=code if _CODE.fullmatch(code) else key.removesuffix("*"),
        raw=raw,
        no_credit=known.credit,
    )


def _described(codes: Mapping[str, Code], code: str) -> tuple[str, Code]:
    """The entry of a code: exactly its own, else the longest ``prefix*``."""
    if code in codes:
        return code, codes[code]
    prefixes = [key for key in codes if key.endswith("*") and code and code.startswith(key[:-1])]
    key = max(prefixes, key=len, default="")
    return key, codes.get(key, UNKNOWN)


def _description(meaning: str, words: str, code: str) -> str:
    """What to tell: the YAML's meaning and the gateway's words; the core cleans both."""
    if meaning and words and words != code:
        return f"{meaning}: {words}"
    return meaning or words or f"the gateway refused with {code}"
