"""The grammar of Arabic numbers: gender, dual, counted nouns, case, ordinals, fractions; three dialects.

num2words has Arabic, but no counted nouns (gender, dual, plural after 3-10, accusative after 11-99), no
dialects and no vowels, and it keeps the number in its own state. So this module has the grammar. It uses the
words of `arabic.words`, which are vowelled: the diacritiser need not guess them.
"""

import re
from decimal import Decimal
from unicodedata import normalize

from tts_app.language.arabic import nouns, words
from tts_app.language.arabic.diacritise import bare
from tts_app.language.arabic.words import Noun

LARGEST = 10**12
"""Numbers from here on are said digit by digit."""

_OBLIQUE_ENDINGS = (
    ("ُون", "ِين"),
    ("\u064f\u0651ون", "\u0650\u0651ين"),
    ("\u064e\u0651ان", "\u064e\u0651يْن"),
    ("َان", "َيْن"),
    ("َا", "َيْ"),
)
_DUAL = re.compile(r"\u064e?(\u0651?)\u064e?ان(?= |$)")
_INDEFINITE_DUALS = ("مِئَتَان", "أَلْفَان", "مِلْيُونَان", "مِلْيَارَان", "ثُلُثَان", "خُمُسَان")


class Counting:
    """Says whole numbers, counted nouns, ordinals and fractions of one locale. Stateless."""

    def __init__(self, locale: str) -> None:
        self.locale = locale
        self.numerals = words.NUMERALS[locale]
        self.standard = locale == "ar-SA"

    def cardinal(self, value: int, *, feminine: bool = False) -> str:
        """Say a whole number in the form before a noun; `feminine` is the noun's gender."""
        if value >= LARGEST:
            return self.digits(str(value))
        parts = []
        numerals = self.numerals
        for size, noun in ((10**9, numerals.billion), (10**6, numerals.million), (1000, numerals.thousand)):
            count, value = divmod(value, size)
            if count:
                parts.append(noun.one if count == 1 else self.count(count, noun))
        if value or not parts:
            parts.append(self._hundreds(value, feminine))
        return join(parts)

    def digits(self, digits: str) -> str:
        """Say digits one by one."""
        return " ".join(self.numerals.ones[int(digit)] for digit in digits if digit.isdecimal())

    def count(self, count: int, noun: Noun) -> str:
        """Say `count` of a noun: `درهم واحد`, `درهمان`, `ثلاثة دراهم`, `أحد عشر درهما`, `مئة درهم`."""
        tail = count % 100
        if noun.invariant:
            return noun.one if count == 1 and not self.standard else f"{self.cardinal(count)} {noun.one}"
        if count == 1:
            return f"{noun.one} {self.numerals.short[1] if noun.feminine else self.numerals.ones[1]}"
        if count == 2:
            return noun.two
        if tail in {1, 2} and self.standard:  # مئة ليلة وليلة
            return join([self.count(count - tail, noun), noun.one if tail == 1 else noun.two])
        said = self.cardinal(count, feminine=noun.feminine or self.numerals.short_before_plurals)
        if count and tail == 0 and self.standard:
            said = constructed(said)
        if 3 <= tail <= 10:
            return f"{said} {noun.few}"
        return f"{said} {noun.many if tail > 10 else noun.one}"

    def scaled(self, count: Decimal, scale: Noun, noun: Noun | None) -> str:
        """Say thousands or millions of a noun: `ثلاثة ملايين ريال`, `مليونا ريال`."""
        if count != count.to_integral_value():
            said = f"{self.decimal(count)} {scale.one}"
        elif noun is None:
            said = scale.one if count == 1 else self.count(int(count), scale)
        else:
            whole = Noun(scale.one, scale.two, scale.few, scale.one)
            said = scale.one if count == 1 else self.count(int(count), whole)
            said = constructed(said) if self.standard else said
        return f"{said} {noun.one}" if noun else said

    def decimal(self, value: Decimal) -> str:
        """Say any number without a noun after it."""
        say = words.NUMBER_WORDS[self.locale]
        sign = f"{say['minus']} " if value < 0 else ""
        whole, _, fraction = f"{abs(value):f}".partition(".")
        fraction = fraction.rstrip("0")
        said = self.cardinal(int(whole))
        if fraction:
            by_digits = len(fraction) > 2 or fraction[0] == "0"
            tail = self.digits(fraction) if by_digits else self.cardinal(int(fraction))
            said = f"{said} {say['point']} {tail}"
        return sign + said

    def quantity(self, amount: Decimal, noun: Noun) -> str:
        """Say an amount of a noun, also a decimal or negative one."""
        if amount == amount.to_integral_value():
            said = self.count(int(abs(amount)), noun)
            return f"{words.NUMBER_WORDS[self.locale]['minus']} {said}" if amount < 0 else said
        return f"{self.decimal(amount)} {noun.one}"

    # -- ordinals and definite numbers

    def ordinal(self, value: int, *, feminine: bool = False) -> str:
        """Say an ordinal number, definite: `الخامس والعشرون`, `الخامسة والعشرون`, `الأول بعد المئة`."""
        if not 0 < value < 1000:
            return f"رَقْم {self.cardinal(value)}"
        hundreds, rest = divmod(value, 100)
        if hundreds:
            whole = self.definite(hundreds * 100)
            return f"{self.ordinal(rest, feminine=feminine)} بَعْدَ {whole}" if rest else whole
        ordinals = words.FEMININE_ORDINALS[self.locale] if feminine else words.ORDINALS[self.locale]
        if value <= 10:
            return ordinals[value - 1]
        if not self.standard:
            return self.definite(value)
        tens, ones = divmod(value, 10)
        head = ordinals[10 if ones == 1 else ones - 1]
        if tens == 1:
            return f"{head}َ عَشْرَة" if feminine else f"{head} عَشَر"
        tail = f"ال{self.numerals.tens[tens - 2]}"
        return tail if not ones else f"{head} وَ{tail}"

    def definite(self, value: int, *, feminine: bool = False) -> str:
        """Say a cardinal with the article, of a noun of that gender: `الثلاث`, `الأربع والعشرون`."""
        parts = self.cardinal(value, feminine=feminine).split(" وَ")
        return " وَ".join(f"ال{part}" for part in parts)

    # -- fractions

    def fraction(self, above: int, below: int) -> str:
        """Say a fraction by its name up to tenths: `ثلاثة أرباع`; then `خمسة على ستة عشر`."""
        named = words.FRACTIONS[self.locale].get(below)
        if named is None or not 0 < above < below:
            say = words.NUMBER_WORDS[self.locale]["of"] if below in {10, 100, 1000} else words.SYMBOLS["/"]
            return f"{self.cardinal(above)} {say} {self.cardinal(below)}"
        return named.one if above == 1 else self.count(above, named)

    # -- words of the dialects

    def noun(self, noun: Noun) -> Noun:
        """Return a noun of standard Arabic as this dialect counts it: its dual in -ayn, no accusative."""
        if self.standard or noun.invariant:
            return noun
        return Noun(noun.one, spoken_dual(noun.two), noun.few, noun.one, noun.feminine)

    def measure(self, noun: Noun) -> Noun:
        """Return a unit or currency as this dialect counts it: Egypt's keep the singular."""
        if self.locale == "ar-EG":
            return Noun(noun.one, noun.one, noun.one, noun.one, noun.feminine, invariant=True)
        return self.noun(noun)

    def _hundreds(self, value: int, feminine: bool) -> str:
        """Say 0-999."""
        numerals = self.numerals
        hundreds, rest = divmod(value, 100)
        parts = [numerals.hundreds[hundreds - 1]] if hundreds else []
        ones = numerals.short if feminine else numerals.ones
        tens, unit = divmod(rest, 10)
        if rest > 19:
            if unit:
                compound = ones[unit] if not (feminine and unit == 1 and self.standard) else "إِحْدَى"
                # The dialects count with the long form inside compounds: تلاتة وعشرين.
                parts.append(compound if self.standard else numerals.ones[unit])
            parts.append(numerals.tens[tens - 2])
        elif rest > 10:
            parts.append((numerals.feminine_teens if feminine else numerals.teens)[rest - 11])
        elif rest or not hundreds:
            parts.append(ones[rest])
        return join(parts)


def join(parts: list[str]) -> str:
    """Return the parts of a number with `and` between them."""
    return " وَ".join(part for part in parts if part)


def spoken_dual(two: str) -> str:
    """Return a standard dual as the dialects say it: `سريرين`."""
    return _DUAL.sub(r"\1َين", two)


def constructed(said: str) -> str:
    """Drop the n of a number's last word before a noun: `مئتا درهم`, `خمسة عشر ألف درهم`."""
    if said.endswith(_ACCUSATIVE_SCALES):
        return said.removesuffix("ًا")
    return said.removesuffix("ن") if said.endswith(_INDEFINITE_DUALS) else said


def _numerals_that_decline() -> dict[str, str]:
    """Map each standard numeral and counted dual to its oblique form."""
    numerals = words.NUMERALS["ar-SA"]
    counted = [*words.CURRENCIES.values(), *words.CENTS.values(), *words.UNITS.values()]
    counted += [numerals.thousand, numerals.million, numerals.billion, *nouns.COUNTED.values()]
    counted += [*words.FRACTIONS["ar-SA"].values(), *nouns.HEADS.values()]
    forms = {*numerals.tens, numerals.hundreds[1], numerals.ones[2], numerals.short[2]}
    forms |= {word for noun in counted if not noun.invariant for word in noun.two.split(" ")}
    forms |= {dual.removesuffix("ن") for dual in _INDEFINITE_DUALS}
    forms |= {"اِثْنَا", "اِثْنَتَا"}
    forms |= {
        noun.two.removesuffix("ن") for one, noun in nouns.COUNTED.items() if bare(one) in nouns.CONTAINERS
    }
    return {
        form: form.removesuffix(ending) + oblique
        for form in (normalize("NFC", form) for form in forms)
        for ending, oblique in _OBLIQUE_ENDINGS
        if form.endswith(ending)
    }


_OBLIQUE = _numerals_that_decline()
_ACCUSATIVE_SCALES = ("أَلْفًا", "مِلْيُونًا", "مِلْيَارًا")
_PREFIXES = ("وَ", "بِ", "لِ", "كَ", "ال")


def oblique(word: str) -> str:
    """Return a standard numeral or counted dual, with `and` or the article, as after a preposition."""
    stem, prefix = normalize("NFC", word), ""
    found = _OBLIQUE.get(stem)
    for start in _PREFIXES:
        if found is None and stem.startswith(start):
            stem, prefix = stem.removeprefix(start), prefix + start
            found = _OBLIQUE.get(stem)
    if found is None and stem.endswith("ان") and _is_dual(bare(stem)):
        found = f"{stem.removesuffix('ان')}ين"
    return word if found is None else prefix + found


def _is_dual(plain: str) -> bool:
    """Return whether a word that no table has is a dual: an adjective, or a noun in ta marbuta."""
    one = plain.removesuffix("ان")
    return plain.endswith("تان") or one.endswith("ي") or one in nouns.ADJECTIVES


def all_oblique(said: str) -> str:
    """Return words of a number as after a preposition."""
    return " ".join(map(oblique, said.split(" ")))
