"""The shared normaliser: finds what is written with digits and symbols, and lets a verbaliser say it.

It scans the cleaned text once with one grammar (`grammar`): the first branch that matches at a place decides
what is there, so words already put in are never examined again. Then two amounts around a dash become a
range, and every other character that is neither a letter nor . , ; : ? ! is removed.

In addition to `base.Verbaliser`, a verbaliser may offer these, each with its default at the end:

- `unit_forms`, `currency_forms`: `{key: (written, ...)}` in its own script, in addition to `UNITS` and
  `CURRENCIES`; {}
- `month_forms` {1..12: (written, ...)}, `weekday_forms` {0 (Monday)..6: ...}; {} (English is known)
- `am_forms`, `pm_forms`: (written, ...) after a time of day; () (am, a.m., pm, p.m. are known)
- `magnitude_forms`: {written: factor} between a number and its currency, such as {"लाख": 100000}; {}
- `home_currency`: what a bare `$` (USD, AUD) or `Rs` (INR, PKR) means here; USD, PKR
- `hashtag`: the word before a hashtag, or before the first of a row of them; ""
- `place_words`: lower-case words before the number of a place (room, seat): 4B is then four B, and 10K no
  ten thousand; ()
- `uncounted_words`: words in small letters after a number that it does not count (seat 10K was free); ()
- `dial_words`: words before a phone number (call, dial), after which also short and unknown ones are; ()
- `date_words`: words before 9/10 that make it a date (on, until); ()
- `scale_words`: {factor: word} for a letter after a range of money ($3-5m): {1000000: "million"}; {}
- `of_words`: words after 3/5 that make it a fraction and no mark; of, de, del
- `year_words`: words before a number of four digits that make it a year, also before 1900 (in 1850); ()
- `rate_words`: words after 90K that make it a number (90K a year); ()
- `never_last`: abbreviations that end no sentence (Mr., vs.); ()
- `openers`: words that start sentences, after which an abbreviation ends one (Plan B. Then); ()
- `opening_words`: words before 9-5 that make it hours (open); ()
- `cent_forms`: {written: currency} of signs for hundredths, in addition to ¢: {"p": "GBP"}; {}
- `spoken_labels`: parts of web addresses of two letters that are words here; co me my go in to be
- `address_word(word: str, of_a_person: bool)`: says a word, or the digits, of a web or mail address; before
  the @ it is the name of a person. What a hashtag says
- `per`: the word for the slash of $50/night; what `symbol("/")` says
- `leaves_signs`: whether digits, signs and hyphens without words stay, for the phonemiser; False
- `digit_words`: lower-case words after which a number over 999 is read digit by digit (room 1204); ()
- `decade(value: int)`: says 1990s, 90s; `year` or `number` says it
- `fraction(above: Decimal, below: Decimal)`: says 3/4, and 9/10 as a mark without `rating`; both numbers
- `rating(score: Decimal, of: Decimal)`: says a mark out of 5, 10, 20 or 100: 10/10, 4.5/5, 11/10; `fraction`
- `mixed(whole: int, above: int, below: int, unit: str)`: says 2 1/2, 1-1/2, 2½, with a key of `UNITS`
  or ""; the decimal number
- `power(base: str, exponent: str, value: Decimal | None)`: says 10², x^n; base and exponent are words,
  value is the exponent where it is a number; base and exponent
- `root(of: str, degree: int)`: says √2, ∛x; the words under it
- `money_span(low: Decimal, high: Decimal, factor: str, currency: str)`: says $3-5 million, $3-5; `factor`
  is the written scale word (million) or ""; `span` of a number and an amount
- `measure_span(low: Decimal, high: Decimal, unit: str)`: says 10-15 km; `span` of number and quantity
- `date_span(first: Date, last: Date)`: says May 5-7, Jan-Mar, Mon-Fri; `span` of a day and a date
- `time_span(first: Time, last: Time)`: says 10 a.m.-2 p.m.; `span` of two times
- `lettered(number: str, letters: str)`: says 4B, 12K, 221B; number and letters
- `roman(value: int, before: str)`: says a Roman numeral after the word `before` (as written), or returns
  None to leave it; None
- `telephone(groups: list[str], international: bool)`: says the groups of digits of a phone number, of which
  the first is the country's code where it is `international`; digits, with a pause between groups
- `capitals(word: str, shouted: bool)`: says a Latin word in capitals; `shouted` says that its neighbours
  are in capitals too. By default shouted and long words are words, and `letters` spells the others.

`symbol` is also called for × (2 × 3), ~ (about), °, ❤ (between two words), · (times, in a product), and the
signs of mathematics = ≠ ≈ ≅ ≡ < > ≤ ≥ ± ∓ ÷ − + ∞ ∑ ∏ ∫ ∂ ∆ π θ λ µ ∈ ∉ ⊂ ∪ ∩ ∀ ∃ ‰ ′ ″ § ¶: it returns ""
for those that it does not say. `money` and `measure` may raise KeyError: the name is then CLDR's
(`currencies`, `units`). `measure` is called with any key of `UNITS`, including `star` (5★) and `times` (3x).
`abbreviation` is called for each word, first with its full stop (`Dr.`), then without, and for `w/`, `w/o`,
`24/7`, `pp`, for what a slash joins (and/or) and for 9/11. `No. 5` is `symbol("#")` and the number.
"""

from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from decimal import Decimal
from functools import lru_cache
from typing import cast

import regex

from tts_app.language.base import Date, Time, Verbaliser, option
from tts_app.language.currencies import currency_name
from tts_app.language.grammar import FRACTIONS, Forms, Grammar
from tts_app.language.notation import PER, UNITS
from tts_app.language.pictures import count_stars, picture_runs
from tts_app.language.pieces import RANGED, Piece, assemble, ranges, say_date_span, say_money_span
from tts_app.language.telephones import groups_of, is_emergency, region_of
from tts_app.language.text import ascii_digits, clean
from tts_app.language.tidy import tidy
from tts_app.language.units import unit_name

__all__ = ["UNITS", "normalise", "parse_number", "roman_value", "words_of_tag"]

LONGEST_NUMBER = 15
"""Most digits of a number; a longer one is read digit by digit."""

_HEARTS = frozenset("❤♥💕💖💗💘💙💚💛💜🖤🤍🤎🧡🩷🩵🩶💓💞")
_BREAKS = frozenset("·•●▪■◆►▶➤➜→⇒‣◦∙|—()[]{}")
_SPEAKABLE = r"\p{L}\p{M}"


def normalise(text: str, verbaliser: Verbaliser) -> str:
    """Return `text` as words, with . , ; : ? ! as the only punctuation and single spaces.

    Words of other scripts are left as they are. Takes time linear in the length of the text.
    """
    return _normaliser(cast(Hashable, verbaliser))(text)


def parse_number(written: str, decimal_mark: str) -> Decimal | None:
    """Return the number that `written` (ASCII digits, `.` and `,`) means, or None when it is not one (1.2.3).

    It reads 1,299.50, 1.299,50, the Indian 1,25,000, and a mark that must be the decimal one (2.5 where the
    decimal mark is a comma).
    """
    written = written.replace(" ", "").replace("'", "")
    if written[0] == ".":
        return Decimal(f"0{written}")
    marks = [char for char in written if char in ".,"]
    if not marks:
        return Decimal(written)
    last = marks[-1]
    if len(set(marks)) == 2:
        if marks.count(last) > 1 or len(set(marks[:-1])) > 1:
            return None
        whole, _, fraction = written.rpartition(last)
        return Decimal(f"{whole.replace('.', '').replace(',', '')}.{fraction}")
    groups = written.split(last)
    grouped = len(groups[-1]) == 3 and 1 <= len(groups[0]) <= 3 and groups[0] != "0"
    western = grouped and all(len(group) == 3 for group in groups[1:])
    indian = grouped and len(groups[0]) <= 2 and all(len(group) == 2 for group in groups[1:-1])
    if (western or indian) and (last != decimal_mark or len(groups) > 2):
        return Decimal("".join(groups))
    return Decimal(".".join(groups)) if len(groups) == 2 else None


def words_of_tag(tag: str) -> list[str]:
    """Return the words and numbers that make up a tag or name: LuxuryStay2026 gives Luxury, Stay, 2026."""
    return _TAG_WORD.findall(tag)


_TAG_WORD = regex.compile(
    r"\p{Lu}++s(?![\p{Ll}\p{M}])|\p{Lu}\p{Lu}*?(?=\p{Lu}\p{Ll})|\p{Lu}?[\p{Ll}\p{M}]++|\p{Lu}++"
    r"|[\p{Lo}\p{Lm}\p{M}\u200c\u200d]++|\p{Nd}++"
)


@lru_cache(maxsize=64)
def _normaliser(verbaliser: Hashable) -> "_Normaliser":
    return _Normaliser(cast(Verbaliser, verbaliser))


class _Normaliser:
    """The grammar of one verbaliser. Stateless once made: a scan holds the state of one text."""

    def __init__(self, verbaliser: Verbaliser) -> None:
        self.say = verbaliser
        self.forms = Forms.of(verbaliser)
        self.grammar = Grammar(self.forms)
        self.spoken_labels = frozenset(
            option(verbaliser, "spoken_labels", ("co", "me", "my", "go", "in", "to", "be"))
        )
        self.hashtag: str = option(verbaliser, "hashtag", "")
        self.per: str = option(verbaliser, "per", verbaliser.symbol("/"))
        self.digit_words = frozenset(option(verbaliser, "digit_words", ()))
        self.place_words = frozenset(option(verbaliser, "place_words", ()))
        self.dial_words = frozenset(option(verbaliser, "dial_words", ()))
        self.year_words = frozenset(option(verbaliser, "year_words", ()))
        self.openers = frozenset(option(verbaliser, "openers", ()))
        self.date_words = frozenset(option(verbaliser, "date_words", ()))
        self.scale_words: Mapping[int, str] = option(verbaliser, "scale_words", {})
        self.of_words = frozenset(option(verbaliser, "of_words", ("of", "de", "del")))
        self.rate_words = frozenset(option(verbaliser, "rate_words", ()))
        self.never_last = frozenset(option(verbaliser, "never_last", ()))
        self.uncounted = frozenset(option(verbaliser, "uncounted_words", ()))
        self.region = region_of(verbaliser.locale)
        self.leaves_signs: bool = option(verbaliser, "leaves_signs", False)

    def __call__(self, text: str) -> str:
        text = self._plain(text)
        scan = _Scan(self, text)
        said = assemble(text, ranges(text, list(scan.pieces()), self.say))
        return tidy(said, self.leaves_signs)

    def _plain(self, text: str) -> str:
        """Return the text with ASCII digits and marks, and with emoji said or dropped."""
        text = ascii_digits(clean(text))
        point = self.say.decimal_mark
        text = text.translate({0x66B: point, 0x66C: "," if point == "." else ".", 0x66A: "%"})
        text = text.translate(_NATIVE_PUNCTUATION)
        text = _measured(_EMOTICONS.sub(_pictured, text))
        return self._without_emoji(count_stars(text))

    def _without_emoji(self, text: str) -> str:
        """Drop emoji: hearts between two words are said, others break the clause where one may start."""
        out = []
        end = 0
        for start, stop, pictures in picture_runs(text):
            before = text[max(0, start - 2) : start].rstrip()[-1:]
            after = text[stop : stop + 2].lstrip(" ")[:1]
            word = self.say.symbol("❤") if before.isalpha() and after.isalpha() and _HEARTS & pictures else ""
            goes_on = after.islower() and not _ADDRESS_NEXT.match(text, stop)
            silent = " . " if after in {"", "\n"} else " " if goes_on else " • "
            out += [text[end:start], f" {word} " if word else silent]
            end = stop
        return "".join([*out, text[end:]])


class _Scan:
    """One pass over one text. Each `_<branch>` method says what that branch of the grammar matched."""

    def __init__(self, normaliser: _Normaliser, text: str) -> None:
        self._say = normaliser.say
        self._forms = normaliser.forms
        self._normaliser = normaliser
        self._text = text
        self._shouted = _shouted(text)
        self._last: Piece | None = None

    def pieces(self) -> Iterator[Piece]:
        """Yield the pieces that replace parts of the text, in order."""
        position = 0
        grammar = self._normaliser.grammar
        while found := grammar.search(self._text, position):
            kind, match = found
            piece: Piece | None = getattr(self, f"_{kind}")(match)
            position = match.end()
            if piece is not None:
                self._last = piece
                position = piece.end
                yield piece

    # -- the web -----------------------------------------------------------------------------------------

    def _url(self, match: "regex.Match[str]") -> Piece:
        written = match[0].rstrip(".,;:!?)'*_-…")
        address = _SCHEME.sub("", written)
        host, _, rest = address.partition("/")
        host = host.partition("?")[0].partition("#")[0].partition(":")[0].rpartition("@")[2]
        host = host.lower() if host.isupper() else host
        words = [f" {self._say.symbol('.')} ".join(self._label(label) for label in host.split(".") if label)]
        step = rest.partition("?")[0].partition("#")[0].partition("/")[0]
        if _PLAIN_STEP.fullmatch(step):
            words += [self._say.symbol("/"), self._address_words(step)]
        return Piece(match.start(), match.start() + len(written), "url", _join(words))

    def _label(self, label: str) -> str:
        """Say one label of a host name: a word where it can be one, else letters."""
        if _SPELLED_LABEL.fullmatch(label) and label.lower() not in self._normaliser.spoken_labels:
            return self._say.letters(label.upper())
        return self._address_words(label)

    def _address_words(self, part: str, of_a_person: bool = False) -> str:
        """Say a part of a web or mail address."""
        own: Callable[[str, bool], str] | None = option(self._say, "address_word", None)
        if own is None:
            return self._tag_words(part)
        runs = _ADDRESS_PART.findall(part)
        return _join(
            own(word, of_a_person) if word.isalnum() else self._say.symbol(word)
            for run in runs
            for word in (words_of_tag(run) if run.isalnum() else [run])
        )

    def _email(self, match: "regex.Match[str]") -> Piece:
        name, _, host = match[0].partition("@")
        said = [
            self._address_words(part, of_a_person=True) if part.isalnum() else self._say.symbol(part)
            for part in _ADDRESS_PART.findall(name)
        ]
        labels = f" {self._say.symbol('.')} ".join(self._label(label) for label in host.split("."))
        return self._piece(match, "email", _join([*said, self._say.symbol("@"), labels]))

    def _hashtag(self, match: "regex.Match[str]") -> Piece:
        words = self._tag_words(match[0][1:])
        if self._last and self._last.kind == "hashtag" and self._between(match.start()).isspace():
            return self._piece(match, "hashtag", f", {words}")
        words = _join([self._normaliser.hashtag, words])
        return self._piece(
            match, "hashtag", f", {words}" if _TAG_NEXT.match(self._text, match.end()) else words
        )

    def _mention(self, match: "regex.Match[str]") -> Piece:
        point = f" {self._say.symbol('.')} "
        name = point.join(self._tag_words(part) for part in match[0][1:].split("."))
        return self._piece(match, "mention", _join([self._say.symbol("@"), name]))

    def _tag_words(self, tag: str) -> str:
        return _join(
            self._digit_run(word) if word.isdigit() else self._spoken(word) for word in words_of_tag(tag)
        )

    # -- amounts -----------------------------------------------------------------------------------------

    def _money(self, match: "regex.Match[str]") -> Piece | None:
        amount = self._amount(match)
        if amount is None:
            return self._digits_of(match)
        sign = match["code"] or match["before"] or match["after"]
        currency = self._forms.currencies.get(sign)
        if currency is None:
            currency, amount = self._forms.cents[sign], amount / 100
        return self._piece(match, "money", self._price(amount, currency), amount, currency)

    def _price(self, amount: Decimal, currency: str) -> str:
        try:
            return self._say.money(amount, currency)
        except KeyError:
            name = currency_name(self._say.locale, currency, amount)
            return f"{self._say.number(amount)} {name}"

    def _money_span(self, match: "regex.Match[str]") -> Piece | None:
        low, high = self._parse(match["low"]), self._parse(match["amount"])
        if low is None or high is None:
            return self._number_at(match)
        currency = self._forms.currencies[match["before"] or match["after"]]
        factor, word = self._forms.factors[match["factor"]], match["factor"].lower()
        low_factor = self._forms.factors[match["low_factor"]] if match["low_factor"] else factor
        if len(word) < 3:  # 2-3m
            word = self._normaliser.scale_words.get(factor, "")
        if len(word) < 3 or low_factor != factor or not option(self._say, "money_span", None):
            low, high, word = low * low_factor, high * factor, ""
        return self._piece(match, "range", say_money_span(low, high, word, currency, self._say))

    def _percent(self, match: "regex.Match[str]") -> Piece:
        amount = self._amount(match)
        if amount is None:
            return self._digits_of(match)
        if match["share"] == "‰":
            said = _join([self._say.number(amount), self._say.symbol("‰")])
            return self._piece(match, "number", said, amount)
        return self._piece(match, "percent", self._say.percent(amount), amount, "%")

    def _product(self, match: "regex.Match[str]") -> Piece:
        factors = [self._written(match["amount"]), self._say.symbol("·"), self._written(match["times"])]
        return self._piece(match, "number", _join(factors))

    def _dimension(self, match: "regex.Match[str]") -> Piece:
        times = "·" if _POWER_OF_TEN.match(self._text, match.end()) else "×"
        return self._piece(
            match, "dimension", _join([self._written(match["amount"]), self._say.symbol(times)])
        )

    def _stars(self, match: "regex.Match[str]") -> Piece:
        amount = Decimal(match["amount"].replace(",", "."))
        return self._piece(match, "measure", self._say.measure(amount, "star"), amount, "star")

    def _measure(self, match: "regex.Match[str]") -> Piece | None:
        amount = self._amount(match)
        if amount is None:
            return self._digits_of(match)
        unit = self._forms.units[match["unit"]]
        if match["per"]:
            unit = f"{unit}/{PER[match['per']]}"
        end = match.end()
        if match[0].endswith(".") and _SENTENCE_NEXT.match(self._text, end):
            end -= 1  # the full stop of the unit ends the sentence too
        return Piece(match.start(), end, "measure", self._quantity(amount, unit), amount, unit)

    def _quantity(self, amount: Decimal, unit: str) -> str:
        try:
            return self._say.measure(amount, unit)
        except KeyError:
            return f"{self._say.number(amount)} {unit_name(self._say.locale, unit, amount)}"

    def _feet(self, match: "regex.Match[str]") -> Piece:
        parts = (
            self._quantity(Decimal(match[unit]), key) for unit, key in (("feet", "ft"), ("inches", "inch"))
        )
        return self._piece(match, "measure", _join(parts))

    def _per(self, match: "regex.Match[str]") -> Piece:
        unit = unit_name(self._say.locale, self._forms.units[match["per"]], Decimal(1))
        return self._piece(match, "word", _join([self._normaliser.per, unit]))

    def _amount(self, match: "regex.Match[str]") -> Decimal | None:
        """Return the signed and scaled amount of a match, or None when it is no number that can be said."""
        amount = self._parse(match["amount"])
        if amount is None:
            return None
        factor = match.groupdict().get("factor")
        if factor:
            amount *= self._forms.factors[factor]
        return -amount if match[0].startswith("-") else amount

    def _parse(self, written: str) -> Decimal | None:
        if sum(char.isdigit() for char in written) > LONGEST_NUMBER:
            return None
        return parse_number(written, self._say.decimal_mark)

    def _digits_of(self, match: "regex.Match[str]") -> Piece:
        """Say the digits of a match that is not a number; the scan then continues at its sign or unit."""
        start, end = match.span("amount")
        return Piece(start, end, "digits", self._written(match["amount"]))

    # -- dates and times ---------------------------------------------------------------------------------

    def _date(self, match: "regex.Match[str]") -> Piece | None:
        if match["short"]:
            return self._short_date(match)
        date = (
            self._numeric_date(match["iso"] or match["numeric"], bool(match["iso"]))
            if match["iso"] or match["numeric"]
            else Date(
                day=int(match["day"]) if match["day"] else None,
                month=self._forms.months[match["month"]],
                year=int(match["year"]) if match["year"] else None,
                weekday=self._forms.weekdays[match["weekday"]] if match["weekday"] else None,
                day_first=bool(match["day"]) and match.start("day") < match.start("month"),
            )
        )
        if date is None:
            return self._number_at(match)
        return Piece(*match.span(), "date", self._say.date(date), when=date)

    def _short_date(self, match: "regex.Match[str]") -> Piece | None:
        """Say 10/10: a date where a zero or the word before says so, a mark out of ten, or a fraction."""
        written = match["short"]
        idiom = self._say.abbreviation(written)
        if idiom is not None:
            return self._piece(match, "word", idiom)
        first, second = written.split("/")
        said_as_date = self._word_before(match.start()) in self._normaliser.date_words
        is_part = self._of_follows(match.end(), _WORD_NEXT)
        dated = "0" in (first[0], second[0]) or (said_as_date and not is_part)
        marked = second in {"5", "10"} and int(first) <= int(second) + 1
        shaped = len(second) == 2 and len(first) == 2
        date = self._numeric_date(written, False) if dated or (shaped and not marked) else None
        if date is not None:
            return Piece(*match.span(), "date", self._say.date(date), when=date)
        return self._share(match, Decimal(first), Decimal(second))

    def _date_span(self, match: "regex.Match[str]") -> Piece | None:
        month = self._forms.months[match["month"]]
        year = int(match["year"]) if match["year"] else None
        if match["last_month"]:
            last = Date(month=self._forms.months[match["last_month"]], year=year)
            first = Date(month=month)
        else:
            day_first = match.start("day") < match.start("month")
            first = Date(int(match["day"]), month, year, day_first=day_first)
            last = Date(int(match["last"]), month, year, day_first=day_first)
        if first.day and last.day and first.day >= last.day:
            return self._number_at(match)
        return Piece(*match.span(), "date", say_date_span(first, last, self._say))

    def _numeric_date(self, written: str, year_first: bool) -> Date | None:
        """Return the date written with digits, or None when there is no such day.

        With a year it is meant as a date even where the month has fewer days: 31/4/2026.
        """
        parts = [int(part) for part in _DATE_MARK.split(written)]
        european = False
        if year_first:
            year, month, day = parts
        else:
            day, month = parts[:2] if self._say.day_first else parts[1::-1]
            swapped = month > 12
            if swapped:
                day, month = month, day
            european = swapped and "." in written
            year = parts[2] if len(parts) == 3 else 0
            if len(parts) == 3 and year < 100:
                year += 2000 if year < 70 else 1900
        longest = 31 if year else _MONTH_DAYS[month - 1] if 1 <= month <= 12 else 0
        if not (1 <= month <= 12 and 1 <= day <= longest):
            return None
        return Date(day=day, month=month, year=year or None, day_first=european)

    def _weekday(self, match: "regex.Match[str]") -> Piece:
        first = Date(weekday=self._forms.weekdays[match["first"]])
        if not match["last"]:
            return self._piece(match, "weekday", self._say.date(first))
        last = Date(weekday=self._forms.weekdays[match["last"]])
        return self._piece(match, "weekday", say_date_span(first, last, self._say))

    def _time(self, match: "regex.Match[str]") -> Piece | None:
        hour, half = int(match["hour"]), match["half"]
        if half:
            afternoon = half in self._forms.pm or half[0] in "pP"
            if hour <= 12:
                hour = hour % 12 + (12 if afternoon else 0)
        if hour > 23:
            hour = 0
        second = match["second"]
        time = Time(hour, int(match["minute"] or 0), int(second) if second else None, twelve=bool(half))
        return Piece(*match.span(), "time", self._say.time(time), when=time)

    # -- numbers -----------------------------------------------------------------------------------------

    def _idiom(self, match: "regex.Match[str]") -> Piece | None:
        written = match[0]
        if written[0] in "Ww" and "-" in written:
            return self._piece(match, "word", self._say.abbreviation("WiFi") or "wifi")
        said = self._say.abbreviation(written)
        if said is None and written.startswith("24"):
            said = _join(self._written(part) for part in _DIGITS.findall(written))
        if said is None and match["left"]:
            sides = [self._spoken(match["left"]), self._say.symbol("/") or ",", self._spoken(match["right"])]
            said = _join(sides)
        return None if said is None else self._piece(match, "word", said)

    def _phone(self, match: "regex.Match[str]") -> Piece | None:
        written = match[0]
        if written.startswith("+"):
            written = written.replace("(0)", " ")  # the prefix inside the country: +44 (0)20
        groups: Iterable[str] = _DIGITS.findall(written)
        if not 7 <= sum(map(len, groups)) <= 15:
            return self._number_at(match)
        groups = groups_of(written, self._normaliser.region) or groups
        return self._piece(match, "phone", self._telephone(list(groups), written.startswith("+")))

    def _telephone(self, groups: list[str], international: bool) -> str:
        own: Callable[[list[str], bool], str] | None = option(self._say, "telephone", None)
        if own:
            return own(groups, international)
        said = ", ".join(self._long_digits(group) for group in groups)
        return _join([self._say.symbol("+") if international else "", said])

    def _dialled(self, match: "regex.Match[str]") -> Piece | None:
        """Say digits that are a phone number here, or that follow a word such as `call`; else the number."""
        written = match[0]
        called = self._word_before(match.start()) in self._normaliser.dial_words
        region = self._normaliser.region
        groups = groups_of(written, region) if called or not _GROUPED_NUMBER.fullmatch(written) else ()
        ends = not _COUNTED.match(self._text, match.end())
        if not groups and called and (ends or len(written) > 4 or is_emergency(written, region)):
            groups = tuple(_DIGITS.findall(written))
        if not groups or (not called and len(written) < 8):
            return self._number_at(match)
        return self._piece(match, "phone", self._telephone(list(groups), False))

    def _serial(self, match: "regex.Match[str]") -> Piece:
        """Say 978-3-16-148410-0 digit by digit, with a pause at each hyphen."""
        return self._piece(match, "digits", ", ".join(map(self._say.digits, _DIGITS.findall(match[0]))))

    def _vanity(self, match: "regex.Match[str]") -> Piece:
        """Say 1-800-FLOWERS: the digits as a phone number, the letters as a word."""
        digits = self._telephone(_DIGITS.findall(match["prefix"]), match[0].startswith("+"))
        name = [
            self._say.digits(part) if part.isdigit() else self._spoken(part, shouted=len(part) > 1)
            for part in _NAME_PART.findall(match["name"])
        ]
        return self._piece(match, "phone", _join([f"{digits},", *name]))

    def _decade(self, match: "regex.Match[str]") -> Piece:
        value = int(match["amount"])
        decade: Callable[[int], str] | None = option(self._say, "decade", None)
        said = (
            decade(value)
            if decade
            else self._say.year(value)
            if value > 99
            else self._written(match["amount"])
        )
        return self._piece(match, "decade", said)

    def _ordinal(self, match: "regex.Match[str]") -> Piece:
        value = int(match["amount"].replace(",", ""))
        return self._piece(match, "ordinal", self._say.ordinal(value), Decimal(value))

    def _fraction(self, match: "regex.Match[str]") -> Piece:
        return self._share(match, Decimal(match["above"].replace(",", ".")), Decimal(match["below"]))

    def _share(self, match: "regex.Match[str]", above: Decimal, below: Decimal) -> Piece:
        """Say 3/4 as a fraction and 9/10 as a mark, except 1/10 and what is a part `of` something."""
        rating: Callable[[Decimal, Decimal], str] | None = option(self._say, "rating", None)
        whole = above == int(above)
        marked = below in _MARKS and (not whole or 1 != above <= below * Decimal("1.1"))
        if rating and marked and not self._of_follows(match.end()):
            return self._piece(match, "fraction", rating(above, below))
        fraction: Callable[[Decimal, Decimal], str] | None = option(self._say, "fraction", None)
        said = (
            fraction(above, below) if fraction else _join([self._say.number(above), self._say.number(below)])
        )
        return self._piece(match, "fraction", said)

    def _of_follows(self, end: int, then: "regex.Pattern[str] | None" = None) -> bool:
        """Return whether a part is meant: 3/4 of the guests. `then`: what must come next; not 1/5 of 2026."""
        after = _NEXT_WORD.match(self._text, end)
        if after is None or after[1] not in self._normaliser.of_words:
            return False
        return then is None or then.match(self._text, after.end()) is not None

    def _mixed(self, match: "regex.Match[str]") -> Piece | None:
        whole, above, below = int(match["whole"]), int(match["above"]), int(match["below"])
        if below < 2:
            return self._number_at(match)
        unit = self._forms.units[match["unit"]] if match["unit"] else ""
        return self._mixed_number(match, whole, above, below, unit)

    def _mixed_number(
        self, match: "regex.Match[str]", whole: int, above: int, below: int, unit: str
    ) -> Piece:
        own: Callable[[int, int, int, str], str] | None = option(self._say, "mixed", None)
        value = whole + (Decimal(above) / below).quantize(Decimal("0.01")).normalize()
        if own:
            return self._piece(
                match, "measure" if unit else "number", own(whole, above, below, unit), value, unit
            )
        said = self._quantity(value, unit) if unit else self._say.number(value)
        return self._piece(match, "measure" if unit else "number", said, value, unit)

    def _glyph(self, match: "regex.Match[str]") -> Piece:
        above, below = FRACTIONS[match["glyph"]]
        if match["whole"] or not option(self._say, "fraction", None):
            return self._mixed_number(match, int(match["whole"] or 0), above, below, "")
        return self._piece(match, "fraction", self._say.fraction(Decimal(above), Decimal(below)))  # type: ignore[attr-defined]

    # -- mathematics -------------------------------------------------------------------------------------

    def _power(self, match: "regex.Match[str]") -> Piece:
        base, exponent = match["base"], match["exponent"]
        value = Decimal(exponent) if exponent.lstrip("-").isdigit() else None
        sign = _join([self._say.symbol("−")]) if exponent.startswith("-") and value is None else ""
        named = self._say.number(value) if value is not None else self._say.letters(exponent.lstrip("-"))
        base = self._written(base) if base[-1].isdigit() else self._say.letters(base)
        own: Callable[[str, str, Decimal | None], str] | None = option(self._say, "power", None)
        named = _join([sign, named])
        return self._piece(match, "power", own(base, named, value) if own else _join([base, named]))

    def _root(self, match: "regex.Match[str]") -> Piece:
        of = self._written(match["of"]) if match["of"][-1].isdigit() else self._say.letters(match["of"])
        own: Callable[[str, int], str] | None = option(self._say, "root", None)
        return self._piece(match, "root", own(of, "√∛∜".index(match["root"]) + 2) if own else of)

    def _footnote(self, match: "regex.Match[str]") -> Piece:
        return self._piece(match, "suffix", "")

    # -- numbers in names --------------------------------------------------------------------------------

    def _numbered(self, match: "regex.Match[str]") -> Piece:
        return self._piece(match, "word", self._say.symbol("#"))

    def _alphanumeric(self, match: "regex.Match[str]") -> Piece:
        parts = _NAME_PART.findall(match[0])
        longest = max((len(part) for part in parts if not part[0].isdigit()), default=0)
        said = []
        for part in parts:
            if part == ".":
                said.append(self._say.symbol("."))
            elif not part.isdigit():
                said.append(self._say.abbreviation(part) or self._letters_or_word(part))
            elif longest > 2 or len(part) < 3:
                said.append(self._digit_run(part))
            else:
                said.append(self._say.digits(part))
        return self._piece(match, "word", _join(said))

    def _letters_or_word(self, part: str) -> str:
        return self._say.letters(part) if part.isupper() and len(part) <= 3 else self._spoken(part)

    def _count(self, match: "regex.Match[str]") -> Piece:
        """Say 10K followers as a number, and the K of room 10K as a letter.

        K, M and B multiply a decimal and what is counted: a noun follows, and no place is named before.
        """
        factor = match["factor"]
        noun = _COUNTED.match(self._text, match.end())
        counted = noun is not None and noun[1] not in self._normaliser.uncounted
        if counted and factor in {"B", "b"} and noun is not None:
            counted = noun[1].endswith("s") or noun[1] == "people"
        rate = _NEXT_WORD.match(self._text, match.end())
        counted = counted or (rate is not None and rate[1] in self._normaliser.rate_words)
        decimal = not match["amount"].isdigit()
        named = self._word_before(match.start()) in self._normaliser.place_words
        if decimal or len(factor) > 1 or ((counted or factor == "k") and not named):
            return self._number(match)
        return self._lettered_number(match, match["amount"], factor)

    def _lettered(self, match: "regex.Match[str]") -> Piece:
        return self._lettered_number(match, match["amount"], match["letters"])

    def _lettered_number(self, match: "regex.Match[str]", number: str, letters: str) -> Piece:
        own: Callable[[str, str], str] | None = option(self._say, "lettered", None)
        said = own(number, letters) if own else _join([self._digit_run(number), self._say.letters(letters)])
        return self._piece(match, "lettered", said)

    def _number(self, match: "regex.Match[str]") -> Piece:
        written = match["amount"]
        amount = self._amount(match)
        sign = self._say.symbol("+") if match[0].startswith("+") else ""
        if amount is None or (written[0] == "0" and len(written) > 1 and written.isdigit()):
            return self._piece(match, "digits", _join([sign, self._written(written)]))
        plain = written == match[0] and written.isdigit() and len(written) == 4
        if len(written) > 3 and written.isdigit() and self._follows_digit_word(match.start()):
            return self._piece(match, "digits", self._say.digits(written))
        if plain and self._is_year(int(amount), match):
            return self._piece(match, "number", self._say.year(int(amount)), amount)
        return self._piece(match, "number", _join([sign, self._say.number(amount)]), amount)

    def _is_year(self, value: int, match: "regex.Match[str]") -> bool:
        """Return whether four digits are a year: from 1900, or earlier after `in` or beside another year."""
        if 1900 <= value < 2100:
            return True
        if not 1000 < value < 1900:
            return False
        if _ERA.match(self._text, match.end()):
            return True
        if _YEAR_BESIDE.match(self._text, match.end()) or _YEARS_BEFORE.search(
            self._text, max(0, match.start() - 6), match.start()
        ):
            return True
        counted = _COUNTED.match(self._text, match.end())
        dated = self._word_before(match.start()) in self._normaliser.year_words
        return dated and (counted is None or counted[1] in self._normaliser.uncounted)

    def _number_at(self, match: "regex.Match[str]") -> Piece | None:
        """Say the first number of a match that is not what it looked like; the scan continues after it."""
        run = _NUMBER_AT.search(match[0])
        if run is None:
            return None
        start, end = match.start() + run.start(), match.start() + run.end()
        amount = self._parse(run[0])
        return Piece(start, end, "number", self._written(run[0]), amount)

    def _written(self, written: str) -> str:
        """Say a number as it is written: as an amount, or, where it is none (007, 1.2.3), piece by piece."""
        amount = self._parse(written)
        if amount is not None and not (written.isdigit() and written[0] == "0" and len(written) > 1):
            return self._say.number(amount)
        if written.isdigit():
            return self._long_digits(written)
        point = self._say.symbol(".")
        return _join(
            self._digit_run(part) if part.isdigit() else point if part == "." else ","
            for part in _NUMBER_PART.findall(written)
        )

    def _long_digits(self, digits: str) -> str:
        """Say digits one by one; more than five with pauses, as people do."""
        return ", ".join(self._say.digits(part) for part in _phone_parts(digits))

    def _digit_run(self, digits: str) -> str:
        """Say the digits of a name: as a year, a small number or one by one."""
        if len(digits) == 4 and 1900 <= int(digits) < 2100:
            return self._say.year(int(digits))
        if len(digits) < 4 and (digits == "0" or digits[0] != "0"):
            return self._say.number(Decimal(digits))
        return self._say.digits(digits)

    def _follows_digit_word(self, start: int) -> bool:
        return self._word_before(start) in self._normaliser.digit_words

    def _word_before(self, start: int) -> str:
        """Return the word just before `start` in lower case, or an empty string."""
        word = _LAST_WORD.search(self._text[max(0, start - 40) : start])
        return word[1].lower() if word else ""

    # -- words and marks ---------------------------------------------------------------------------------

    def _initials(self, match: "regex.Match[str]") -> Piece:
        right = self._say.letters(match["right"]) + ("'s" if match["plural"] else "")
        return self._piece(
            match, "word", _join([self._say.letters(match["left"]), self._say.symbol("&"), right])
        )

    def _word(self, match: "regex.Match[str]") -> Piece | None:
        written = match[0]
        start, end = match.span()
        if written.endswith("."):
            numeral = self._roman(written[:-1], start)
            said = numeral or self._dotted(written)
            if numeral:
                return Piece(start, end - 1, "word", numeral)
            if said is not None:
                closes = _LINE_END.match(self._text, end) or self._ends_sentence(written, start, end)
                return Piece(start, end, "word", f"{said}." if closes else said)
            written, end = written[:-1], end - 1
        if "." in written:
            said = self._dotted(written)
            if said is None:
                return None
        else:
            said = self._roman(written, start) or self._spoken(written, shouted=start in self._shouted)
        return None if said == written else Piece(start, end, "word", said)

    def _roman(self, written: str, start: int) -> str | None:
        """Return the words of a Roman numeral where the word before it says that it is one."""
        own: Callable[[int, str], str | None] | None = option(self._say, "roman", None)
        numeral = written.removesuffix("'s")
        if own is None or not numeral or not _ROMAN.fullmatch(numeral):
            return None
        before = _LAST_WORD.search(self._text[max(0, start - 40) : start])
        said = own(roman_value(numeral), before[1]) if before else None
        return f"{said}'s" if said and numeral != written else said

    def _plain(self, match: "regex.Match[str]") -> Piece | None:
        said = self._roman(match[0], match.start()) if match[0] in _ROMAN_LETTERS else None
        said = said or self._say.abbreviation(match[0])
        if match[0] in _GREEK_SIGNS:
            said = said or self._say.symbol(match[0]) or None
        return None if said is None or said == match[0] else self._piece(match, "word", said)

    def _dotted(self, written: str) -> str | None:
        said = self._say.abbreviation(written)
        if said is None and _INITIALISM.fullmatch(written):
            said = self._say.letters(written.replace(".", ""))
        return said

    def _ends_sentence(self, written: str, start: int, end: int) -> bool:
        """Return whether the full stop of an abbreviation also ends a sentence: Plan B. Then it rained.

        The next word is one that starts sentences, or what is before the letter has lettered kinds.
        """
        following = _NEXT_CAPITAL.match(self._text, end)
        if following is None or written in self._normaliser.never_last:
            return False
        if not _INITIALISM.fullmatch(written):
            return following[1].lower() in self._normaliser.openers
        lettered = len(written) == 2 and self._word_before(start) in self._normaliser.place_words
        return lettered or following[1].lower() in self._normaliser.openers

    def _spoken(self, word: str, shouted: bool = False) -> str:
        """Say a word: an abbreviation, a word in capitals, or itself."""
        said = self._say.abbreviation(word)
        if said is not None:
            return said
        capitals = _CAPITALS.fullmatch(word)
        if not capitals:
            return word
        ending = "'s" if capitals[2] else ""
        own: Callable[[str, bool], str] | None = option(self._say, "capitals", None)
        if own:
            return own(capitals[1], shouted) + ending
        if shouted or len(capitals[1]) > 5:
            return word.lower()
        return self._say.letters(capitals[1]) + ending

    def _plural(self, match: "regex.Match[str]") -> Piece:
        return self._piece(match, "suffix", match["ending"])

    def _mark(self, match: "regex.Match[str]") -> Piece | None:
        mark = match[0]
        before = self._text[match.start() - 1 : match.start()]
        after = self._text[match.end() : match.end() + 1]
        if mark == "-" and before.isalpha() and after.isalpha() and self._normaliser.leaves_signs:
            return None
        glued = before.isalnum() and after.isalnum()
        if mark in _OPERATORS and _BETWEEN_NUMBERS.match(self._text, max(0, match.start() - 2)):
            said = self._say.symbol(_OPERATORS[mark])
        elif mark == "*" and before.isdigit() and after.isdigit():
            said = self._say.symbol("·")
        elif mark == "·" and before.isalpha() and after.isalpha():
            said = ""
        elif mark == "−" or (mark == "·" and not glued):
            said = self._say.symbol(mark) if self._is_term(match.end()) else ","
        elif mark in _BREAKS or (mark in "-–" and not glued and before.isspace() and after.isspace()):
            said = ","
        elif mark in '*_-–"#':
            said = ""
        elif mark == "/":
            amount = self._last is not None and self._last.end == match.start() and self._last.kind in RANGED
            said = (
                self._normaliser.per
                if amount and after.isalpha()
                else self._say.symbol("/")
                if glued
                else ","
            )
        else:
            said = self._say.symbol(mark)
        return self._piece(match, "dash" if mark in "-–—" else "mark", said)

    def _is_term(self, end: int) -> bool:
        """Return whether a number or a single letter follows, so that a sign is one of a sum."""
        return _TERM.match(self._text, end) is not None

    # -- shared by all branches --------------------------------------------------------------------------

    def _between(self, start: int) -> str:
        """Return the text between the last piece and `start`."""
        return self._text[self._last.end if self._last else 0 : start]

    def _piece(
        self, match: "regex.Match[str]", kind: str, words: str, value: Decimal | None = None, unit: str = ""
    ) -> Piece:
        return Piece(match.start(), match.end(), kind, words, value, unit)


_NATIVE_PUNCTUATION = str.maketrans(
    {"،": ",", "؛": ";", "؟": "?", "۔": ".", "।": ".", "॥": ".", "¿": " ", "¡": " ", "٬": ","}
)
_SCHEME = regex.compile(r"^(?:https?://|ftp://)?(?:www\.)?", regex.IGNORECASE)
_PLAIN_STEP = regex.compile(r"\p{L}{2,20}(?:[-_][\p{L}]{2,20}){0,2}")
_SPELLED_LABEL = regex.compile(r"\p{Latin}{2}|[b-df-hj-np-tv-xzB-DF-HJ-NP-TV-XZ]{3,4}")
_ADDRESS_PART = regex.compile(r"[\p{L}\p{N}]++|[._+-]")
_DATE_MARK = regex.compile(r"[-/.]")
_DIGITS = regex.compile(r"\d++")
_NUMBER_AT = regex.compile(r"[1-9]\d{0,2}(?: \d{3})++(?!\d)(?:[.,]\d++)?|\d++(?:[.,]\d++)*+")
_GROUPED_NUMBER = regex.compile(r"[1-9]\d{0,2}(?: \d{3})++")
_COUNTED = regex.compile(r" ([\p{Ll}\p{Lo}][\p{L}\p{M}\u200c\u200d]{2,}+)")
"""A noun that may be counted: a word in small letters, or of a script without capitals."""
_NEXT_WORD = regex.compile(r" ([\p{L}\p{M}]++)")
_YEAR_BESIDE = regex.compile(r"[-–](?:1\d|20)\d\d(?!\d)")
_YEARS_BEFORE = regex.compile(r"(?<!\d)1\d{3}[-–]$")
_OPERATORS = {"*": "·", "/": "÷"}
_BETWEEN_NUMBERS = regex.compile(r"\d .(?= \d)")
_TERM = regex.compile(r" ?(?:\d|\p{L}(?![\p{L}\p{M}]))")
_MARKS = frozenset({5, 10, 20, 100})
"""The best possible marks of ratings."""
_ROMAN = regex.compile(r"M{0,3}(?:CM|CD|D?C{0,3})(?:XC|XL|L?X{0,3})(?:IX|IV|V?I{0,3})")
_ROMAN_VALUES = {"I": 1, "V": 5, "X": 10, "L": 50, "C": 100, "D": 500, "M": 1000}
_ROMAN_LETTERS = frozenset("IVX")
_GREEK_SIGNS = frozenset("αβγδθλµμπσφωΔΣΩ")
"""Letters that are signs in other scripts than their own."""
_NUMBER_PART = regex.compile(r"\d++|[.,]")
_NAME_PART = regex.compile(r"\p{Latin}++|\d++|\.")
_SENTENCE_NEXT = regex.compile(r"\s*+(?:$|\n)| \p{Lu}")
_ERA = regex.compile(r" ?(?:AD|BC|CE|BCE)(?!\p{L})")
_NEXT_CAPITAL = regex.compile(r"[\"')\]]?+ (\p{Lu}[\p{L}']*+)(?!\.)")
_POWER_OF_TEN = regex.compile(r"10\^")
_WORD_NEXT = regex.compile(r" \p{L}")
_LINE_END = regex.compile(r" *+(?:\n|$)")
_ADDRESS_NEXT = regex.compile(r" *+(?:https?:|www\.)")
_TAG_NEXT = regex.compile(r"\s*+#\p{L}")
_LAST_WORD = regex.compile(r"([\p{L}\p{M}]++)[.:]? ?$")
_EMOTICONS = regex.compile(
    r"(?<![\p{L}\p{N}])(?P<heart><3)(?![\d%]|[.,]\d)"
    r"|(?<![^\s.,!?])(?:</3|(?:8-\)|[:;=][-'o^]?[)(DPpOo3/|\\]{1,3})|[:;]-?[*\]\[]|\^_*\^|[xX]D+|:'\()(?![\p{L}\p{N}/])"
)
"""Faces made of marks: the heart is said, others are as silent as an emoji."""
_INCHES = regex.compile(
    r"(?<=\d)(?:\"|'')|\"|(?<=\d)'(?=[ ]?(?:x|X|×|by|\d{1,2}(?:\"|''|″))[ \d]?)"
    r"|(?<=[x×X] ?\d{1,3})'(?!\p{L})"
)
_INITIALISM = regex.compile(r"\p{Lu}\.(?:\p{Lu}\.)*\p{Lu}?\.?")
_CAPITALS = regex.compile(r"([\p{Lu}--[^\p{Latin}]]{2,})('?s)?", regex.V1)
_LATIN_WORD = regex.compile(r"\p{Latin}++(?:'\p{Latin}++)*+")

_MONTH_DAYS = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)


def _pictured(match: "regex.Match[str]") -> str:
    return "❤" if match["heart"] else "🙂"


def _measured(text: str) -> str:
    """Write the marks of inches and feet (27" and 10' x 12') as ″ and ′; quotation marks stay.

    A double mark after a digit closes a quotation where one is open on its line.
    """
    if '"' not in text and "'" not in text:
        return text
    return "\n".join(_measured_line(line) for line in text.split("\n"))


def _measured_line(line: str) -> str:
    quoted = False

    def mark(match: "regex.Match[str]") -> str:
        nonlocal quoted
        if match[0] == "'":
            return "′"
        if match.start() and line[match.start() - 1].isdigit() and not quoted:
            return "″"
        quoted = not quoted
        return match[0]

    return _INCHES.sub(mark, line)


def roman_value(numeral: str) -> int:
    """Return the number that a Roman numeral means."""
    values = [_ROMAN_VALUES[letter] for letter in numeral]
    return sum(-one if one < after else one for one, after in zip(values, [*values[1:], 0], strict=True))


def _phone_parts(group: str) -> Iterator[str]:
    """Yield a long run of a phone number in the parts in which it is said: three digits each, four last."""
    start = 0
    while len(group) - start > 5:
        yield group[start : start + 3]
        start += 3
    yield group[start:]


def _shouted(text: str) -> frozenset[int]:
    """Return the starts of words in capitals whose neighbours are in capitals too."""
    shouted: set[int] = set()
    run: list[regex.Match[str]] = []
    for match in [*_LATIN_WORD.finditer(text), None]:
        if match is not None and match[0].isupper():
            run.append(match)
            continue
        longest = max((len(word[0]) for word in run), default=0)
        if (len(run) > 2 and longest > 3) or (len(run) == 2 and longest > 4):
            shouted.update(word.start() for word in run)
        run = []
    return frozenset(shouted)


def _join(words: Iterable[str]) -> str:
    return " ".join(word for word in words if word)
