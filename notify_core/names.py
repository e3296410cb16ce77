"""Names with a dot in them. A path is an account and a dialect, ``clinic.json``; a transport a provider and a dialect.

An account and a provider may have dots of their own; a dialect has none.
"""

from __future__ import annotations


def account_of(path: str) -> str:
    """The account of a path; empty for the empty name of a path that nobody has chosen yet."""
    return path.rpartition(".")[0]


def provider_of(transport: str) -> str:
    """The provider that a transport speaks to; empty for a name without a dot, which is that of a listener."""
    return transport.rpartition(".")[0]
