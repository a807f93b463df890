"""How Arabic says what is written with digits: the Verbaliser of the three dialects.

`arabic.counting` has the grammar of numbers, `arabic.money` the names of currencies. Ours come vowelled.
"""

from decimal import Decimal

from tts_app.language.arabic import money, words
from tts_app.language.arabic.counting import Counting, all_oblique, join
from tts_app.language.arabic.diacritise import bare
from tts_app.language.arabic.words import Noun
from tts_app.language.base import Date, Time


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
    digit_words = words.DIGIT_WORDS
    place_words = words.PLACE_WORDS
    dial_words = words.DIAL_WORDS
    date_words = words.DATE_WORDS
    opening_words = words.OPENING_WORDS
    per = "لِكُلّ"

    def __init__(self, locale: str) -> None:
        self.locale = locale
        self.counting = Counting(locale)
        self._say = words.NUMBER_WORDS[locale]
        self._standard = locale == "ar-SA"

    # -- numbers

    def number(self, value: Decimal) -> str:
        """Say a cardinal, decimal or negative number."""
        return self.counting.decimal(value)

    def ordinal(self, value: int) -> str:
        """Say an ordinal number, definite: `الخامس والعشرون`."""
        return self.counting.ordinal(value)

    def digits(self, digits: str) -> str:
        """Say digits one by one."""
        return self.counting.digits(digits)

    def year(self, value: int) -> str:
        """Say a year: as a number, in the oblique case that `عام` requires."""
        return all_oblique(self.counting.cardinal(value))

    def decade(self, value: int) -> str:
        """Say the ten years from one on: `تسعينيات القرن العشرين`, `التسعينيات`."""
        named = words.DECADES.get(value % 100)
        if named is None:
            return f"سَنَوَات {self.year(value)}"
        if value < 100:
            return named
        return f"{named.removeprefix('ال')} القَرْن {all_oblique(self.ordinal(value // 100 + 1))}"

    def fraction(self, above: Decimal, below: Decimal) -> str:
        """Say a fraction: `ثلاثة أرباع`; by the line where it has no name."""
        if above == above.to_integral_value() and below == below.to_integral_value():
            return self.counting.fraction(int(above), int(below))
        return f"{self.number(above)} {words.SYMBOLS['/']} {self._oblique(self.number(below))}"

    def mixed(self, whole: int, above: int, below: int, unit: str) -> str:
        """Say a whole number and a fraction: `اثنان ونصف`, `كيلومتران ونصف`."""
        rest = self.counting.fraction(above, below)
        if not unit:
            return join([self.counting.cardinal(whole), rest])
        noun = self._unit(unit)
        return join([noun.one if whole == 1 else self.counting.count(whole, noun), rest])

    def rating(self, score: Decimal, of: Decimal) -> str:
        """Say a mark: `تسعة من عشرة`."""
        return (
            f"{self.number(score)} {words.NUMBER_WORDS[self.locale]['of']} {self._oblique(self.number(of))}"
        )

    def power(self, base: str, exponent: str, value: Decimal | None) -> str:
        """Say a power: `عشرة تربيع`, `عشرة أس ستة`."""
        named = {2: "تَرْبِيع", 3: "تَكْعِيب"}.get(int(value)) if value in {2, 3} and value is not None else None
        return f"{base} {named}" if named else f"{base} أُسّ {exponent}"

    def root(self, of: str, degree: int) -> str:
        """Say a root: `الجذر التربيعي لتسعة`."""
        named = {2: "التَّرْبِيعِيّ", 3: "التَّكْعِيبِيّ"}.get(degree)
        kind = named or f"مِن الدَّرَجَة {self.counting.ordinal(degree, feminine=True)}"
        return f"الجَذْر {kind} لِ{self._oblique(of)}"

    def roman(self, value: int, before: str) -> str | None:
        """Say a Roman numeral after a name or a numbered thing as an ordinal of its gender."""
        plain = bare(before)
        if not "ء" <= plain[:1] <= "ي" or value in {50, 100, 500, 1000}:  # L, C, D and M are letters
            return None
        if value in {1, 5, 10} and plain not in words.NUMBERED_BY_ROMAN:
            return None
        return self.counting.ordinal(value, feminine=plain.endswith("ة") or plain in words.QUEENS)

    def lettered(self, number: str, letters: str) -> str:
        """Say a number with letters: `أربعة بي`."""
        said = self.digits(number) if len(number) > 3 or number[0] == "0" else self.number(Decimal(number))
        return f"{said} {self.letters(letters)}"

    def telephone(self, groups: list[str], international: bool) -> str:
        """Say a telephone number digit by digit, with a pause after each group."""
        said = ", ".join(self.digits(part) for group in groups for part in _parts(group))
        return f"{words.SYMBOLS['+']} {said}" if international else said

    # -- quantities

    def money(self, amount: Decimal, currency: str) -> str:
        """Say an amount, with small coins where it has some: `ثلاثة دراهم وخمسون فلسا`."""
        return self.money_of(amount, self._currency(currency), currency)

    def money_of(self, amount: Decimal, noun: Noun, currency: str) -> str:
        """Say an amount of money whose noun is given; `currency` names its small coins."""
        whole = int(abs(amount))
        rest = abs(amount) - whole
        small = money.coin(currency) if rest else None
        if small is None or rest * small[1] != int(rest * small[1]):
            return self.counting.quantity(amount, noun)
        parts = [self.counting.count(whole, noun)] if whole else []
        parts.append(self.counting.count(int(rest * small[1]), self.counting.measure(small[0])))
        return f"{self._say['minus']} {join(parts)}" if amount < 0 else join(parts)

    def percent(self, value: Decimal) -> str:
        """Say a percentage."""
        return f"{self.number(value)} {self._say['percent']}"

    def measure(self, amount: Decimal, unit: str) -> str:
        """Say a quantity of a unit of `notation.UNITS`."""
        return self.counting.quantity(amount, self._unit(unit))

    def span(self, first: str, second: str) -> str:
        """Say a range of two things that are already words."""
        return f"{first} {self._say['to']} {self._oblique(second)}"

    def measure_span(self, low: Decimal, high: Decimal, unit: str) -> str:
        """Say a range of a unit: `عشرة إلى خمسة عشر كيلومترا`."""
        return self.span(self.number(low), self.measure(high, unit))

    # -- dates and times

    def date(self, date: Date) -> str:
        """Say a date: the day as an ordinal in standard Arabic, as a cardinal in the dialects."""
        parts = []
        if date.weekday is not None:
            parts.append(words.WEEKDAYS[self.locale][date.weekday])
        if date.day is not None:
            standard = self._standard and date.month is not None
            parts.append(f"{self.ordinal(date.day)} مِن" if standard else self.counting.cardinal(date.day))
        if date.month is not None:
            parts.append(words.MONTHS[date.month - 1])
        if date.year is not None:
            full = len(parts) > 0
            parts.append(f"{self._say['year']} {self.year(date.year)}" if full else self.year(date.year))
        return " ".join(parts)

    def hijri(self, day: int | None, month: int, year: int | None) -> str:
        """Say a date of the Islamic calendar: `الخامس عشر من رمضان عام ألف وأربعمئة وخمسة وأربعين`."""
        parts = []
        if day is not None:
            parts.append(f"{self.ordinal(day)} مِن" if self._standard else self.counting.cardinal(day))
        parts.append(words.HIJRI_MONTHS[month - 1])
        if year is not None:
            parts.append(f"{self._say['year']} {self.year(year)}")
        return " ".join(parts)

    def date_span(self, first: Date, last: Date) -> str:
        """Say a range of days; what both have in common is said once, at its end."""
        if (first.month, first.year) == (last.month, last.year) and first.day is not None:
            first = Date(day=first.day)
        low = self.ordinal(first.day) if self._standard and first == Date(day=first.day) and first.day else ""
        return self.span(low or self.date(first), self.date(last))

    def time(self, time: Time) -> str:
        """Say a time by the twelve-hour clock: `السابعة والنصف مساء`."""
        part = self.day_part(time.hour) if time.twelve or time.hour > 12 or time.hour == 0 else ""
        return " ".join(said for said in (self.clock(time.hour, time.minute), part) if said)

    def clock(self, hour: int, minute: int) -> str:
        """Say an hour and a minute without the part of the day."""
        said = words.MINUTES[self.locale].get(minute, "")
        if said and minute >= 40:
            hour += 1
        if minute and not said:
            said = f"وَ{self.counting.count(minute, self._unit('min'))}"
        return " ".join(word for word in (words.HOURS[self.locale][(hour - 1) % 12], said) if word)

    def time_span(self, first: Time, last: Time) -> str:
        """Say a range of times; a part of the day that both have is said once."""
        low, high = self.time(first), self.time(last)
        if first.twelve and last.twelve and self.day_part(first.hour) == self.day_part(last.hour):
            low = self.clock(first.hour, first.minute)
        return self.span(low, high)

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

    def _oblique(self, said: str) -> str:
        """Return words as after a preposition; the dialects have one case."""
        return all_oblique(said) if self._standard else said

    def _currency(self, currency: str) -> Noun:
        if self.locale == "ar-EG" and currency in words.EGYPTIAN_CURRENCIES:
            return words.EGYPTIAN_CURRENCIES[currency]
        return self.counting.measure(money.currency(currency))

    def _unit(self, unit: str) -> Noun:
        """Return a unit; raises KeyError for one that we have no word for (CLDR may have)."""
        base, _, per = unit.partition("/")
        noun = words.UNITS[base]
        if per:
            return self._per(self._unit(base), per)
        if self._standard:
            return noun
        return words.DIALECT_UNITS.get(unit) or self.counting.measure(noun)

    @staticmethod
    def _per(noun: Noun, per: str) -> Noun:
        """Return a compound unit: `كيلوغرام لكل متر مكعب`."""
        said = words.PER_TIME.get(per) or f"لِكُلّ {words.UNITS[per].one}"
        one, two, few, many = (f"{form} {said}" for form in (noun.one, noun.two, noun.few, noun.many))
        return Noun(one, two, few, many, noun.feminine, noun.invariant)

    def day_part(self, hour: int) -> str:
        """Say the part of the day of an hour, 0-23."""
        return [said for start, said in words.DAY_PARTS[self.locale] if hour >= start][-1]


def _parts(group: str) -> list[str]:
    """Return a long group of digits in parts that are easy to follow: 3 digits each, up to 5 in the last."""
    parts = []
    while len(group) > 5:
        parts.append(group[:4] if len(group) == 8 else group[:3])
        group = group[len(parts[-1]) :]
    return [*parts, group]
