"""The TMS container of an MMS: its parts in one run of bytes (gateway.md part 1 §3; part 2).

For each part: its name, a zero byte, the size of its content in 4 bytes (little-endian), the content.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from struct import Struct

from notify_core.messages import Part

NAMES = "gbk"
"""The charset of names, as of texts: GB2312 in the document, which is GBK (trap 8)."""

_SIZE = Struct("<I")


def packed(parts: Iterable[Part]) -> bytes:
    """The container of ``parts``, in their order. Raises ``UnicodeEncodeError`` for a name that GBK cannot carry."""
    return b"".join(map(_element, parts))


def _element(part: Part) -> bytes:
    return b"".join((part.name.encode(NAMES), b"\0", _SIZE.pack(len(part.content)), part.content))


def unpacked(container: bytes) -> tuple[Part, ...]:
    """The parts of ``container``. Raises ``ValueError``, saying where, for one that is damaged."""
    return tuple(_elements(container))


def _elements(container: bytes) -> Iterator[Part]:
    start = 0
    while start < len(container):
        end_of_name = container.find(b"\0", start)
        content = end_of_name + 1 + _SIZE.size
        if end_of_name <= start or content > len(container):
            raise ValueError(f"no name and size of an element at byte {start} of {len(container)}")
        (size,) = _SIZE.unpack_from(container, end_of_name + 1)
        if content + size > len(container):
            raise ValueError(
                f"the element at byte {start} has {size} bytes, of which {len(container) - content} are there"
            )
        yield Part(container[start:end_of_name].decode(NAMES), container[content : content + size])
        start = content + size
