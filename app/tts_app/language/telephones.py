"""Phone numbers: which digits are one, and the groups in which its country writes them (phonenumbers)."""

from functools import lru_cache

import regex
from phonenumbers import (
    NumberParseException,
    PhoneNumberFormat,
    format_number,
    is_emergency_number,
    is_valid_number,
    parse,
)

_GROUP = regex.compile(r"\d++")


def region_of(locale: str) -> str:
    """Return the country of a locale (AU of en-AU), or an empty string."""
    last = locale.rpartition("-")[2]
    return last if len(last) == 2 and last.isupper() else ""


@lru_cache(maxsize=1024)
def groups_of(written: str, region: str) -> tuple[str, ...]:
    """Return the groups of digits of a phone number, or nothing where it is none in this country.

    Groups that the writer made are kept; a single run of digits is cut as the country writes it.
    """
    try:
        number = parse(written, region or None)
    except NumberParseException:
        return ()
    if not is_valid_number(number):
        return ()
    groups = tuple(_GROUP.findall(written))
    if len(groups) > 1:
        return groups
    international = written.startswith(("+", "00"))
    style = PhoneNumberFormat.INTERNATIONAL if international else PhoneNumberFormat.NATIONAL
    country = tuple(_GROUP.findall(format_number(number, style)))
    return (
        country if "".join(country) == "".join(groups).removeprefix("00" if international else "") else groups
    )


def is_emergency(digits: str, region: str) -> bool:
    """Return whether digits call for help in a country: 112, 911, 000."""
    return bool(region) and is_emergency_number(digits, region)
