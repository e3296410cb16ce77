"""Words that let somebody in, such as the token of a push address."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable

from pydantic import SecretStr


class Tokens:
    """The words that are valid now: several while one replaces another.

    Asking takes as long whatever was offered: neither how much of a guess was right nor its length can be measured.
    """

    def __init__(self, words: Iterable[SecretStr]) -> None:
        self._digests = tuple(_digest(word.get_secret_value()) for word in words)

    def __bool__(self) -> bool:
        return bool(self._digests)

    def __len__(self) -> int:
        return len(self._digests)

    def __contains__(self, offered: str) -> bool:
        found = [hmac.compare_digest(_digest(offered), known) for known in self._digests]
        return True in found

    def proven(self, text: str, proof: str) -> bool:
        """Whether ``proof`` is that of a word which is valid now."""
        found = [hmac.compare_digest(proof.encode("utf-8", "replace"), _proof(key, text)) for key in self._digests]
        return True in found


def proof(word: str, text: str) -> str:
    """What shows that its holder knew ``word`` when ``text`` was agreed, and does not tell the word."""
    return _proof(_digest(word), text).decode()


def _proof(key: bytes, text: str) -> bytes:
    return hmac.digest(key, text.encode(), "sha256").hex().encode()


def _digest(word: str) -> bytes:
    return hashlib.sha256(word.encode("utf-8", "surrogatepass")).digest()
