"""How numbers and signs of any language are said: by num2words, or left for espeak-ng to read."""

from collections.abc import Mapping
from decimal import Decimal
from threading import Lock
from types import MappingProxyType

from num2words import CONVERTER_CLASSES, num2words

from tts_app.language.base import Date, Time
from tts_app.language.currencies import currency_name
from tts_app.language.notation import UNITS
from tts_app.language.units import unit_name
from tts_app.resources.locales import decimal_mark, language_of

SPOKEN_SIGNS = frozenset("&@+=#%°€$£")
"""Signs that espeak-ng's voices read."""
LONGEST_INITIALS = 3
"""Most letters of initials; a longer word in capitals is a word."""
_CURRENCY_SIGNS = {"EUR": "€", "USD": "$", "AUD": "$", "GBP": "£", "BRL": "reais"}
_NO_WORDS = (NotImplementedError, LookupError, OverflowError, ValueError)
"""What num2words raises for numbers without words in a language: some of its tables end early."""
_MOST = 10**12
"""Numbers from here on are left to espeak-ng: some of num2words' languages end there."""
_OTHER_NAMES = {"nb": "no", "kk": "kz"}
"""num2words' own names of languages, where they differ."""
_converting = Lock()
"""A lock, because some of num2words' languages, such as Arabic, keep the number in a shared object."""
_FAULTY = frozenset({"am"})
"""Languages in which num2words (0.5.14) fails for many numbers."""


class GenericVerbaliser:
    """A Verbaliser (`language.base`) for any locale. It returns digits where it has no words."""

    day_first = True
    leaves_signs = True
    currency_forms: Mapping[str, tuple[str, ...]] = MappingProxyType({"BRL": ("R$",)})

    def __init__(self, locale: str) -> None:
        self.locale = locale
        self.decimal_mark = decimal_mark(locale)
        self._converter = _converter_of(locale)
        self._minus = _minus_of(self._converter)

    def number(self, value: Decimal) -> str:
        """Say a whole number; return any other in digits."""
        if value < 0 and self._minus:
            return f"{self._minus} {self.number(-value)}"
        digits = f"{value:f}".replace(".", self.decimal_mark)
        if value != int(value) or not 0 <= value < _MOST or not self._converter:
            return digits
        try:
            return _in_words(int(value), self._converter)
        except _NO_WORDS:
            return digits

    def ordinal(self, value: int) -> str:
        """Say an ordinal number where num2words has them, else the cardinal."""
        if not self._converter:
            return str(value)
        try:
            return _in_words(value, self._converter, "ordinal")
        except _NO_WORDS:
            return self.number(Decimal(value))

    def digits(self, digits: str) -> str:
        """Say ASCII digits one by one."""
        return " ".join(self.number(Decimal(digit)) for digit in digits)

    def year(self, value: int) -> str:
        """Say a year."""
        return self.number(Decimal(value))

    def money(self, amount: Decimal, currency: str) -> str:
        """Say an amount; its currency is a sign that espeak-ng reads, or CLDR's name."""
        sign = _CURRENCY_SIGNS.get(currency) or currency_name(self.locale, currency, amount)
        return f"{self.number(amount)} {sign}"

    def percent(self, value: Decimal) -> str:
        """Say a percentage."""
        return f"{self.number(value)} %"

    def date(self, date: Date) -> str:
        """Say a date by its numbers: only a front-end of its own knows a language's months."""
        parts = (date.day, date.month, date.year)
        return " ".join(self.number(Decimal(part)) for part in parts if part is not None)

    def time(self, time: Time) -> str:
        """Say a full hour; leave any other time to espeak-ng."""
        hour = self.number(Decimal(time.hour))
        return f"{time.hour}:{time.minute:02d}" if time.minute else hour

    def measure(self, amount: Decimal, unit: str) -> str:
        """Say a quantity with the unit's sign, which espeak-ng reads; degrees are Celsius anyway."""
        sign = "°" if unit == "celsius" else UNITS[unit][0]
        if sign[0].isalpha() and not sign.isalpha():  # m2, km/h: espeak-ng reads no such sign
            return f"{self.number(amount)} {unit_name(self.locale, unit, amount)}"
        return f"{self.number(amount)} {sign}" if sign[0].isalpha() or sign[0] == "°" else self.number(amount)

    def span(self, first: str, second: str) -> str:
        """Say a range."""
        return f"{first}, {second}"

    def letters(self, letters: str) -> str:
        """Spell letters one by one."""
        return " ".join(letters)

    def capitals(self, word: str, shouted: bool) -> str:
        """Say a word in capitals: its letters where it is short and stands alone, else the word."""
        return word.lower() if shouted or len(word) > LONGEST_INITIALS else self.letters(word)

    def symbol(self, symbol: str) -> str:
        """Return a sign that espeak-ng reads, else nothing."""
        return symbol if symbol in SPOKEN_SIGNS else ""

    def abbreviation(self, written: str) -> str | None:
        """Return None: no abbreviations are known."""
        return None


def _in_words(value: int, converter: str, to: str = "cardinal") -> str:
    with _converting:
        words: str = num2words(value, lang=converter, to=to)
    return words


def _converter_of(locale: str) -> str:
    """Return num2words' name of a locale, or of its language; empty where it has no usable one."""
    language = language_of(locale)
    if language.caveat or language.code in _FAULTY:  # num2words writes kanji, which espeak-ng does not read
        return ""
    names = (locale.replace("-", "_"), _OTHER_NAMES.get(language.code, language.code))
    return next((name for name in names if name in CONVERTER_CLASSES), "")


def _minus_of(converter: str) -> str:
    """Return the word for minus of a language of num2words, or an empty string where it has none."""
    word = str(getattr(CONVERTER_CLASSES.get(converter), "negword", "")).strip()
    return word if word.isalpha() else ""
