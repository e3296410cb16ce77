"""Tokens let in, and prove that they were known; proxies are believed where they are ours."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from notify_core.proxies import Proxies, address
from notify_core.tokens import Tokens, proof

WORDS = st.text(min_size=1)


@given(st.lists(WORDS), WORDS)
def test_exactly_the_tokens_are_valid(words: list[str], offered: str) -> None:
    """A word lets in if it is one of the tokens, whatever characters it has."""
    tokens = Tokens(map(SecretStr, words))
    assert (offered in tokens) == (offered in words)
    assert (bool(tokens), len(tokens)) == (bool(words), len(words))


@given(st.text(), WORDS, WORDS)
def test_a_proof_is_of_its_word_and_its_text(text: str, word: str, other: str) -> None:
    """A proof holds for the text and the word that it was made of, and no longer than the word is valid."""
    made = proof(word, text)
    assert Tokens([SecretStr(word), SecretStr(other)]).proven(text, made)
    assert not Tokens([SecretStr(word)]).proven(f"{text}.", made)
    assert Tokens([SecretStr(other)]).proven(text, made) == (word == other)
    assert not Tokens([SecretStr(word)]).proven(text, made[:-1])


def test_no_tokens_let_nobody_in() -> None:
    """Without tokens nothing is valid, not even an empty word."""
    assert "" not in Tokens([])
    assert not Tokens([]).proven("", "")


def test_a_token_is_not_shown() -> None:
    """A repr has no token."""
    assert "hunter" not in repr(Tokens([SecretStr("hunter-hunter-hunter")])) + repr(vars(Tokens([SecretStr("hunter")])))


@given(st.text(), st.lists(st.text()))
def test_any_header_is_survived(peer: str, hops: list[str]) -> None:
    """Whatever a header says, who asks is an address or nobody."""
    found = Proxies([]).caller(peer, {"x-forwarded-for": ",".join(hops)})
    assert found == address(peer)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("203.0.113.9", "203.0.113.9"),
        (" 203.0.113.9:80 ", "203.0.113.9"),
        ("2001:db8::9", "2001:db8::9"),
        ("[2001:db8::9]:80", "2001:db8::9"),
        ("::ffff:203.0.113.9", "203.0.113.9"),
        ("unknown", "None"),
        ("", "None"),
    ],
)
def test_addresses_as_they_are_written(text: str, expected: str) -> None:
    """An address is read with a port, in brackets, and where IPv6 carries IPv4."""
    assert str(address(text)) == expected
