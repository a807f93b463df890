"""How Hindi and Urdu say what is written with digits and symbols: one grammar, two vocabularies.

The two are one spoken language in two scripts: the same irregular numerals to a hundred, the same lakh and
crore, the same half and quarter hours. `hindi.words` and `urdu.words` fill in a `Vocabulary` each.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from tts_app.language.base import Date, Time

CROWDED = 4
"""Most letters of initials; a longer word in capitals is a word."""


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """The words of one of the two languages."""

    locale: str
    home_currency: str
    cardinals: tuple[str, ...]
    """0 to 99."""
    hundred: str
    scales: tuple[tuple[int, str], ...]
    """Powers of ten above a hundred, the largest first: 10**11 kharab ... 1000."""
    minus: str
    point: str
    ordinals: Mapping[int, str]
    """The irregular ordinals."""
    ordinal_ending: str
    currencies: Mapping[str, tuple[str, str, str]]
    """The names of one, of several, and of the hundredth part."""
    percent: str
    months: tuple[str, ...]
    weekdays: tuple[str, ...]
    first_day: str
    """The name of the first day of a month."""
    day_parts: tuple[str, str, str, str]
    """Morning, afternoon, evening, night."""
    clock: Mapping[str, str]
    """`hour`, `past`, `minutes`, `seconds`, `quarter_past`, `half_past`, `quarter_to`, `half_past_one`,
    `half_past_two`."""
    units: Mapping[str, tuple[str, str]]
    """The names of one and of several, by the keys of `semiotics.UNITS`."""
    out_of: str
    """The words between the best possible mark and the given one."""
    fractions: Mapping[int, str]
    """The names of a half, thirds and quarters, by their denominator."""
    decade: str
    to: str
    letters: Mapping[str, str]
    symbols: Mapping[str, str]
    abbreviations: Mapping[str, str]


class IndicVerbaliser:
    """A Verbaliser (`language.base`) for the language of its vocabulary."""

    day_first = True
    decimal_mark = "."

    def __init__(self, vocabulary: Vocabulary, known: Mapping[str, str]) -> None:
        """`known`: Latin words, in lower case, that are never spelled letter by letter."""
        self._words = vocabulary
        self._known = known
        self.locale = vocabulary.locale
        self.home_currency = vocabulary.home_currency
        self.per = vocabulary.symbols["per"]

    def number(self, value: Decimal) -> str:
        """Say a cardinal, decimal or negative number, in lakhs and crores."""
        sign, digits, exponent = value.as_tuple()
        if not isinstance(exponent, int):
            raise ValueError(f"Not a number that can be said: {value}.")
        whole = int(abs(value))
        words = [self._words.minus] if sign and any(digits) else []
        words.append(self._cardinal(whole))
        if exponent < 0:
            words += [self._words.point, self.digits(f"{abs(value):f}".partition(".")[2])]
        return " ".join(words)

    def ordinal(self, value: int) -> str:
        """Say an ordinal number, in the masculine."""
        irregular = self._words.ordinals.get(value)
        return irregular or f"{self._cardinal(value)}{self._words.ordinal_ending}"

    def digits(self, digits: str) -> str:
        """Say ASCII digits one by one."""
        return " ".join(self._words.cardinals[int(digit)] for digit in digits)

    def year(self, value: int) -> str:
        """Say a year: from 1100 to 1999 in hundreds."""
        if 1100 <= value < 2000:
            hundreds, rest = divmod(value, 100)
            words = [self._words.cardinals[hundreds], self._words.hundred]
            return " ".join([*words, self._words.cardinals[rest]] if rest else words)
        return self._cardinal(value)

    def decade(self, value: int) -> str:
        """Say the 1990s or the 90s."""
        return f"{self.year(value)} {self._words.decade}"

    def money(self, amount: Decimal, currency: str) -> str:
        """Say an amount, with its hundredths by their own name."""
        one, several, hundredth = self._words.currencies[currency]
        if amount != amount.quantize(Decimal("0.01")):
            return f"{self.number(amount)} {several}"
        whole, hundredths = divmod(int(abs(amount) * 100), 100)
        words = [self._words.minus] if amount < 0 else []
        if whole or not hundredths:
            words += [self._cardinal(whole), one if whole == 1 else several]
        if hundredths:
            words += [self._cardinal(hundredths), hundredth]
        return " ".join(words)

    def percent(self, value: Decimal) -> str:
        """Say a percentage."""
        return f"{self.number(value)} {self._words.percent}"

    def date(self, date: Date) -> str:
        """Say a date: weekday, day, month, year."""
        words = []
        if date.day is not None:
            first = date.day == 1 and date.month is not None
            words.append(self._words.first_day if first else self._cardinal(date.day))
        if date.month is not None:
            words.append(self._words.months[date.month - 1])
        if date.year is not None:
            words.append(self.year(date.year))
        said = " ".join(words)
        if date.weekday is None:
            return said
        weekday = self._words.weekdays[date.weekday]
        return f"{weekday}, {said}" if said else weekday

    def time(self, time: Time) -> str:
        """Say a time of day: quarters and halves by name, the part of the day where it is known."""
        clock = self._words.clock
        hour = time.hour % 12 or 12
        if time.minute == 0:
            said = f"{self._cardinal(hour)} {clock['hour']}"
        elif time.minute == 30 and hour in (1, 2):
            said = f"{clock['half_past_one' if hour == 1 else 'half_past_two']} {clock['hour']}"
        elif time.minute == 30:
            said = f"{clock['half_past']} {self._cardinal(hour)} {clock['hour']}"
        elif time.minute == 15:
            said = f"{clock['quarter_past']} {self._cardinal(hour)} {clock['hour']}"
        elif time.minute == 45:
            said = f"{clock['quarter_to']} {self._cardinal(hour % 12 + 1)} {clock['hour']}"
        else:
            minutes = self._cardinal(time.minute)
            said = f"{self._cardinal(hour)} {clock['past']} {minutes} {clock['minutes']}"
        if time.second:
            said = f"{said} {self._cardinal(time.second)} {clock['seconds']}"
        if time.twelve or time.hour > 12 or time.hour == 0:
            return f"{self._day_part(time.hour)} {said}"
        return said

    def measure(self, amount: Decimal, unit: str) -> str:
        """Say a quantity of a unit of `semiotics.UNITS`."""
        one, several = self._words.units[unit]
        return f"{self.number(amount)} {one if amount == 1 else several}"

    def fraction(self, above: Decimal, below: Decimal) -> str:
        """Say 3/4 as a fraction and 9/10 as a mark."""
        name = self._words.fractions.get(int(below)) if below == int(below) and above < below else None
        if name is None:
            return f"{self.number(below)} {self._words.out_of} {self.number(above)}"
        return name if below == 2 else f"{self.number(above)} {name}"

    def span(self, first: str, second: str) -> str:
        """Say a range."""
        return f"{first} {self._words.to} {second}"

    def letters(self, letters: str) -> str:
        """Spell Latin letters one by one; leave out everything else."""
        named = self._words.letters
        return " ".join(named[letter] for letter in letters.upper() if letter in named)

    def symbol(self, symbol: str) -> str:
        """Say a symbol between words; '' for one that is not said."""
        return self._words.symbols.get(symbol, "")

    def abbreviation(self, written: str) -> str | None:
        """Return the words of an abbreviation, or None when it is not one."""
        return self._words.abbreviations.get(written)

    def capitals(self, word: str, shouted: bool) -> str:
        """Say a Latin word in capitals: a word where it is known, shouted or long, else its letters."""
        if shouted or len(word) > CROWDED or word.lower() in self._known:
            return word.lower()
        return self.letters(word)

    def _cardinal(self, value: int) -> str:
        if value < 100:
            return self._words.cardinals[value]
        for factor, name in (*self._words.scales, (100, self._words.hundred)):
            if value >= factor:
                count, rest = divmod(value, factor)
                words = f"{self._cardinal(count)} {name}"
                return f"{words} {self._cardinal(rest)}" if rest else words
        raise AssertionError("a hundred is the least scale")

    def _day_part(self, hour: int) -> str:
        morning, afternoon, evening, night = self._words.day_parts
        if 4 <= hour < 12:
            return morning
        if 12 <= hour < 16:
            return afternoon
        return evening if 16 <= hour < 20 else night
