"""Years, eras and short dates that the shared scan cannot tell from other numbers."""

from decimal import Decimal

import regex

from tts_app.language.base import Date
from tts_app.language.grammar import Forms
from tts_app.language.indic.amounts import Currencies
from tts_app.language.indic.notation import CLAUSE_END, DASH, END, START, Notation, any_of
from tts_app.language.indic.verbaliser import IndicVerbaliser

_ALONE = r"(?<![\p{L}\p{M}\p{N}.,:/-])"
_LAST = r"(?![\p{L}\p{M}\p{N}]|[.,:/-]\d|[ ]?%)"
_YEARS = regex.compile(rf"{_ALONE}(1[1-9]\d\d|20\d\d)[-–](1[1-9]\d\d|20\d\d){_LAST}")
_SHORT_YEARS = regex.compile(rf"{_ALONE}(1[5-9]\d\d|20\d\d)[-–/](\d\d){_LAST}")
_MONTH_FIRST = regex.compile(
    rf"{_ALONE}(0[1-9]|1[0-2])-(1[3-9]|2\d|3[01])(?:-(\d{{4}})|(?<=0\d-\d\d){CLAUSE_END})"
    rf"{_LAST}"
)
_MONTH_YEAR = regex.compile(rf"{_ALONE}(0[1-9]|1[0-2])[-/]((?:19|20)\d\d){_LAST}")
_MONTH_DAYS = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)


class Calendar:
    """Writes out years and dates that their neighbours show to be such."""

    def __init__(self, verbaliser: IndicVerbaliser, notation: Notation, currencies: Currencies) -> None:
        self._say = verbaliser
        self._currencies = currencies
        self._eras = [(regex.compile(era), said) for era, said in notation.eras.items()]
        self._of_an_era = regex.compile(
            rf"(?<![\p{{N}}.,:/-])(\d{{1,4}})(?:{DASH}(\d{{1,4}}))?[ ]?"
            rf"(?P<era>{'|'.join(notation.eras)})(?![\p{{L}}\p{{M}}])"
        )
        self._decade = regex.compile(
            rf"[ ](?:{'|'.join(regex.escape(word) for word in notation.decades)}){END}"
        )
        self._after_word = regex.compile(
            rf"{START}(?P<word>{any_of(notation.year_before)})(?P<gap>[ ])(?P<year>1[1-9]\d\d){_LAST}"
        )
        followers = any_of(notation.year_after)
        amount = rf"(?![ ]\S++[ ](?:{any_of(notation.more_than)}){END})"
        places = any_of((*verbaliser.digit_words, *notation.number_words))
        self._before_word = regex.compile(
            rf"{_ALONE}(?<!(?:{places})[ ])(?P<year>1[1-8]\d\d)(?=[ ](?:{followers}){END}){amount}"
        )
        cases = any_of((*notation.postpositions, *notation.year_after))
        self._short = regex.compile(
            rf"{_ALONE}(0[1-9]|[12]\d|3[01])-(0[1-9]|1[0-2]){_LAST}"
            rf"(?:{CLAUSE_END}|(?=[ ](?:{cases}){END}))"
        )
        self._slash_date = regex.compile(
            rf"{_ALONE}(0?[1-9]|[12]\d|3[01])/(0?[1-9]|1[0-2])(?=[ ](?:{any_of(notation.date_after)}){END})"
        )
        weekdays = any_of(notation.short_weekdays)
        self._weekdays = notation.short_weekdays
        self._weekday_range = regex.compile(rf"{START}({weekdays}){DASH}({weekdays}){END}")
        months = any_of(form for form in Forms.of(verbaliser).months if not form.isascii())
        self._months = regex.compile(rf"{START}({months}){DASH}(?=(?:{months}){END})")

    def __call__(self, text: str) -> str:
        """Return `text` with such years and dates in words."""
        text = self._of_an_era.sub(self._era, text)
        text = _YEARS.sub(self._two_years, text)
        text = _SHORT_YEARS.sub(self._year_and_rest, text)
        text = _MONTH_FIRST.sub(self._month_first, text)
        text = _MONTH_YEAR.sub(self._month_year, text)
        text = self._short.sub(self._day_month, text)
        text = self._slash_date.sub(self._day_month_slash, text)
        text = self._weekday_range.sub(self._weekday_span, text)
        text = self._after_word.sub(
            lambda found: f"{found['word']} {self._say.year(int(found['year']))}", text
        )
        text = self._before_word.sub(self._year, text)
        return self._months.sub(rf"\1 {self._say.to} ", text)

    def _era(self, match: "regex.Match[str]") -> str:
        first = self._say.year(int(match[1]))
        said = self._say.span(first, self._say.year(int(match[2]))) if match[2] else first
        if self._decade.match(match.string, match.end()):
            return f" {said} "
        era = next(said for pattern, said in self._eras if pattern.fullmatch(match["era"]))
        return f" {said} {era} "

    def _two_years(self, match: "regex.Match[str]") -> str:
        first, last = int(match[1]), int(match[2])
        return self._say.span(self._say.year(first), self._say.year(last)) if first < last else match[0]

    def _year_and_rest(self, match: "regex.Match[str]") -> str:
        """Say 2023-24, the year of an account, by both years, and 1914-18 as a range."""
        first, rest = int(match[1]), int(match[2])
        if rest <= first % 100:
            return match[0]
        if rest == first % 100 + 1:
            return f"{self._say.year(first)} {self._say.number(Decimal(rest))}"
        return self._say.span(self._say.year(first), self._say.year(first - first % 100 + rest))

    def _month_first(self, match: "regex.Match[str]") -> str:
        """Say 02-27 in the order in which it is written: it was written by a program, month first."""
        month, day = int(match[1]), int(match[2])
        if day > _MONTH_DAYS[month - 1]:
            return match[0]
        year = f" {self._say.year(int(match[3]))}" if match[3] else ""
        return f"{self._say.date(Date(month=month))} {self._say.number(Decimal(day))}{year}"

    def _month_year(self, match: "regex.Match[str]") -> str:
        return self._say.date(Date(month=int(match[1]), year=int(match[2])))

    def _day_month(self, match: "regex.Match[str]") -> str:
        if "0" not in (match[1][0], match[2][0]) or int(match[1]) > _MONTH_DAYS[int(match[2]) - 1]:
            return match[0]
        return self._say.date(Date(day=int(match[1]), month=int(match[2])))

    def _day_month_slash(self, match: "regex.Match[str]") -> str:
        if int(match[1]) > _MONTH_DAYS[int(match[2]) - 1]:
            return match[0]
        return self._say.date(Date(day=int(match[1]), month=int(match[2])))

    def _weekday_span(self, match: "regex.Match[str]") -> str:
        first, last = (Date(weekday=self._weekdays[match[day]]) for day in (1, 2))
        return self._say.date_span(first, last)

    def _year(self, match: "regex.Match[str]") -> str:
        if self._currencies.before(match.string, match.start()):
            return match[0]
        return self._say.year(int(match["year"]))
