"""Currencies of the world: codes of ISO 4217, signs, and names in any language, by Unicode's CLDR (Babel)."""

from collections.abc import Mapping
from decimal import Decimal
from functools import lru_cache
from types import MappingProxyType

from babel import Locale, UnknownLocaleError
from babel.core import get_global
from babel.numbers import get_currency_name, get_currency_precision, get_territory_currencies

from tts_app.language.text import word_set

_LATELY = word_set("ANG BGN BYR CUC HRK LTL LVL EEK MRO SLL STD VEF ZMK CNH")
"""Codes of currencies that went out of use lately, or that no country has as its own."""
CODES = _LATELY | {
    code for land in get_global("territory_currencies") for code in get_territory_currencies(land)
}
"""The codes in use."""

CODES_THAT_ARE_WORDS = word_set("ALL ANG BAM BOB COP CUP GEL LAK MAD MOP NAD PEN RON SOS TOP TRY")
"""Codes that are words or names too: money only where no noun is counted (TRY 500, not TRY 2 rooms)."""

SIGNS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "CAD": ("C$", "CA$", "Can$", "CAN$"),
        "NZD": ("NZ$",),
        "HKD": ("HK$",),
        "SGD": ("S$", "SG$"),
        "TWD": ("NT$",),
        "MXN": ("MX$", "Mex$"),
        "BRL": ("R$",),
        "JMD": ("J$",),
        "TTD": ("TT$",),
        "BBD": ("Bds$",),
        "BZD": ("BZ$",),
        "FJD": ("FJ$",),
        "NAD": ("N$",),
        "XCD": ("EC$",),
        "NIO": ("C$N",),
        "PEN": ("S/", "S/."),
        "BOB": ("Bs.",),
        "JPY": ("¥", "￥", "JP¥", "円"),
        "CNY": ("CN¥", "RMB", "元"),
        "KRW": ("₩",),
        "KPW": ("KP₩",),
        "ILS": ("₪",),
        "VND": ("₫",),
        "PHP": ("₱",),
        "THB": ("฿",),
        "KHR": ("៛",),
        "LAK": ("₭",),
        "MNT": ("₮",),
        "BDT": ("৳",),
        "AFN": ("؋",),
        "TRY": ("₺",),
        "RUB": ("₽",),
        "UAH": ("₴",),
        "KZT": ("₸",),
        "GEL": ("₾",),
        "AZN": ("₼",),
        "AMD": ("֏",),
        "NGN": ("₦",),
        "GHS": ("₵", "GH₵"),
        "CRC": ("₡",),
        "PYG": ("₲",),
        "PLN": ("zł",),
        "CZK": ("Kč",),
        "CHF": ("SFr", "SFr.", "Fr."),
        "MYR": ("RM",),
        "IDR": ("Rp",),
        "KES": ("KSh", "KSh."),
        "UGX": ("USh",),
        "TZS": ("TSh",),
        "XAF": ("FCFA",),
    }
)
"""Written signs of currencies that are the same in all languages, in addition to `notation.CURRENCIES`."""

CENTS = "¢"
"""The sign of a hundredth of the speaker's own dollar."""


def currency_name(locale: str, code: str, amount: Decimal) -> str:
    """Return the name of a currency as it is counted: Japanese yen, dólares canadienses.

    The plural is CLDR's for the amount. A currency that CLDR has no name for in the language is its code.
    """
    return _name(locale, code, abs(amount))


@lru_cache(maxsize=4096)
def _name(locale: str, code: str, amount: Decimal) -> str:
    try:
        return get_currency_name(code, count=amount, locale=Locale.parse(locale, sep="-"))
    except (UnknownLocaleError, ValueError):
        return code


def minor_digits(code: str) -> int:
    """Return how many decimals the currency has: 2 for most, 0 for yen, 3 for the dinars of the Gulf."""
    return get_currency_precision(code)


def split_amount(amount: Decimal, code: str) -> tuple[int, int] | None:
    """Return the whole units and the small ones (cents) of an amount of at least 0, or None.

    None: the amount is finer than the currency's small unit, so it is said as a decimal.
    """
    digits = minor_digits(code)
    small = amount.scaleb(digits)
    if small != int(small):
        return None
    whole, rest = divmod(int(small), 10**digits)
    return whole, rest
