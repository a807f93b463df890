"""The table of languages: whole, and of use for locales that it lacks."""

import re
import unicodedata
from dataclasses import fields
from pathlib import Path

import pytest
import regex

from tts_app import language
from tts_app.resources.locales import (
    LANGUAGE_DEFAULTS,
    LANGUAGES,
    LOCALE_PATTERN,
    LOCALES,
    Language,
    canonical_locale,
    characters_per_second,
    default_locale,
    direction_of,
    espeak_voice,
    explain_unreadable,
    is_readable,
    language_of,
    letters_of,
    parts_words,
    resolve_locale,
    script_of,
    writer_name,
)

ALIEN = ["fr-FR", "ja-JP", "zh-CN", "zh-Hant-TW", "sr-Latn-RS", "es-MX", "en-IN", "eo", "tlh", "qqq-ZZ"]
"""Locales without a front-end of their own: of the table, and beyond it."""


@pytest.mark.parametrize("row", LANGUAGES.values(), ids=list(LANGUAGES))
def test_language_row_is_complete(row: Language) -> None:
    assert canonical_locale(row.code) == row.code
    assert row.name
    assert re.fullmatch("[a-z]{3}", row.iso639_2)
    regex.compile(rf"\p{{{row.script}}}")
    regex.compile(letters_of(row.code))
    assert row.espeak or row.front_end
    assert bool(row.front_end) == bool(row.locales) == bool(row.default) == bool(row.characters_per_second)
    for locale in (*row.locales, *row.espeak_regions):
        assert canonical_locale(locale) == locale
        assert locale.startswith(f"{row.code}-")
    assert row.default in ("", *row.locales)
    assert 4 <= characters_per_second(row.code) <= 16


def test_each_front_end_is_of_a_row() -> None:
    packages = {path.parent.name for path in Path(language.__file__).parent.glob("*/front_end.py")}
    assert packages - {"generic"} == {row.front_end for row in LANGUAGES.values() if row.front_end}
    assert len(LOCALES) == len(set(LOCALES))
    assert LANGUAGE_DEFAULTS.items() >= {"en": "en-US", "ar": "ar-SA", "es": "es-ES"}.items()


def test_language_fields_are_each_used_by_a_row() -> None:
    empty = Language("xx", "x")
    for name in (field.name for field in fields(Language) if field.name not in {"code", "name"}):
        assert any(getattr(row, name) != getattr(empty, name) for row in LANGUAGES.values()), name


@pytest.mark.parametrize(
    ("given", "canonical"),
    [
        ("fr-fr", "fr-FR"),
        ("FR", "fr"),
        ("zh-hant-tw", "zh-Hant-TW"),
        ("ES-419", "es-419"),
        ("CA-es-VALENCIA", "ca-ES-valencia"),
        ("de-ch-1996", "de-CH-1996"),
        ("ar-EG", "ar-EG"),
    ],
)
def test_canonical_locale_corrects_case_and_separators(given: str, canonical: str) -> None:
    assert canonical_locale(given) == canonical
    assert re.fullmatch(LOCALE_PATTERN, given)


@pytest.mark.parametrize(
    "given",
    ["", "french", "fr_FR", "fr-", "fr-FRA", "f", "fr FR", "fr-FR\n", "x" * 9, "ca" + "-valencia" * 4],
)
def test_canonical_locale_refuses_what_is_no_locale(given: str) -> None:
    with pytest.raises(ValueError, match="such as fr-FR, es-419 or zh-Hant-TW"):
        canonical_locale(given)


@pytest.mark.parametrize(
    ("locale", "voice"),
    [
        ("fr-FR", "fr-fr"),
        ("fr-CH", "fr-ch"),
        ("pt-BR", "pt-br"),
        ("pt-PT", "pt"),
        ("es-MX", "es-419"),
        ("zh-Hant-TW", "cmn"),
        ("en-IN", "en-gb"),
        ("qqq-ZZ", ""),
    ],
)
def test_espeak_voice_of_a_locale(locale: str, voice: str) -> None:
    assert espeak_voice(locale) == voice
    assert is_readable(locale) == bool(voice)


def test_explain_unreadable_names_the_locale_and_what_would_be_right() -> None:
    message = explain_unreadable(["qqq-ZZ", "qqq-ZZ"])
    assert message.startswith("Nothing reads qqq-ZZ: ")
    assert " fr, " in message


@pytest.mark.parametrize("locale", ALIEN)
def test_locale_functions_answer_for_a_locale_that_the_table_lacks(locale: str) -> None:
    assert canonical_locale(locale) == locale
    assert language_of(locale).code == locale.partition("-")[0]
    assert isinstance(script_of(locale), str)
    assert direction_of(locale) == "ltr"
    assert parts_words(locale) is (locale[:2] not in ("ja", "zh"))
    assert regex.match(letters_of(locale), {"ja": "か", "zh": "你"}.get(locale[:2], "a"))
    assert 4 <= characters_per_second(locale) <= 16
    assert writer_name(locale)
    assert default_locale(locale, [locale]) in (locale, LANGUAGE_DEFAULTS.get(locale))
    assert resolve_locale(locale, offered=[locale]) == locale


def test_script_of_a_tag_with_another_script() -> None:
    assert (script_of("sr-RS"), script_of("sr-Latn-RS")) == ("Cyrillic", "Latin")
    assert direction_of("fa-IR") == direction_of("he-IL") == "rtl"
    assert letters_of("es-ES") == LANGUAGES["es"].letters
    assert "ñ" in unicodedata.normalize("NFC", letters_of("es-ES"))


def test_writer_name_says_the_locale_where_it_has_no_name_of_its_own() -> None:
    assert writer_name("en-GB") == "British English"
    assert writer_name("ar") == "Modern Standard Arabic (العربية الفصحى)"
    assert writer_name("fr") == "French"
    assert writer_name("pt-BR") == "Portuguese (pt-BR)"


@pytest.mark.parametrize(
    ("language", "dialect", "offered", "locale"),
    [
        ("fr", None, ["fr-FR"], "fr-FR"),
        ("FR_fr", None, ["fr-FR"], "fr-FR"),
        ("pt", "br", ["pt-BR", "pt-PT"], "pt-BR"),
        ("zh", "hant-tw", ["zh-Hant-TW"], "zh-Hant-TW"),
        ("en", None, ["en-IN"], "en-US"),
        ("en", "IN", ["en-IN"], "en-IN"),
    ],
)
def test_resolve_locale_chooses_from_the_offered_locales(
    language: str, dialect: str | None, offered: list[str], locale: str
) -> None:
    assert resolve_locale(language, dialect, offered) == locale


def test_resolve_locale_asks_for_one_of_several() -> None:
    with pytest.raises(ValueError, match=r"several locales\. Allowed: pt-BR, pt-PT") as caught:
        resolve_locale("pt", offered=["pt-PT", "pt-BR"])
    assert caught.value.args[1] == "language"
