"""Names of money: every currency of ISO 4217 by CLDR's Arabic name, as a noun that is counted.

CLDR has one form of most names (`دينار كويتي`). The grammar is here: the first word is a noun of
`nouns.HEADS`, and each other word that is an adjective of a country agrees with it.
"""

import re
from functools import lru_cache
from types import MappingProxyType

from babel import Locale, UnknownLocaleError
from babel.numbers import get_currency_precision

from tts_app.language.arabic import nouns, words
from tts_app.language.arabic.diacritise import bare
from tts_app.language.arabic.words import Noun

_HEADS = MappingProxyType({bare(one): noun for one, noun in nouns.HEADS.items()})
_COIN_OF = MappingProxyType(
    {
        "GBP": "بنس",
        "TND": "مليم",
        "LYD": "درهم",
        "DZD": "سنتيم",
        "MAD": "سنتيم",
        "SAR": "هللة",
        "OMR": "بيسة",
        "QAR": "درهم",
        "YER": "فلس",
        "EUR": "سنت",
    }
)
"""The small coin of a currency, where it is not the one of its first word."""
_COIN_OF_HEAD = MappingProxyType(
    {
        "دولار": "سنت",
        "جنيه": "قرش",
        "دينار": "فلس",
        "درهم": "فلس",
        "ليرة": "قرش",
        "فرنك": "سنتيم",
        "روبية": "بيسة",
    }
)


@lru_cache(maxsize=512)
def currency(code: str) -> Noun:
    """Return the standard noun of a currency; a code that CLDR does not know is spelled."""
    if code in words.CURRENCIES:
        return words.CURRENCIES[code]
    name = _names().get(code)
    if name is None:
        said = " ".join(words.LETTERS[letter] for letter in code.upper() if letter in words.LETTERS)
        return Noun(said, said, said, said, invariant=True)
    head, *rest = name.split(" ")
    if head not in _HEADS:
        return Noun(name, name, name, name, invariant=True)
    return described(_HEADS[head], rest)


def described(noun: Noun, adjectives: list[str]) -> Noun:
    """Return a noun with adjectives that agree with it in number, gender and case."""
    forms = [(noun.one, noun.two, noun.few, noun.many), *(_agreeing(word, noun) for word in adjectives)]
    one, two, few, many = (" ".join(form) for form in zip(*forms, strict=True))
    return Noun(one, two, few, many, noun.feminine)


@lru_cache(maxsize=512)
def coin(code: str) -> tuple[Noun, int] | None:
    """Return the small coin of a currency and how many make up one, or None where we know no word for it."""
    written = _COIN_OF.get(code) or _COIN_OF_HEAD.get((_names().get(code) or "").split(" ")[0])
    if written is None:
        return None
    return words.CENTS.get(code) or _HEADS[written], 10 ** get_currency_precision(code)


def code_of(name: str, locale: str) -> str:
    """Return the code of a currency by its Arabic words, or of the one that they mean in a locale; ''."""
    return _codes().get(name) or words.HOME_CURRENCIES.get(name, {}).get(locale, "") or ""


@lru_cache(maxsize=1)
def _names() -> dict[str, str]:
    try:
        names = dict(Locale("ar").currencies)
    except UnknownLocaleError as error:
        raise RuntimeError("Babel has no Arabic: install it with its locale data") from error
    return {code: _YEARS.sub("", name) for code, name in names.items()}


_YEARS = re.compile(r" (?:- )?\d.*$")
"""CLDR puts the years of an old currency behind its name."""


@lru_cache(maxsize=1)
def _codes() -> dict[str, str]:
    """Map each currency's name to its code; of old and new ones of one name, the last in CLDR's order."""
    return {name: code for code, name in _names().items()}


def _agreeing(word: str, noun: Noun) -> tuple[str, str, str, str]:
    """Return an adjective in the forms of its noun: `كويتي، كويتيان، كويتية، كويتيا`."""
    if not is_adjective(word):
        return word, word, word, word
    base = word.removesuffix("ة")
    base += "\N{ARABIC SHADDA}" if base.endswith("ي") else ""  # the diacritiser knows the other vowels
    if noun.feminine:
        return f"{base}ة", f"{base}َتَان", f"{base}ة", f"{base}ة"
    return base, f"{base}َان", f"{base}ة", f"{base}ًا"


def is_adjective(word: str) -> bool:
    """Return whether a word is an adjective of a country, by its form, or one of `nouns.ADJECTIVES`."""
    stem = word.removesuffix("ة")
    return word in nouns.ADJECTIVES or (stem.endswith("ي") and len(stem) > 3 and not word.startswith("ال"))
