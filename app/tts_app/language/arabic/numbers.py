"""How Arabic says what is written with digits: the Verbaliser of the three dialects.

num2words has Arabic, but no counted nouns (gender, dual, plural after 3-10, accusative after 11-99), no
dialects and no vowels, and it keeps the number in its own state. So this module has the grammar. It uses the
words of `arabic.words`, which are vowelled: the diacritiser need not guess them.
"""

import re
from collections.abc import Mapping
from decimal import Decimal

from tts_app.language.arabic import words
from tts_app.language.arabic.words import Noun
from tts_app.language.base import Date, Time

LARGEST = 10**12
"""Numbers from here on are said digit by digit."""
NUMBER_WORDS: Mapping[str, Mapping[str, str]] = {
    "ar-SA": {
        "point": "فَاصِلَة",
        "minus": "نَاقِص",
        "percent": "بِالمِئَة",
        "to": "إِلَى",
        "year": "عَام",
        "of": "مِن",
        "by": "",
    },
    "ar-EG": {
        "point": "فَاصْلَة",
        "minus": "نَاقِص",
        "percent": "فِي المِيَّة",
        "to": "لِحَدّ",
        "year": "سَنَة",
        "of": "",
        "by": "",
    },
    "ar-AE": {
        "point": "فَاصْلَة",
        "minus": "نَاقِص",
        "percent": "فِي المِيَّة",
        "to": "لَين",
        "year": "سَنَة",
        "of": "",
        "by": "",
    },
}


_OBLIQUE_ENDINGS = (("ُون", "ِين"), ("َان", "َيْن"), ("َا", "َيْ"))


def _numerals_that_decline() -> dict[str, str]:
    """Map each standard numeral and counted dual to its oblique form."""
    numerals = words.NUMERALS["ar-SA"]
    nouns = [*words.CURRENCIES.values(), *words.CENTS.values(), *words.UNITS.values()]
    nouns += [numerals.thousand, numerals.million, numerals.billion]
    forms = {*numerals.tens, numerals.hundreds[1], numerals.ones[2], numerals.short[2]}
    forms |= {word for noun in nouns if not noun.invariant for word in noun.two.split(" ")}
    forms |= {numerals.hundreds[1].removesuffix("ن"), numerals.thousand.two.removesuffix("ن")}
    return {
        form: form.removesuffix(ending) + oblique
        for form in forms
        for ending, oblique in _OBLIQUE_ENDINGS
        if form.endswith(ending)
    }


_OBLIQUE = _numerals_that_decline()


def oblique(word: str) -> str:
    """Return a standard numeral or counted dual, with or without `and` before it, as after a preposition."""
    conjunction = "وَ" if word.startswith("وَ") else ""
    return conjunction + _OBLIQUE.get(word.removeprefix(conjunction), word.removeprefix(conjunction))


class ArabicVerbaliser:
    """Says numbers, money, dates and the like in one locale's Arabic. Stateless; see `base.Verbaliser`."""

    day_first = True
    decimal_mark = "."
    unit_forms = words.UNIT_FORMS
    currency_forms = words.CURRENCY_FORMS
    month_forms = words.MONTH_FORMS
    weekday_forms = words.WEEKDAY_FORMS
    am_forms = words.AM_FORMS
    pm_forms = words.PM_FORMS

    def __init__(self, locale: str) -> None:
        self.locale = locale
        self._numerals = words.NUMERALS[locale]
        self._say = NUMBER_WORDS[locale]
        self._standard = locale == "ar-SA"

    # -- numbers

    def number(self, value: Decimal) -> str:
        """Say a cardinal, decimal or negative number."""
        return self._decimal(value)

    def cardinal(self, value: int, *, feminine: bool = False) -> str:
        """Say a whole number in the form before a noun; `feminine` is the noun's gender."""
        if value >= LARGEST:
            return self.digits(str(value))
        parts = []
        numerals = self._numerals
        for size, noun in ((10**9, numerals.billion), (10**6, numerals.million), (1000, numerals.thousand)):
            count, value = divmod(value, size)
            if count:
                parts.append(noun.one if count == 1 else self._count(count, noun))
        if value or not parts:
            parts.append(self._hundreds(value, feminine))
        return self._join(parts)

    def ordinal(self, value: int) -> str:
        """Say an ordinal number, definite: `الخامس والعشرون`."""
        if not 0 < value < 100:
            return f"رَقْم {self.cardinal(value)}"
        if value <= 10:
            return words.ORDINALS[value - 1]
        tens, ones = divmod(value, 10)
        head = words.ORDINALS[10 if ones == 1 else ones - 1]
        if tens == 1:
            return f"{head} عَشَر"
        tail = f"ال{self._numerals.tens[tens - 2]}"
        return tail if not ones else f"{head} وَ{tail}"

    def digits(self, digits: str) -> str:
        """Say digits one by one."""
        return " ".join(self._numerals.ones[int(digit)] for digit in digits if digit.isdecimal())

    def year(self, value: int) -> str:
        """Say a year: as a number, in the oblique case that `عام` requires."""
        return " ".join(oblique(word) for word in self.cardinal(value).split(" "))

    # -- quantities

    def money(self, amount: Decimal, currency: str) -> str:
        """Say an amount, with cents where it has two decimals: `ثلاثة دراهم وخمسون فلسا`."""
        noun = self._currency(currency)
        whole = int(abs(amount))
        cents = int((abs(amount) - whole) * 100)
        if Decimal(whole) + Decimal(cents) / 100 != abs(amount):
            return self._quantity(amount, noun)
        parts = [self._count(whole, noun)] if whole or not cents else []
        if cents:
            parts.append(self._count(cents, self._dialectal(words.CENTS[currency])))
        said = self._join(parts)
        return f"{self._say['minus']} {said}" if amount < 0 else said

    def percent(self, value: Decimal) -> str:
        """Say a percentage."""
        return f"{self._decimal(value)} {self._say['percent']}"

    def measure(self, amount: Decimal, unit: str) -> str:
        """Say a quantity of a unit of `notation.UNITS`."""
        noun = words.UNITS[unit]
        if not self._standard:
            noun = words.DIALECT_UNITS.get(unit) or self._dialectal(noun)
        return self._quantity(amount, noun)

    def span(self, first: str, second: str) -> str:
        """Say a range of two things that are already words."""
        return f"{first} {self._say['to']} {second}"

    # -- dates and times

    def date(self, date: Date) -> str:
        """Say a date: the day as an ordinal in standard Arabic, as a cardinal in the dialects."""
        parts = []
        if date.weekday is not None:
            parts.append(words.WEEKDAYS[self.locale][date.weekday])
        if date.day is not None:
            standard = self._standard and date.month is not None
            parts.append(f"{self.ordinal(date.day)} مِن" if standard else self.cardinal(date.day))
        if date.month is not None:
            parts.append(words.MONTHS[date.month - 1])
        if date.year is not None:
            full = len(parts) > 0
            parts.append(f"{self._say['year']} {self.year(date.year)}" if full else self.year(date.year))
        return " ".join(parts)

    def time(self, time: Time) -> str:
        """Say a time by the twelve-hour clock: `السابعة والنصف مساء`."""
        hour, minute = time.hour, time.minute
        part = self._day_part(hour) if time.twelve or hour > 12 or hour == 0 else ""
        said = words.MINUTES[self.locale].get(minute, "")
        if said and minute >= 40:
            hour += 1
        if minute and not said:
            noun = self._unit_noun("min")
            said = f"وَ{self._count(minute, noun)}"
        return " ".join(p for p in (words.HOURS[self.locale][(hour - 1) % 12], said, part) if p)

    # -- letters and signs

    def letters(self, letters: str) -> str:
        """Spell Latin letters one by one by their English names."""
        return " ".join(words.LETTERS[letter] for letter in letters.upper() if letter in words.LETTERS)

    def symbol(self, symbol: str) -> str:
        """Say a symbol between words; '' drops it."""
        return words.SYMBOLS.get(symbol, "")

    def abbreviation(self, written: str) -> str | None:
        """Return the words of an abbreviation, or None when it is not one."""
        return words.ABBREVIATIONS.get(written)

    # -- grammar

    def _decimal(self, value: Decimal) -> str:
        """Say any number without a noun after it."""
        sign = f"{self._say['minus']} " if value < 0 else ""
        whole, _, fraction = f"{abs(value):f}".partition(".")
        fraction = fraction.rstrip("0")
        said = self.cardinal(int(whole))
        if fraction:
            tail = (
                self.digits(fraction)
                if len(fraction) > 2 or fraction[0] == "0"
                else self.cardinal(int(fraction))
            )
            said = f"{said} {self._say['point']} {tail}"
        return sign + said

    def _quantity(self, amount: Decimal, noun: Noun) -> str:
        """Say an amount of a noun, also a decimal or negative one."""
        if amount == amount.to_integral_value():
            said = self._count(int(abs(amount)), noun)
            return f"{self._say['minus']} {said}" if amount < 0 else said
        return f"{self._decimal(amount)} {noun.one}"

    def _count(self, count: int, noun: Noun) -> str:
        """Say `count` of a noun: `درهم واحد`, `درهمان`, `ثلاثة دراهم`, `أحد عشر درهما`, `مئة درهم`."""
        tail = count % 100
        if noun.invariant:
            return noun.one if count == 1 and not self._standard else f"{self.cardinal(count)} {noun.one}"
        if count == 1:
            return f"{noun.one} {self._numerals.short[1] if noun.feminine else self._numerals.ones[1]}"
        if count == 2:
            return noun.two
        said = self.cardinal(count, feminine=noun.feminine or self._numerals.short_before_plurals)
        if count in {200, 1000 * (count // 1000)} and self._standard:
            said = self._construct(said)
        if 3 <= tail <= 10:
            return f"{said} {noun.few}"
        return f"{said} {noun.many if tail > 10 else noun.one}"

    @staticmethod
    def _construct(said: str) -> str:
        """Drop the n of a dual before a noun: `مئتا درهم`, `ألفا درهم`."""
        return said.removesuffix("ن") if said.endswith(("مِئَتَان", "أَلْفَان")) else said

    def _hundreds(self, value: int, feminine: bool) -> str:
        """Say 0-999."""
        numerals = self._numerals
        hundreds, rest = divmod(value, 100)
        parts = [numerals.hundreds[hundreds - 1]] if hundreds else []
        ones = numerals.short if feminine else numerals.ones
        tens, unit = divmod(rest, 10)
        if rest > 19:
            if unit:
                compound = ones[unit] if not (feminine and unit == 1 and self._standard) else "إِحْدَى"
                # The dialects count with the long form inside compounds: تلاتة وعشرين.
                parts.append(compound if self._standard else numerals.ones[unit])
            parts.append(numerals.tens[tens - 2])
        elif rest > 10:
            parts.append((numerals.feminine_teens if feminine else numerals.teens)[rest - 11])
        elif rest or not hundreds:
            parts.append(ones[rest])
        return self._join(parts)

    @staticmethod
    def _join(parts: list[str]) -> str:
        return " وَ".join(parts)

    def _currency(self, currency: str) -> Noun:
        if self.locale == "ar-EG":
            return words.EGYPTIAN_CURRENCIES[currency]
        return words.CURRENCIES[currency] if self._standard else self._dialectal(words.CURRENCIES[currency])

    def _unit_noun(self, unit: str) -> Noun:
        return words.UNITS[unit] if self._standard else words.DIALECT_UNITS[unit]

    def _dialectal(self, noun: Noun) -> Noun:
        """Return the noun as the dialects count it: invariant in Egypt, without an accusative in the Gulf."""
        if self._standard:
            return noun
        if self.locale == "ar-EG":
            return Noun(noun.one, noun.one, noun.one, noun.one, noun.feminine, invariant=True)
        two = re.sub(r"\u064e?(\u0651?)\u064e?ان(?= |$)", r"\1َين", noun.two)
        return Noun(noun.one, two, noun.few, noun.one, noun.feminine, noun.invariant)

    def _day_part(self, hour: int) -> str:
        return [said for start, said in words.DAY_PARTS[self.locale] if hour >= start][-1]
