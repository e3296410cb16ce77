"""The SMIL element that lays the parts of an MMS out, for a message that brings none (gateway.md part 2)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from xml.sax.saxutils import quoteattr

from notify_core.messages import Part

NAME = "mms.smil"

_IMAGE = "img"
_ELEMENTS = {
    **dict.fromkeys(("jpg", "jpeg", "gif", "png", "bmp"), _IMAGE),
    **dict.fromkeys(("wav", "mid", "midi", "amr", "mp3"), "audio"),
    **dict.fromkeys(("mp4", "3gp"), "video"),
    "txt": "text",
}
_REGIONS = {_IMAGE: "Image", "video": "Image", "text": "Text"}
_HEAD = (
    '<head><layout><root-layout width="240" height="320"/>'
    '<region id="Image" left="0" top="0" width="240" height="240" fit="meet"/>'
    '<region id="Text" left="0" top="240" width="240" height="80" fit="scroll"/></layout></head>'
)


def is_smil(part: Part) -> bool:
    """Whether the part lays others out."""
    return part.name.lower().endswith(".smil")


def layout(parts: Iterable[Part]) -> Part:
    """The SMIL element that shows ``parts`` in their order: a new page begins where a page would show two of a kind."""
    pages = "".join(f'<par dur="5000ms">{"".join(page)}</par>' for page in _pages(parts))
    document = f"<smil>{_HEAD}<body>{pages}</body></smil>"
    return Part(NAME, document.encode("ascii", "xmlcharrefreplace"))


def _pages(parts: Iterable[Part]) -> Iterator[list[str]]:
    shown: dict[str, str] = {}
    for part in parts:
        element = _ELEMENTS.get(part.name.rpartition(".")[2].lower(), "ref")
        place = _REGIONS.get(element, element)
        if place in shown:
            yield list(shown.values())
            shown = {}
        shown[place] = _reference(element, part.name)
    yield list(shown.values())


def _reference(element: str, name: str) -> str:
    region = f' region="{_REGIONS[element]}"' if element in _REGIONS else ""
    return f"<{element} src={quoteattr(name)}{region}/>"
