"""Phone numbers: E.164 inside, whatever people write outside, masked wherever they are shown."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import TYPE_CHECKING

from notify_core.errors import InvalidMessage

if TYPE_CHECKING:
    from phonenumbers import PhoneNumber

# What a number may look like where it is shown in part; anything longer, or with letters, may be a text gone astray.
_SHOWN = re.compile(r"[+0-9 ().-]{8,20}")


def mask(number: str) -> str:
    """The number as logs and reprs show it: ``+8613800138000`` becomes ``+86138****8000``."""
    return f"{number[:-8]}****{number[-4:]}" if _SHOWN.fullmatch(number) else "****"


def e164(number: str, region: str) -> str:
    """``number`` as people write it, in E.164; ``region`` (ISO 3166, such as ``CN``) reads one without ``+``.

    Raises ``InvalidMessage`` for what is no phone number of that region, or one that cannot take messages (a landline,
    a service number).
    """
    if number.startswith("+"):
        return number if _is_mobile(number) else _parsed(number, region)
    mobile, prefix = _mobile_pattern(region)
    if mobile is not None and mobile.fullmatch(number):
        return prefix + number
    return _parsed(number, region)


def _is_mobile(number: str) -> bool:
    """Whether a number with ``+`` is, as it stands, a mobile number of a country code's one region."""
    regions = _regions()
    region = regions.get(number[1:2]) or regions.get(number[1:3]) or regions.get(number[1:4])
    mobile, prefix = _mobile_pattern(region or "ZZ")
    return mobile is not None and mobile.fullmatch(number, len(prefix)) is not None


@lru_cache(maxsize=1)
def _regions() -> Mapping[str, str]:
    """The region of each country code that has one only; no code begins with another (ITU-T E.164)."""
    from phonenumbers import COUNTRY_CODE_TO_REGION_CODE

    return {str(code): regions[0] for code, regions in COUNTRY_CODE_TO_REGION_CODE.items() if len(regions) == 1}


@lru_cache(maxsize=64)
def _mobile_pattern(region: str) -> tuple[re.Pattern[str] | None, str]:
    """The region's own mobile numbers by phonenumbers' metadata, and the prefix that makes them E.164.

    Reading a number through phonenumbers takes about 80 µs, matching its own pattern less than one. Only plain mobile
    numbers that no other rule of their region could read differently go this way: a region with a leading national
    prefix that such a number may start with, or with one prefix for several regions (``+1``), does not.
    """
    from phonenumbers.phonemetadata import PhoneMetadata

    metadata = PhoneMetadata.metadata_for_region(region, None)
    if metadata is None or metadata.mobile is None or not metadata.mobile.national_number_pattern:
        return None, ""
    if str(metadata.country_code) not in _regions() or metadata.national_prefix_transform_rule:
        return None, ""
    lengths = [n for n in metadata.mobile.possible_length if n > 0]
    pattern = rf"(?=[0-9]{{{min(lengths)},{max(lengths)}}}$)(?:{metadata.mobile.national_number_pattern})"
    if metadata.national_prefix_for_parsing:
        pattern = rf"(?!(?:{metadata.national_prefix_for_parsing})){pattern}"
    return re.compile(pattern, re.ASCII), f"+{metadata.country_code}"


def _parsed(number: str, region: str) -> str:
    import phonenumbers

    try:
        parsed = phonenumbers.parse(number, region)
    except phonenumbers.NumberParseException as error:
        raise InvalidMessage(f"{mask(number)!r} is not a phone number: {_advice(number, region)}") from error
    if parsed.extension or not phonenumbers.is_valid_number(parsed):
        raise InvalidMessage(f"{mask(number)!r} is not a valid phone number: {_advice(number, region)}")
    _refuse_landline(parsed, number)
    return phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.E164)


def _advice(number: str, region: str) -> str:
    if number.strip().startswith("+"):
        return "expected + and the country code, then the subscriber's number"
    return f"expected a number of {region or 'no region'}, or + and the country code before it"


def _refuse_landline(parsed: PhoneNumber, number: str) -> None:
    from phonenumbers import PhoneNumberType, number_type

    refused = {
        PhoneNumberType.FIXED_LINE: "a landline",
        PhoneNumberType.TOLL_FREE: "a toll-free number",
        PhoneNumberType.PREMIUM_RATE: "a premium-rate number",
        PhoneNumberType.SHARED_COST: "a shared-cost number",
        PhoneNumberType.UAN: "a company number",
        PhoneNumberType.VOICEMAIL: "a voicemail number",
    }
    if kind := refused.get(number_type(parsed)):
        raise InvalidMessage(f"{mask(number)!r} is {kind} and cannot take messages: give a mobile number")
