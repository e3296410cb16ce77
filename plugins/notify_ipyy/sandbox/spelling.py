"""How the gateway spells its replies: as the document does, or as white-label gateways do."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Literal
from xml.sax.saxutils import escape

from pydantic import BaseModel, ConfigDict

from notify_core.exchange import Reply
from notify_ipyy.sandbox.codes import OK, Refused

_JSON = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))

Fields = Sequence[tuple[str, object]]
"""The fields of a reply in their order; a value that is a list holds records of fields."""

_PASCAL = {
    "returnsms": "ReturnSms",
    "returnstatus": "ReturnStatus",
    "remainpoint": "RemainPoint",
    "payinfo": "PayInfo",
    "errorstatus": "ErrorStatus",
    "statusbox": "StatusBox",
    "callbox": "CallBox",
    "taskid": "TaskId",
    "receivetime": "ReceiveTime",
    "errorcode": "ErrorCode",
    "extno": "ExtNo",
}
_NUMERIC = {"remainpoint", "taskID", "successCounts", "overage", "sendTotal", "error"}


class Style(BaseModel):
    """The spellings of one gateway. Its defaults are the document's; each other one was seen at some white label.

    (gateway.md, part 2, "Form endpoints"; the leniency that clients need is a list in the issue.)
    """

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    success: str = "Success"
    """The word for success."""
    balance_success: str = "Sucess"
    """The same in the XML reply to a balance, which the document spells in two ways."""
    failure: str = "Faild"
    """The word for failure."""
    ok: str = OK.words
    """The message of success; white label: ok."""
    messages: Literal["words", "names"] = "words"
    """Whether a refusal is told by its Chinese words or by its code's name in PascalCase."""
    fields: Literal["document", "pascal"] = "document"
    """The letter case of elements and members: returnstatus or ReturnStatus."""
    no_task: str = ""
    """The taskID of a refusal; white label: 0."""
    tails: bool = True
    """Whether a refusal's words go on in brackets, as in 敏感词汇(…)."""
    declaration: str = '<?xml version="1.0" encoding="{charset}"?>'
    """What an XML reply begins with."""
    bom: bool = False
    """Whether a reply in UTF-8 begins with a byte order mark."""
    cdata: bool = False
    """Whether the values of XML stand in CDATA sections."""
    values: Literal["document", "strings", "numbers"] = "document"
    """Whether values of JSON are all strings, or numbers where they are counts, codes and ids."""

    def message(self, refused: Refused) -> str:
        """What a form endpoint says about a refusal."""
        if self.messages == "names":
            return refused.name
        return refused.words if self.tails else refused.code.words

    def name(self, field: str) -> str:
        """A field's name in this style."""
        if self.fields == "document":
            return field
        return _PASCAL.get(field, field[0].upper() + field[1:])


WHITE_LABEL = Style(
    success="ok",
    balance_success="ok",
    failure="Fail",
    ok="ok",
    messages="names",
    fields="pascal",
    no_task="0",
    declaration=' \r\n<?xml  version = "1.0"  encoding = "{charset}" ?>\r\n',
    bom=True,
    cdata=True,
    values="numbers",
)
"""Everything that differs at once."""


def xml_reply(style: Style, fields: Fields, charset: str = "utf-8") -> Reply:
    """A ``returnsms`` document."""
    body = style.declaration.format(charset=charset) + _element(style, "returnsms", _elements(style, fields))
    # What .NET calls gb2312 is code page 936 (gateway.md, part 2, trap 8).
    data = _marked(style, body, "gbk" if charset == "gb2312" else charset)
    return Reply(200, data, {"content-type": f"text/xml; charset={charset}"})


def json_reply(style: Style, fields: Fields) -> Reply:
    """A JSON object, under the Content-Type that ASP.NET gives a page that sets none."""
    return Reply(
        200, _marked(style, _JSON.encode(_object(style, fields)), "utf-8"), {"content-type": "text/html; charset=utf-8"}
    )


def _marked(style: Style, text: str, charset: str) -> bytes:
    mark = "\ufeff" if style.bom and charset == "utf-8" else ""
    return (mark + text).encode(charset, "xmlcharrefreplace")


def _elements(style: Style, fields: Fields) -> str:
    return "".join(_repeated(style, name, value) for name, value in fields)


def _repeated(style: Style, name: str, value: object) -> str:
    if isinstance(value, list):
        return "".join(_element(style, name, _elements(style, record)) for record in value)
    return _element(style, name, _text(style, str(value)))


def _element(style: Style, name: str, content: str) -> str:
    name = style.name(name)
    return f"<{name}>{content}</{name}>"


def _text(style: Style, text: str) -> str:
    if style.cdata:
        return "<![CDATA[" + text.replace("]]>", "]]]]><![CDATA[>") + "]]>"
    return escape(text)


def _object(style: Style, fields: Iterable[tuple[str, object]]) -> Mapping[str, object]:
    return {style.name(name): _value(style, name, value) for name, value in fields}


def _value(style: Style, name: str, value: object) -> object:
    if isinstance(value, list):
        return [_object(style, item) if isinstance(item, tuple) else item for item in value]
    if style.values == "strings":
        return str(value)
    if style.values == "numbers" and name in _NUMERIC and str(value).removeprefix("-").isdigit():
        return int(str(value))
    return value
