"""Names of units in any language, by Unicode's CLDR (through Babel)."""

from collections.abc import Mapping
from decimal import Decimal
from functools import lru_cache
from types import MappingProxyType

import regex
from babel import Locale, UnknownLocaleError
from babel.units import UnknownUnitError, format_compound_unit, format_unit

CLDR_UNITS: Mapping[str, str] = MappingProxyType(
    {
        **{"nm": "length-nanometer", "um": "length-micrometer", "mm": "length-millimeter"},
        **{
            "cm": "length-centimeter",
            "dm": "length-decimeter",
            "m": "length-meter",
            "km": "length-kilometer",
        },
        **{"inch": "length-inch", "ft": "length-foot", "yd": "length-yard", "mi": "length-mile"},
        **{"nmi": "length-nautical-mile"},
        **{"cm2": "area-square-centimeter", "m2": "area-square-meter", "km2": "area-square-kilometer"},
        **{"in2": "area-square-inch", "ft2": "area-square-foot", "yd2": "area-square-yard"},
        **{"mi2": "area-square-mile", "ha": "area-hectare", "ac": "area-acre"},
        **{"cm3": "volume-cubic-centimeter", "m3": "volume-cubic-meter", "km3": "volume-cubic-kilometer"},
        **{"in3": "volume-cubic-inch", "ft3": "volume-cubic-foot"},
        **{
            "ml": "volume-milliliter",
            "cl": "volume-centiliter",
            "dl": "volume-deciliter",
            "l": "volume-liter",
        },
        **{"hl": "volume-hectoliter", "gal": "volume-gallon", "floz": "volume-fluid-ounce"},
        **{"tbsp": "volume-tablespoon", "tsp": "volume-teaspoon"},
        **{"ug": "mass-microgram", "mg": "mass-milligram", "g": "mass-gram", "kg": "mass-kilogram"},
        **{"t": "mass-tonne", "lb": "mass-pound", "oz": "mass-ounce"},
        **{"ns": "duration-nanosecond", "us": "duration-microsecond", "ms": "duration-millisecond"},
        **{"s": "duration-second", "min": "duration-minute", "h": "duration-hour", "day": "duration-day"},
        **{"week": "duration-week", "month": "duration-month", "year": "duration-year"},
        **{"night": "duration-night"},
        **{"celsius": "temperature-celsius", "fahrenheit": "temperature-fahrenheit"},
        **{"kelvin": "temperature-kelvin", "degree": "angle-degree"},
        **{"kmh": "speed-kilometer-per-hour", "mph": "speed-mile-per-hour", "mps": "speed-meter-per-second"},
        **{"kn": "speed-knot", "mps2": "acceleration-meter-per-square-second"},
        **{"byte": "digital-byte", "kb": "digital-kilobyte", "mb": "digital-megabyte"},
        **{"gb": "digital-gigabyte", "tb": "digital-terabyte", "pb": "digital-petabyte"},
        **{"kbit": "digital-kilobit", "mbit": "digital-megabit", "gbit": "digital-gigabit"},
        **{"mw": "power-milliwatt", "w": "power-watt", "kw": "power-kilowatt", "megawatt": "power-megawatt"},
        **{"gw": "power-gigawatt", "hp": "power-horsepower", "kwh": "energy-kilowatt-hour"},
        **{"j": "energy-joule", "kj": "energy-kilojoule", "cal": "energy-calorie"},
        **{"kcal": "energy-kilocalorie"},
        **{"v": "electric-volt", "a": "electric-ampere", "ma": "electric-milliampere"},
        **{"ohm": "electric-ohm"},
        **{"hz": "frequency-hertz", "khz": "frequency-kilohertz", "mhz": "frequency-megahertz"},
        **{"ghz": "frequency-gigahertz"},
        **{"pa": "pressure-pascal", "hpa": "pressure-hectopascal", "kpa": "pressure-kilopascal"},
        **{"mpa": "pressure-megapascal", "bar": "pressure-bar", "mbar": "pressure-millibar"},
        **{"psi": "pressure-pound-force-per-square-inch", "atm": "pressure-atmosphere"},
        **{"mmhg": "pressure-millimeter-ofhg"},
        **{"newton": "force-newton", "nmt": "torque-newton-meter"},
        **{"lx": "light-lux", "lm": "light-lumen", "cd": "light-candela"},
        **{"px": "graphics-pixel", "mp": "graphics-megapixel", "dpi": "graphics-dot-per-inch"},
        **{"ppm": "concentr-part-per-1e6"},
    }
)
"""The name that CLDR has for the keys of `notation.UNITS`."""

_OTHERS: Mapping[tuple[str, str], str] = MappingProxyType(
    {
        ("db", "en"): "decibels",
        ("db", "es"): "decibelios",
        ("rpm", "en"): "revolutions per minute",
        ("bpm", "en"): "beats per minute",
        ("fps", "en"): "frames per second",
        ("rpm", "es"): "revoluciones por minuto",
        ("bpm", "es"): "pulsaciones por minuto",
        ("fps", "es"): "fotogramas por segundo",
        ("db", "fr"): "décibels",
        ("db", "pt"): "decibéis",
        ("db", "it"): "decibel",
        ("db", "de"): "Dezibel",
        ("db", "ar"): "ديسيبل",
        ("db", "hi"): "डेसिबल",
        ("db", "ur"): "ڈیسی بل",
    }
)
"""Units that CLDR lacks, by the language."""
_FIGURE = regex.compile(r"[\u200e\u200f\u061c]*+[-+−]?\p{Nd}[\p{Nd}.,'٫٬\u00a0\u202f]*+")


def unit_name(locale: str, unit: str, amount: Decimal) -> str:
    """Return the name of a unit as it is counted: kilometres, megabytes per second.

    `unit` is a key of `notation.UNITS`, or two joined by a slash (mb/s). The plural is CLDR's for the amount.
    A unit that CLDR has no name for in the language is the key itself.
    """
    return _name(locale, unit, abs(amount))


@lru_cache(maxsize=4096)
def _name(locale: str, unit: str, amount: Decimal) -> str:
    whole, _, per = unit.partition("/")
    other = _OTHERS.get((unit, locale.partition("-")[0]))
    if other or whole not in CLDR_UNITS or (per and per not in CLDR_UNITS):
        return other or unit
    try:
        spoken = Locale.parse(locale, sep="-")
        named = (
            format_compound_unit(
                amount, CLDR_UNITS[whole], denominator_unit=CLDR_UNITS[per], length="long", locale=spoken
            )
            if per
            else format_unit(amount, CLDR_UNITS[whole], length="long", locale=spoken)
        )
    except (UnknownLocaleError, UnknownUnitError, ValueError):
        return unit
    return " ".join(_FIGURE.sub(" ", named or unit).split())
