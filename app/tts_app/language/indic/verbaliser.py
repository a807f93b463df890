"""How Hindi and Urdu say what is written with digits and symbols: one grammar, two vocabularies.

The two are one spoken language in two scripts: the same irregular numerals to a hundred, the same lakh and
crore, the same half and quarter hours. `hindi.words` and `urdu.words` fill in a `Vocabulary` each.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from tts_app.language.base import Date, Time
from tts_app.language.currencies import currency_name
from tts_app.language.hindi.letters import is_common, is_known
from tts_app.language.units import unit_name

CROWDED = 4
"""Most letters of initials; a longer word in capitals is a word."""
LONGEST_SPELLED = 10
"""Most letters of a word that is spelled in a web address."""
SHORTEST_NAME = 5
"""Least letters of a name in a web address; a shorter one is spelled: it may be initials (pia)."""
EXACT = frozenset(
    {"hz", "mhz", "ghz", "v", "mah", "mp", "mbps", "gbps", "kb", "star", "celsius", "fahrenheit"}
)
"""Units whose amounts are read as figures: nobody says half past two gigahertz."""
_HALF, _QUARTER = Decimal("0.5"), Decimal("0.25")


@dataclass(frozen=True, slots=True)
class Quarters:
    """The words of halves and quarters before a counted thing: half past two and two and a half are one."""

    half: str
    """0.5."""
    three_quarters: str
    """0.75."""
    one_and_half: str
    two_and_half: str
    and_half: str
    """The word before 3 that makes it 3.5."""
    and_quarter: str
    """The word before 3 that makes it 3.25, and alone 1.25."""
    less_quarter: str
    """The word before 3 that makes it 2.75."""


@dataclass(frozen=True, slots=True)
class Mathematics:
    """The words of powers and roots, each after what it applies to."""

    square: str
    cube: str
    power: str
    square_root: str
    cube_root: str
    root: str


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
    """`hour`, `past`, `minutes`, `seconds`."""
    quarters: Quarters
    units: Mapping[str, tuple[str, str]]
    """The names of one and of several, by the keys of `semiotics.UNITS`."""
    out_of: str
    """The words between the best possible mark and the given one."""
    over: str
    """The word between numerator and denominator."""
    mixed: str
    """The word between a whole number and a fraction that has no name."""
    fractions: Mapping[int, str]
    """The names of a half, thirds and quarters, by their denominator."""
    mathematics: Mathematics
    borrowed_ordinals: Mapping[int, str]
    """English ordinals as they are said inside the language, 1 to 20 and the tens: 1st, 5th."""
    borrowed_tens: Mapping[int, str]
    """English tens, which go before the ordinals of 1 to 9: 21st."""
    decade: str
    to: str
    letters: Mapping[str, str]
    symbols: Mapping[str, str]
    abbreviations: Mapping[str, str]


class IndicVerbaliser:
    """A Verbaliser (`language.base`) for the language of its vocabulary."""

    day_first = True
    decimal_mark = "."
    digit_words: tuple[str, ...] = ()

    def __init__(self, vocabulary: Vocabulary, known: Mapping[str, str]) -> None:
        """`known`: Latin words, in lower case, that are never spelled letter by letter."""
        self._words = vocabulary
        self._known = known
        self.locale = vocabulary.locale
        self.home_currency = vocabulary.home_currency
        self.per = vocabulary.symbols["per"]
        self.to = vocabulary.to
        self.over = vocabulary.over

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

    def counted(self, value: Decimal) -> str:
        """Say how many of something there are: halves and quarters by their own words, as people count."""
        return self.quarters(value) or self.number(value)

    def counted_span(self, low: Decimal, high: Decimal) -> str:
        """Say from how many to how many; 2-2 is two for each: दो दो."""
        numbers = self.counted(low), self.counted(high)
        return self.span(*numbers) if low < high else " ".join(numbers)

    def quarters(self, value: Decimal) -> str | None:
        """Say 0.5, 0.75, 1.25, 1.5 ... 99.75 by the words of halves and quarters, or None for another number.

        1.50 is None: who writes a nought means a measured value.
        """
        exponent = value.as_tuple().exponent
        if not isinstance(exponent, int) or exponent not in (-1, -2) or not 0 < value < 100:
            return None
        named = self._words.quarters
        whole = int(value)
        if exponent == -1 and value - whole == _HALF:
            alone = {0: named.half, 1: named.one_and_half, 2: named.two_and_half}
            return alone.get(whole) or f"{named.and_half} {self._cardinal(whole)}"
        if value - whole == _QUARTER and whole:
            return named.and_quarter if whole == 1 else f"{named.and_quarter} {self._cardinal(whole)}"
        if value - whole == _QUARTER * 3:
            return f"{named.less_quarter} {self._cardinal(whole + 1)}" if whole else named.three_quarters
        return None

    def ordinal(self, value: int) -> str:
        """Say `1st`, `21st`: up to 99 the English word, as in speech; `native_ordinal` says पहला."""
        tens, ones = divmod(value, 10)
        if value in self._words.borrowed_ordinals:
            return self._words.borrowed_ordinals[value]
        if 20 < value < 100:
            return f"{self._words.borrowed_tens[tens * 10]} {self._words.borrowed_ordinals[ones]}"
        return self.native_ordinal(value)

    def native_ordinal(self, value: int) -> str:
        """Say an ordinal number in the language's own words, in the masculine."""
        irregular = self._words.ordinals.get(value)
        return irregular or f"{self.year(value)}{self._words.ordinal_ending}"

    def digits(self, digits: str) -> str:
        """Say ASCII digits one by one."""
        return " ".join(self._words.cardinals[int(digit)] for digit in digits)

    def telephone(self, groups: list[str], international: bool) -> str:
        """Say a telephone number digit by digit, with a pause between its groups."""
        said = ", ".join(self.digits(part) for group in groups for part in _breaths(group))
        return f"{self.symbol('+')} {said}" if international else said

    def lettered(self, number: str, letters: str) -> str:
        """Say the number of a flat, seat or gate with its letters: 4B; three digits are said one by one."""
        said = self.number(Decimal(number)) if len(number) < 3 else self.digits(number)
        return f"{said} {self.letters(letters)}"

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
        """Say an amount, with its hundredths by their own name, if they have one here."""
        hundredth = self._words.currencies[currency][2] if currency in self._words.currencies else ""
        if not hundredth or amount != amount.quantize(Decimal("0.01")):
            return f"{self.number(amount)} {self.currency(amount, currency)}"
        whole, hundredths = divmod(int(abs(amount) * 100), 100)
        words = [self._words.minus] if amount < 0 else []
        if whole or not hundredths:
            words += [self._cardinal(whole), self.currency(Decimal(whole), currency)]
        if hundredths:
            words += [self._cardinal(hundredths), hundredth]
        return " ".join(words)

    def currency(self, amount: Decimal, currency: str) -> str:
        """Return the name of a currency after an amount: our own, else CLDR's."""
        own = self._words.currencies.get(currency)
        if own is None:
            return currency_name(self.locale, currency, amount)
        return own[0] if amount == 1 else own[1]

    def money_span(self, low: Decimal, high: Decimal, factor_words: str, currency: str) -> str:
        """Say a range of amounts, with the scale and the currency once at its end."""
        said = self.counted_span(low, high)
        return " ".join(word for word in (said, factor_words, self.currency(Decimal(2), currency)) if word)

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

    def date_span(self, first: Date, last: Date) -> str:
        """Say a range of dates; what both have in common is said once, at the end."""
        year = None if first.year == last.year else first.year
        same_month = first.day is not None and year is None and first.month == last.month
        month = None if same_month else first.month
        return self.span(self.date(Date(first.day, month, year, first.weekday)), self.date(last))

    def time(self, time: Time) -> str:
        """Say a time of day: quarters and halves by name, the part of the day where it is known."""
        clock = self._words.clock
        hour = time.hour % 12 or 12
        quarters = self.quarters(hour + Decimal(time.minute) / 60) if time.minute % 15 == 0 else None
        if time.minute == 0:
            said = f"{self._cardinal(hour)} {clock['hour']}"
        elif time.minute == 45 and hour == 12:
            said = f"{self._words.quarters.less_quarter} {self._cardinal(1)} {clock['hour']}"
        elif time.minute == 15 and hour == 1:
            said = f"{self._words.quarters.and_quarter} {self._cardinal(1)} {clock['hour']}"
        elif quarters:
            said = f"{quarters} {clock['hour']}"
        else:
            minutes = self._cardinal(time.minute)
            said = f"{self._cardinal(hour)} {clock['past']} {minutes} {clock['minutes']}"
        if time.second:
            said = f"{said} {self._cardinal(time.second)} {clock['seconds']}"
        if time.twelve or time.hour > 12 or time.hour == 0:
            return f"{self._day_part(time.hour)} {said}"
        return said

    def time_span(self, first: Time, last: Time) -> str:
        """Say a range of times."""
        return self.span(self.time(first), self.time(last))

    def measure(self, amount: Decimal, unit: str) -> str:
        """Say a quantity of a unit, by our own name for it or CLDR's."""
        said = self.number(amount) if unit in EXACT else self.counted(amount)
        return f"{said} {self.unit(amount, unit)}"

    def unit(self, amount: Decimal, unit: str) -> str:
        """Return the name of a unit after an amount. One and a half is singular, as in speech."""
        own = self._words.units.get(unit)
        if own is None:
            return unit_name(self.locale, unit, amount)
        return own[0] if 0 < amount < 2 else own[1]

    def measure_span(self, low: Decimal, high: Decimal, unit: str) -> str:
        """Say a range of quantities, with the unit once at its end."""
        if unit in EXACT:
            return f"{self.span(self.number(low), self.number(high))} {self.unit(high, unit)}"
        return f"{self.counted_span(low, high)} {self.unit(high, unit)}"

    def rating(self, score: Decimal, of: Decimal) -> str:
        """Say a mark: out of ten, nine."""
        return f"{self.number(of)} {self._words.out_of} {self.number(score)}"

    def fraction(self, above: Decimal, below: Decimal) -> str:
        """Say 3/4: halves, thirds and quarters by name, others as 3 over 8."""
        name = self._words.fractions.get(int(below)) if below == int(below) and 0 < above < below else None
        if name is None:
            return f"{self.number(above)} {self._words.over} {self.number(below)}"
        return name if below == 2 else f"{self.number(above)} {name}"

    def mixed(self, whole: int, above: int, below: int, unit: str) -> str:
        """Say 2 1/2, before a unit or alone: by the words of halves and quarters where there are such."""
        value = whole + (Decimal(above) / below if below in (2, 4) else Decimal(0))
        said = self.quarters(value)
        if said is None:
            part = self.fraction(Decimal(above), Decimal(below))
            said = f"{self._cardinal(whole)} {self._words.mixed} {part}"
        return f"{said} {self.unit(whole + Decimal(above) / below, unit)}" if unit else said

    def power(self, base: str, exponent: str, value: Decimal | None) -> str:
        """Say a power: square and cube by name."""
        words = self._words.mathematics
        if value == 2:
            return f"{base} {words.square}"
        if value == 3:
            return f"{base} {words.cube}"
        return f"{base} {words.power} {exponent}"

    def root(self, of: str, degree: int) -> str:
        """Say a root."""
        words = self._words.mathematics
        if degree == 2:
            return f"{of} {words.square_root}"
        if degree == 3:
            return f"{of} {words.cube_root}"
        return f"{of} {words.root.format(self.native_ordinal(degree))}"

    def span(self, first: str, second: str) -> str:
        """Say a range."""
        return f"{first} {self._words.to} {second}"

    def letters(self, letters: str) -> str:
        """Spell Latin letters one by one; leave out everything else."""
        named = self._words.letters
        return " ".join(named[letter] for letter in letters.upper() if letter in named)

    def address_word(self, word: str, of_a_person: bool) -> str:
        """Say a word of a web or mail address: digits and unknown words one by one, and the names of persons.

        Whoever writes the address down must know how the name is spelled: Kumar or Kumaar.
        """
        if word.isdigit():
            return self.digits(word)
        plain = word.lower()
        named = plain in self._known or (len(word) >= SHORTEST_NAME and is_known(plain))
        if not word.isascii() or is_common(plain) or (named and not of_a_person):
            return word
        return self.letters(word) if len(word) <= LONGEST_SPELLED else word

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


def _breaths(digits: str) -> list[str]:
    """Return digits in pieces of at most five, each said in one breath."""
    pieces = -(-len(digits) // 5)
    size = -(-len(digits) // pieces)
    return [digits[at : at + size] for at in range(0, len(digits), size)]
