"""Names of currencies and units from CLDR, and phone numbers as their country writes them."""

from decimal import Decimal

import pytest

from tts_app.language.currencies import CODES, currency_name, minor_digits, split_amount
from tts_app.language.notation import UNITS
from tts_app.language.telephones import groups_of, is_emergency, region_of
from tts_app.language.units import CLDR_UNITS, unit_name


@pytest.mark.parametrize(
    ("locale", "code", "amount", "name"),
    [
        ("en-US", "PLN", 1, "Polish zloty"),
        ("en-US", "PLN", 5, "Polish zlotys"),
        ("es-ES", "CAD", 3, "dólares canadienses"),
        ("ar-SA", "KWD", 3, "دينار كويتي"),
        ("hi-IN", "JPY", 9, "जापानी येन"),
        ("ur-PK", "QAR", 2, "قطری ریال"),
        ("fr-FR", "CHF", -4, "francs suisses"),
        ("xx-XX", "CHF", 4, "CHF"),
    ],
)
def test_currency_name_is_cldrs_in_the_plural_of_the_amount(locale, code, amount, name):
    assert currency_name(locale, code, Decimal(amount)) == name


@pytest.mark.parametrize("locale", ["en-GB", "es-ES", "ar-EG", "hi-IN", "ur-PK"])
def test_every_currency_has_a_name_in_every_language_of_our_own(locale):
    nameless = {code for code in CODES if currency_name(locale, code, Decimal(2)) == code}
    assert not nameless


@pytest.mark.parametrize(
    ("locale", "unit", "amount", "name"),
    [
        ("en-US", "km", 1, "kilometer"),
        ("en-GB", "km", 2, "kilometres"),
        ("en-US", "gb/h", 2, "gigabytes per hour"),
        ("es-ES", "kg/m3", 7, "kilogramos por metro cúbico"),
        ("ar-SA", "cm", 3, "سنتيمترات"),
        ("hi-IN", "mb/s", 60, "मेगाबाइट प्रति सेकंड"),
        ("es-ES", "db", 70, "decibelios"),
        ("xx-XX", "km", 2, "km"),
    ],
)
def test_unit_name_is_cldrs_without_the_number(locale, unit, amount, name):
    assert unit_name(locale, unit, Decimal(amount)) == name


def test_every_key_of_cldr_names_is_a_unit_or_stands_after_a_slash():
    assert all(unit_name("en-US", unit, Decimal(2)) != unit for unit in CLDR_UNITS)
    assert len(set(CLDR_UNITS) & set(UNITS)) > 60


def test_small_units_follow_the_currency():
    assert [minor_digits(code) for code in ("USD", "JPY", "KWD")] == [2, 0, 3]
    assert split_amount(Decimal("12.05"), "EUR") == (12, 5)
    assert split_amount(Decimal("1.250"), "BHD") == (1, 250)
    assert split_amount(Decimal("1.234"), "EUR") is None


@pytest.mark.parametrize(
    ("written", "region", "groups"),
    [
        ("0491570006", "AU", ("0491", "570", "006")),
        ("1300 975 707", "AU", ("1300", "975", "707")),
        ("612345678", "ES", ("612", "34", "56", "78")),
        ("2015550123", "US", ("201", "555", "0123")),
        ("+442079460018", "US", ("44", "20", "7946", "0018")),
        ("123", "US", ()),
        ("31 000", "GB", ()),
    ],
)
def test_groups_of_a_phone_number_are_the_writers_or_the_countrys(written, region, groups):
    assert groups_of(written, region) == groups


def test_region_and_emergency_numbers():
    assert [region_of(locale) for locale in ("en-AU", "es-419", "fr")] == ["AU", "", ""]
    assert is_emergency("112", "ES")
    assert not is_emergency("113", "US")
