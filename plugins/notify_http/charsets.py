"""The charsets of gateways, as the YAML names them."""

from __future__ import annotations

from typing import Literal

Charset = Literal["utf-8", "gbk", "big5", "iso-8859-1"]
"""What Windows and .NET call GB2312 is GBK. (gateway.md part 2, trap 8)"""
