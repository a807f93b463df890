"""Dates, eras and hours by what stands beside them: `15/9/1445هـ`, `عام 1990م`, `الساعة 5`, `9-11 مساء`.

Each pattern is bounded or possessive, so the time is linear in the text.
"""

import re
from types import MappingProxyType

from tts_app.language.arabic import words
from tts_app.language.arabic.diacritise import bare
from tts_app.language.arabic.numbers import ArabicVerbaliser
from tts_app.language.arabic.script import (
    ALONE,
    FREE,
    LENGTH_WORDS,
    LETTER,
    MONTH_NAMES,
    WORD_END,
    WORD_START,
    YEAR_WORDS,
    any_of,
    fold,
)
from tts_app.language.base import Time

_MONTHS = MappingProxyType(
    {fold(form): month for month, forms in words.HIJRI_MONTH_FORMS.items() for form in forms}
)
_HIJRI_MONTH = any_of(form for forms in words.HIJRI_MONTH_FORMS.values() for form in forms)
_MONTH = any_of(form for forms in words.MONTH_FORMS.values() for form in forms)
_DAY_PART = any_of(form for form in (*words.AM_FORMS, *words.PM_FORMS) if len(form) > 1)
_HIJRA = r"(?:هـ|ه(?![ء-ي\u064b-\u0652]))"

_HIJRI_DATE = re.compile(
    r"(?<![\d./-])(?:(?P<day>\d{1,2})(?P<mark>[-/.])(?P<month>\d{1,2})(?P=mark)(?P<year>1[34]\d\d)"
    r"|(?P<year_first>1[34]\d\d)(?P<dash>[-/.])(?P<month_then>\d{1,2})(?P=dash)(?P<day_last>\d{1,2}))(?![\d/-])"
    rf"(?P<era>[ ]?{_HIJRA})?"
)
_HIJRI_NAMED = re.compile(
    r"(?<![\d./-])(?P<day>[12]?\d|30)[ ]?(?:من[ ])?(?:شهر[ ])?"
    rf"(?P<month>{_HIJRI_MONTH}){WORD_END}"
    r"(?:[ ،,]{1,2}(?:(?:عام|سنة|لعام|لسنة)[ ])?(?P<year>1[0-5]\d\d)(?!\d))?"
    rf"(?P<era>[ ]?{_HIJRA})?"
)
_HIJRI_MONTH_OF = re.compile(rf"{WORD_START}(?P<month>{_HIJRI_MONTH})[ ](?P<year>1[34]\d\d)(?![\d/-]|\.\d)")
_DAY = r"(?:[12]?\d|3[01])"
_FIRST_DAY = re.compile(
    rf"{FREE}(?P<day>{_DAY})[ ]"
    rf"(?=(?:إلى|الى|حتى|و)[ ]?{_DAY}[ ](?:من[ ])?(?:{_MONTH}|{_HIJRI_MONTH}){WORD_END})"
)
_ERA = re.compile(
    rf"(?P<before>(?:{LETTER}{{2,20}}[ ])?)(?P<year>(?<![\d./:,])\d{{1,4}})(?P<era>[ ]?{_HIJRA}"
    rf"|[ ]?ق\.?[ ]?م{WORD_END}(?:\.(?=[ ]?[ء-ي]))?|[ ]?ق\.?[ ]?{_HIJRA}|[ ]?م(?!{LETTER}|\d|[²³/]))"
)
_ERA_OF_SECOND = re.compile(rf"(?<=/)(?P<blank>[ ]?)(?P<year>\d{{4}})[ ]?(?P<era>{_HIJRA}|م(?!{LETTER}))")
_OF_MONTH = re.compile(rf"{FREE}(?P<day>[12]?\d|3[01])(?=[ ]من[ ](?:هذا |كل |نفس )?(?:الشهر|شهر){WORD_END})")
_TWO_YEARS = re.compile(r"(?<![\d/.-])(?P<first>(?:19|20)\d\d)/(?P<second>(?:19|20)\d\d)(?![\d/-])")
_ERAS_APART = re.compile(
    rf"(?<=\d)(?P<first>[ ]?)(?P<era>م|{_HIJRA})[ ]?[-–][ ]?(?=\d{{3,4}}[ ]?(?P=era)(?!{LETTER}))"
)
_SHORT_SPAN = re.compile(
    rf"(?:(?P<before>{LETTER}{{2,20}})[ ])?{FREE}"
    r"(?P<low>1[0-2]|0?[1-9])(?::(?P<low_minute>[0-5]\d))?[ ]?[-–][ ]?"
    rf"(?P<hour>1[0-2]|0?[1-9])(?::(?P<minute>[0-5]\d))?[ ]?(?P<half>[صم])(?!{LETTER}|[./ـ^²³\d])"
)
_PART_SPAN = re.compile(rf"(?<=[ \d])(?P<part>{_DAY_PART})[ ]?[-–][ ]?(?=\d)")
_HOUR_SPAN = re.compile(
    rf"(?P<clock>{WORD_START}[وفب]?(?:ال|لل)ساع[ةه][ ])(?P<low>1?\d|2[0-3])(?::(?P<low_minute>[0-5]\d))?"
    r"[ ]?(?P<to>إلى|الى|حتى|[-–])[ ]?(?P<hour>1?\d|2[0-3])(?::(?P<minute>[0-5]\d))?"
    rf"(?=[ ]?(?:[.,;:!?،؛)\n]|$|(?:{_DAY_PART}|يوميا|كل|في|من){WORD_END}))(?!:\d|[.,]\d)"
)
_ERA_AFTER_HIJRI = re.compile(rf"(?<=هـ)(?P<slash>[ ]?/[ ]?)(?P<year>\d{{3,4}})[ ]?(?P<era>م)(?!{LETTER})")
_HOUR = re.compile(
    rf"(?P<clock>{WORD_START}[وفب]?(?:ال|لل)ساع[ةه][ ])(?:الـ?[ ]?)?(?P<hour>[01]?\d|2[0-3])"
    rf"(?::(?P<minute>[0-5]\d))?{ALONE}(?![ ]?(?:[صم]{WORD_END}|[aApP]\.?[mM]|[-–]))"
    rf"(?:[ ]?(?P<part>{_DAY_PART}){WORD_END})?"
)
_TIME = re.compile(
    rf"{FREE}(?:{WORD_START}الـ?[ ]?)?"
    r"(?:(?P<low>1[0-2]|0?\d)(?::(?P<low_minute>[0-5]\d))?[ ]?(?P<to>[-–]|إلى|الى|حتى)[ ]?)?"
    rf"(?P<hour>1[0-2]|0?\d)(?::(?P<minute>[0-5]\d))?[ ]?(?P<part>{_DAY_PART}){WORD_END}"
)


class Dates:
    """Puts dates, eras and hours of one locale into words. Stateless once made."""

    def __init__(self, verbaliser: ArabicVerbaliser) -> None:
        self._say = verbaliser

    def __call__(self, text: str) -> str:
        """Return the text with those words."""
        if self._say.locale == "ar-SA":  # the dialects count days
            text = _OF_MONTH.sub(lambda match: self._say.ordinal(int(match["day"])), text)
            text = _FIRST_DAY.sub(lambda match: f"{self._say.ordinal(int(match['day']))} ", text)
        text = _TWO_YEARS.sub(self._two_years, text)
        text = _HIJRI_DATE.sub(self._hijri_date, text)
        text = _HIJRI_NAMED.sub(self._hijri_named, text)
        text = _HIJRI_MONTH_OF.sub(self._month_of, text)
        text = _ERAS_APART.sub(r"\g<first>\g<era> إِلَى ", text)
        text = _ERA_AFTER_HIJRI.sub(lambda match: f"{match['slash']}{match['year']} {_era('م', '')}", text)
        text = _ERA_OF_SECOND.sub(
            lambda match: f"{match['blank']}{match['year']} {_era(match['era'], '')}", text
        )
        text = _ERA.sub(self._of_era, text)
        text = _SHORT_SPAN.sub(self._short_span, _PART_SPAN.sub(r"\g<part> إِلَى ", text))
        text = _HOUR_SPAN.sub(self._hour_span, text)
        text = _HOUR.sub(self._hour, text)
        return _TIME.sub(self._time, text)

    def _two_years(self, match: re.Match[str]) -> str:
        return f"{self._say.year(int(match['first']))} {self._say.year(int(match['second']))}"

    def _hijri_date(self, match: re.Match[str]) -> str:
        day = int(match["day"] or match["day_last"])
        month = int(match["month"] or match["month_then"])
        if not (1 <= day <= 30 and 1 <= month <= 12):
            return match[0]
        said = self._say.hijri(day, month, int(match["year"] or match["year_first"]))
        return f"{said} {_era('هـ', '')}" if match["era"] else said

    def _hijri_named(self, match: re.Match[str]) -> str:
        day, month = int(match["day"]), _MONTHS[fold(match["month"])]
        if day == 0 or (month == 2 and not match["year"] and "من" not in match[0]):  # صفر is zero too
            return match[0]
        said = self._say.hijri(day, month, int(match["year"]) if match["year"] else None)
        return f"{said} {_era('هـ', '')}" if match["era"] else said

    def _month_of(self, match: re.Match[str]) -> str:
        return f"{self._say.hijri(None, _MONTHS[fold(match['month'])], int(match['year']))} "

    def _of_era(self, match: re.Match[str]) -> str:
        """Say the mark of an era after a year; م alone may be metres or the afternoon."""
        before, year, mark = match["before"].rstrip(), int(match["year"]), match["era"].strip()
        dated = before in YEAR_WORDS or before in MONTH_NAMES
        if mark == "م" and not dated and (not 1500 <= year <= 2100 or before in LENGTH_WORDS):
            return match[0]
        return f"{match['before']}{match['year']} {_era(mark, before)}"

    def _hour(self, match: re.Match[str]) -> str:
        """Say an hour after the word for it: `الساعة الخامسة`."""
        hour = int(match["hour"])
        part = match["part"] or (self._say.day_part(hour) if hour > 12 or hour == 0 else "")
        said = self._say.clock(hour, int(match["minute"] or 0))
        return f"{match['clock']}{said} {part}".rstrip()

    def _hour_span(self, match: re.Match[str]) -> str:
        low = self._say.clock(int(match["low"]), int(match["low_minute"] or 0))
        high = self._say.clock(int(match["hour"]), int(match["minute"] or 0))
        said = self._say.span(low, high) if match["to"] in "-–" else f"{low} {match['to']} {high}"
        return f"{match['clock']}{said}"

    def _short_span(self, match: re.Match[str]) -> str:
        """Say `8-10 ص`; before م, two numbers after a word of length are metres."""
        before, hour = match["before"] or "", int(match["hour"])
        if before in LENGTH_WORDS:
            return match[0]
        last = Time(hour % 12 + (12 if match["half"] == "م" else 0), int(match["minute"] or 0), twelve=True)
        said = self._say.span(
            self._say.clock(int(match["low"]), int(match["low_minute"] or 0)), self._say.time(last)
        )
        return f"{before} {said}".lstrip()

    def _time(self, match: re.Match[str]) -> str:
        """Say a time before a written part of the day: `التاسعة إلى الحادية عشرة صباحا`."""
        if int(match["hour"]) == 0 or (match["low"] and int(match["low"]) == 0):
            return match[0]
        said = self._say.clock(int(match["hour"]), int(match["minute"] or 0))
        if match["low"]:
            low = self._say.clock(int(match["low"]), int(match["low_minute"] or 0))
            said = self._say.span(low, said) if match["to"] in "-–" else f"{low} {match['to']} {said}"
        return f"{said} {match['part']}"


def _era(mark: str, before: str) -> str:
    """Return the words of an era; its adjective has the gender of the word for the year."""
    feminine = "َّة" if bare(before).endswith("سنة") else "ّ"
    if mark.startswith("ق"):
        return "قَبْلَ المِيلَاد" if mark.rstrip(".").endswith("م") else "قَبْلَ الهِجْرَة"
    return f"مِيلَادِي{feminine}" if mark == "م" else f"هِجْرِي{feminine}"
