"""What Arabic around a number decides: the noun that it counts, the article, the era, the part of the day.

The shared scan (`semiotics`) sees an amount alone. So this step comes before it and puts into words what only
the words beside a number tell: `2 سرير` is سريران, `الغرفة الـ 5` الغرفة الخامسة, `عام 1990م` عام 1990 ميلادي.
Everything else is left as it is. `governed` comes after the scan and gives numbers the case of their preposition.

Each pattern is bounded or possessive, so the time is linear in the text.
"""

import re
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import lru_cache
from types import MappingProxyType

from tts_app.language.arabic import money, nouns, words
from tts_app.language.arabic.counting import Counting, oblique, spoken_dual
from tts_app.language.arabic.diacritise import bare
from tts_app.language.arabic.honorifics import is_woman, spoken_honorifics
from tts_app.language.arabic.numbers import ArabicVerbaliser
from tts_app.language.arabic.words import Noun
from tts_app.language.grammar import FRACTIONS
from tts_app.language.semiotics import LONGEST_NUMBER, parse_number
from tts_app.language.text import ascii_digits, clean

_LETTER = r"[ء-غف-يٱپچڤگژڨ\u064b-\u0652\u0670]"
_NUMBER = r"\d++(?:[.,]\d++)*+"
_FREE = r"(?<![A-Za-z0-9_.,:/+*×-])"
"""A number starts here: no part of a code, a date or a longer number. Arabic writes and-5 as one word."""
_ALONE = r"(?![\d/]|[.,:-]\d|[ ]?%)"
"""The number ends here, and is no part of a date, a time, a range or a percentage."""
_WORD_START = rf"(?<!{_LETTER})"
_WORD_END = rf"(?!{_LETTER})"
_FOLD = str.maketrans({"أ": "ا", "إ": "ا", "آ": "ا", "ٱ": "ا", "ة": "ه", "ى": "ي", "ؤ": "و", "ڨ": "ق"})


def fold(word: str) -> str:
    """Return a word as the lexicons' keys spell it: no marks, one alef, final ه for ة and ي for ى."""
    return bare(word).translate(_FOLD)


@dataclass(frozen=True, slots=True)
class Counted:
    """A written form of a noun that numbers count."""

    noun: Noun
    plural: bool
    dual: bool
    measure: bool
    """Whether it is a unit or a currency, which Egypt counts in the singular."""
    singular: str
    """Without vowel marks."""


def _any(forms: "tuple[str, ...] | frozenset[str] | dict[str, object]") -> str:
    return "|".join(map(re.escape, sorted(forms, key=len, reverse=True)))


_SCALES = MappingProxyType(
    {
        **dict.fromkeys(("ألف", "الف", "ألفا", "آلاف", "الاف", "ألاف"), "thousand"),
        **dict.fromkeys(("مليون", "مليونا", "ملايين"), "million"),
        **dict.fromkeys(("مليار", "مليارا", "مليارات", "بليون"), "billion"),
    }
)
_MONTHS = {fold(form): month for month, forms in words.HIJRI_MONTH_FORMS.items() for form in forms}
_HIJRI_MONTH = _any(tuple(form for forms in words.HIJRI_MONTH_FORMS.values() for form in forms))
_GREGORIAN_MONTH = _any(tuple(form for forms in words.MONTH_FORMS.values() for form in forms))
_DAY_PART = _any(tuple(form for form in (*words.AM_FORMS, *words.PM_FORMS) if len(form) > 1))
_MARK_OF_HIJRA = r"(?:هـ|ه(?![ء-ي\u064b-\u0652]))"

_STRETCHED = re.compile(r"([ء-غف-ي])\1{2,}+")
_LAUGHTER = re.compile(rf"{_WORD_START}ه{{3,}}+{_WORD_END}")
_TATWEEL = re.compile(r"(?<=[ء-ي\u064b-\u0652])ـ++(?=[ء-ي])|(?<=[ء-ي]{3})ـ++|ـ++(?=ـ)")
_TITLE = re.compile(rf"{_WORD_START}(?P<title>أ\.?[ ]?د|ا\.?[ ]?د|د|أ|م|ا)[ ]?/[ ]?(?=(?P<name>{_LETTER}{{3,20}}))")
_DOCTOR = re.compile(rf"{_WORD_START}د\.[ ]?(?=(?P<name>{_LETTER}{{2,20}}))")
_TITLES = MappingProxyType({"د": "دُكْتُور", "أ": "أُسْتَاذ", "ا": "أُسْتَاذ", "م": "مُهَنْدِس"})
_PAGE = re.compile(rf"(?<![ء-ي\d])(?<!\d )ص(?:\.[ ]?|[ ]|:[ ]?)(?=\d)")
_STREET = re.compile(rf"{_WORD_START}(?P<what>ش|ت|ت\.|تليفون)[ ]?[:/][ ]?(?=\d)")

_HIJRI_DATE = re.compile(
    rf"(?<![\d./-])(?:(?P<day>\d{{1,2}})(?P<mark>[-/.])(?P<month>\d{{1,2}})(?P=mark)(?P<year>1[34]\d\d)"
    rf"|(?P<year_first>1[34]\d\d)(?P<dash>[-/.])(?P<month_then>\d{{1,2}})(?P=dash)(?P<day_last>\d{{1,2}}))(?![\d/-])"
)
_HIJRI_NAMED = re.compile(
    rf"(?<![\d./-])(?P<day>[12]?\d|30)[ ]?(?:من[ ])?(?:شهر[ ])?(?P<month>{_HIJRI_MONTH}){_WORD_END}"
    rf"(?:[ ،,]{{1,2}}(?:(?:عام|سنة|لعام|لسنة)[ ])?(?P<year>1[0-5]\d\d)(?!\d))?"
)
_ERA = re.compile(
    rf"(?P<before>(?:{_LETTER}{{2,20}}[ ])?)(?P<year>(?<![\d./:,])\d{{1,4}})"
    rf"(?P<era>[ ]?{_MARK_OF_HIJRA}|[ ]?ق\.?[ ]?م{_WORD_END}\.?|[ ]?ق\.?[ ]?{_MARK_OF_HIJRA}|[ ]?م(?!{_LETTER}|\d|[²³/]))"
)
_AFTER_SLASH_YEAR = re.compile(rf"(?<=/)(?P<year>\d{{4}})[ ]?(?P<era>{_MARK_OF_HIJRA}|م(?!{_LETTER}))")
_YEAR_WORDS = frozenset("عام سنة العام السنة لعام لسنة بعام بسنة منذ سنه".split())
_LENGTH_WORDS = frozenset(
    "بعد مسافة ارتفاع عمق طول عرض مساحة بمساحة بطول بعرض بارتفاع بعمق مساحته مساحتها ارتفاعه طوله سباق جري ركض بمسافة "
    "مساحتة عمقه نحو حوالي قرابة".split()
)
_MONTH_NAMES = frozenset(form for forms in words.MONTH_FORMS.values() for form in forms) | frozenset(
    form.split(" ")[-1] for forms in words.HIJRI_MONTH_FORMS.values() for form in forms
)

_HOUR = re.compile(
    rf"(?P<clock>{_WORD_START}[وفبل]?(?:ال)?ساع[ةه][ ](?:الـ?[ ]?)?)(?P<hour>[01]?\d|2[0-3])(?::(?P<minute>[0-5]\d))?{_ALONE}"
    rf"(?![ ]?(?:[صم]{_WORD_END}|[aApP]\.?[mM]|[-–]))(?:[ ]?(?P<part>{_DAY_PART}){_WORD_END})?"
)
_DAY_PART_TIME = re.compile(
    rf"{_FREE}(?:(?P<low>1[0-2]|0?\d)(?::(?P<low_minute>[0-5]\d))?[ ]?(?P<to>[-–]|إلى|الى|حتى)[ ]?)?"
    rf"(?P<hour>1[0-2]|0?\d)(?::(?P<minute>[0-5]\d))?[ ]?(?P<part>{_DAY_PART}){_WORD_END}"
)
_CALL = re.compile(
    rf"{_WORD_START}(?P<call>(?:[وف]?(?:ا?[تل]ت?صل(?:وا|ي)?|كلمنا|كلمونا|اطلب|الخط الساخن|هاتف|الهاتف|تليفون|جوال|موبايل|واتساب|الواتساب|"
    rf"الطوارئ|طوارئ|الإسعاف|الشرطة|تحويلة|الرقم الموحد)[ :]{{1,2}}(?:الآن[ ])?(?:(?:على|ب|بـ|بنا|رقم|الرقم|على الرقم|بالرقم)[ :]{{1,2}})*))"
    rf"(?P<number>\d{{3,6}}|9200\d{{5}}|800\d{{6,7}}){_ALONE}"
)
_ORDINAL = re.compile(
    rf"{_WORD_START}(?:(?P<before>{_LETTER}{{2,20}})[ ])?(?P<article>[وف]?(?:لل|[بك]?ال))ـ?[ ]?"
    rf"(?P<value>\d{{1,4}}){_ALONE}(?:[ ](?P<after>{_LETTER}{{2,20}}){_WORD_END})?"
)
_NUMBERED = re.compile(
    rf"{_WORD_START}(?P<before>[وفب]?(?:الدور|الطابق|القرن|الدورة|النسخة|الذكرى|المرتبة|الجولة|للمرة|المرة)|للدور|للطابق|للقرن)"
    rf"[ ](?P<value>\d{{1,3}}){_ALONE}(?![ ]?[-–])(?![A-Za-z])(?![ء-ي])"
)
_LETTERED = re.compile(
    rf"(?P<glued>{_FREE}\d{{1,4}})(?P<letter>[أابتثجحخدذرزسشضطظعغفقكلمنوي]){_WORD_END}(?![./ـ])"
    rf"|(?P<place>{_WORD_START}[وفب]?(?:ال)?(?:غرفة|شقة|مبنى|بوابة|مقعد|فيلا|قاعة|طريق|صف|فئة|بلوك|عمارة|جناح|وحدة|مكتب)[ ]\d{{1,4}}[ ])"
    rf"(?P<apart>[أابتثجحخدذرزسشضطظعغفقكلمنوي]){_WORD_END}(?![./ـ])"
)
_METRES = re.compile(rf"(?P<number>{_FREE}{_NUMBER})[ ]?م(?P<power>[²³23]?)(?!{_LETTER}|\d|ـ)")

_COUNT = re.compile(
    rf"(?:(?<![\w)\].,:/-])(?P<sign>-)|{_FREE})(?:(?P<low>{_NUMBER})(?:[ ]?[-–][ ]?))?(?P<amount>{_NUMBER})"
    rf"(?:[ ](?P<above>\d)/(?P<below>\d{{1,2}})(?!\d)|[ ]?(?P<glyph>[{''.join(FRACTIONS)}]))?"
    rf"(?:[ ]?(?P<scale>{_any(tuple(_SCALES))}){_WORD_END})?"
    rf"(?:[ ]?(?P<noun>{_LETTER}{{2,20}}){_WORD_END}(?:[ ](?P<adjective>{_LETTER}{{3,20}}){_WORD_END}(?![ ]?[:\d]))?)?"
    r"(?P<per>[ ]?/[ ]?(?=[ء-ي]{3}))?"
)
_NOT_CONSTRUCT = frozenset("من في على إلى الى عن أو او ثم حتى مع كل هذا هذه".split())


class Context:
    """Puts into words what the words around a number decide, in one locale. Stateless once made."""

    def __init__(self, verbaliser: ArabicVerbaliser) -> None:
        self._say = verbaliser
        self._count = verbaliser.counting
        self._known = _counted(verbaliser.locale)

    def __call__(self, text: str) -> str:
        """Return the cleaned text with those words."""
        text = spoken_honorifics(unstretched(text))
        text = self._cleaned(text)
        text = _DOCTOR.sub(self._title, _TITLE.sub(self._title, text))
        if not any(map(str.isdigit, text)):
            return text
        text = _PAGE.sub("صَفْحَة ", _STREET.sub(_street, text))
        text = _CALL.sub(lambda match: f"{match['call']}{self._say.digits(match['number'])}", text)
        text = _HIJRI_DATE.sub(self._hijri_date, text)
        text = _HIJRI_NAMED.sub(self._hijri_named, text)
        text = _AFTER_SLASH_YEAR.sub(lambda match: f"{match['year']} {_era(match['era'], '')}", text)
        text = _ERA.sub(self._era, text)
        text = _HOUR.sub(self._hour, text)
        text = _DAY_PART_TIME.sub(self._time, text)
        text = _ORDINAL.sub(self._ordinal, text)
        text = _NUMBERED.sub(self._numbered, text)
        text = _METRES.sub(self._metres, text)
        text = _LETTERED.sub(self._lettered, text)
        return _COUNT.sub(self._counted, text)

    @staticmethod
    def _cleaned(text: str) -> str:
        return ascii_digits(clean(text)).translate({0x66B: ".", 0x66C: ",", 0x66A: "%"})

    # -- titles, eras, times

    def _title(self, match: re.Match[str]) -> str:
        """Say د. or د/ before a name, in the gender of the name."""
        groups = match.groupdict()
        title = groups.get("title", "د")
        ending = "َة" if is_woman(bare(match["name"])) else ""
        if len(title) > 1:
            return f"أُسْتَاذ{ending} دُكْتُور{ending} "
        return f"{_TITLES[title]}{ending} "

    def _hijri_date(self, match: re.Match[str]) -> str:
        day = int(match["day"] or match["day_last"])
        month = int(match["month"] or match["month_then"])
        if not (1 <= day <= 30 and 1 <= month <= 12):
            return match[0]
        return self._say.hijri(day, month, int(match["year"] or match["year_first"]))

    def _hijri_named(self, match: re.Match[str]) -> str:
        month = _MONTHS[fold(match["month"])]
        if month == 2 and not match["year"] and "من" not in match[0]:  # صفر is zero too
            return match[0]
        return self._say.hijri(int(match["day"]), month, int(match["year"]) if match["year"] else None)

    def _era(self, match: re.Match[str]) -> str:
        """Say the mark of an era after a year; م alone may be metres or the afternoon."""
        before, year, mark = match["before"].rstrip(), int(match["year"]), match["era"].strip()
        if mark == "م":
            dated = before in _YEAR_WORDS or before in _MONTH_NAMES
            if not dated and (not 1500 <= year <= 2100 or before in _LENGTH_WORDS):
                return match[0]
        return f"{match['before']}{match['year']} {_era(mark, before)}"

    def _hour(self, match: re.Match[str]) -> str:
        """Say an hour after the word for it: `الساعة الخامسة`."""
        hour, minute = int(match["hour"]), int(match["minute"] or 0)
        if not match["clock"].lstrip("وفبل").startswith("ا") and not match["clock"].startswith("ل"):
            return match[0]  # an amount: كل ساعة 5 رحلات
        said = self._say.clock(hour, minute)
        later = hour > 12 or hour == 0
        part = match["part"] or (self._say._day_part(hour) if later else "")
        clock = re.sub(r"الـ?[ ]?$", "", match["clock"]) if re.search(r" الـ?[ ]?$", match["clock"]) else match["clock"]
        return f"{clock}{said} {part}".rstrip() if part else f"{clock}{said}"

    def _time(self, match: re.Match[str]) -> str:
        """Say a time before a written part of the day, which stays: `التاسعة إلى الحادية عشرة صباحا`."""
        if not 1 <= int(match["hour"]) <= 12:
            return match[0]
        high = self._say.clock(int(match["hour"]), int(match["minute"] or 0))
        said = high
        if match["low"] and int(match["low"]):
            low = self._say.clock(int(match["low"]), int(match["low_minute"] or 0))
            said = self._say.span(low, high) if match["to"] in "-–" else f"{low} {match['to']} {high}"
        return f"{said} {match['part']}"

    # -- ordinals and letters

    def _ordinal(self, match: re.Match[str]) -> str:
        """Say `الـ 5`: an ordinal after a definite singular noun, a cardinal of a plural or of what follows."""
        value, before, after = int(match["value"]), match["before"] or "", match["after"] or ""
        if after and fold(after) in {fold(part) for part in (*words.AM_FORMS, *words.PM_FORMS)}:
            return match[0]
        counted = self._known.get(fold(after)) if after else None
        owner = self._owner(before)
        lead = f"{before} " if before else ""
        tail = f" {after}" if after else ""
        if counted and value > 2 and counted.plural == (3 <= value % 100 <= 10):
            said = self._count.definite(value, feminine=counted.noun.feminine)
            form = counted.noun.few if counted.plural else counted.noun.many
            return f"{lead}{_attached(match['article'], said)} {form}"
        if owner and owner.plural:
            said = self._count.definite(value, feminine=owner.noun.feminine)
        elif value > 999:
            said = self._count.definite(value)
        else:
            feminine = owner.noun.feminine if owner else bool(before) and _definite(before) and bare(before).endswith("ة")
            said = self._count.ordinal(value, feminine=feminine)
        return f"{lead}{_attached(match['article'], said)}{tail}"

    def _owner(self, before: str) -> Counted | None:
        """Return the definite noun before a number: a plural that is counted, or a singular that is numbered."""
        stem = _without_article(before)
        if stem is None:
            return None
        known = self._known.get(fold(stem))
        if known is None and stem.endswith("ات") and len(stem) > 4:
            return Counted(Noun(stem, stem, stem, stem, feminine=True), True, False, False, stem)
        return known

    def _numbered(self, match: re.Match[str]) -> str:
        value = int(match["value"])
        if not 0 < value < 200:
            return match[0]
        feminine = bare(match["before"]).endswith(("ة", "ى"))
        return f"{match['before']} {self._count.ordinal(value, feminine=feminine)}"

    def _lettered(self, match: re.Match[str]) -> str:
        """Say an Arabic letter after a number by its name: `شقة 12 باء`."""
        letter = (match["letter"] or match["apart"]).replace("أ", "ا")
        if match["letter"] in {"م", "ص", "ه", "ج", "غ", "ك", "ل", "س"}:
            return match[0]  # a time of day, a currency or a unit
        return f"{match['glued'] or match['place']} {words.LETTER_NAMES[letter]}"

    def _metres(self, match: re.Match[str]) -> str:
        """Say م after a number that is no hour as metres."""
        number, power = match["number"], match["power"]
        amount = parse_number(number, ".")
        after_length = _LAST_WORD.search(match.string[max(0, match.start() - 24) : match.start()])
        is_length = after_length is not None and after_length[1] in _LENGTH_WORDS
        if not power and amount is not None and amount <= 12 and number.isdigit() and not is_length:
            return match[0]
        return f"{number} متر{' مربع' if power in {'2', '²'} else ' مكعب' if power else ''}"

    # -- counted nouns

    def _counted(self, match: re.Match[str]) -> str:
        """Say a number with the noun that it counts, in the forms that both then have."""
        amount = self._amount(match["amount"])
        known = self._known.get(fold(match["noun"])) if match["noun"] else None
        if amount is None or (known is None and not match["scale"]) or self._is_year(match, amount, known):
            return match[0]
        tail = match["per"].replace("/", f" {self._say.per} ") if match["per"] else ""
        if known is None:
            return self._scaled_alone(match, amount)
        agreed, rest = self._agreed(known, match["adjective"])
        said = self._quantity(match, amount, agreed, known)
        if match["sign"]:
            said = f"{words.NUMBER_WORDS[self._say.locale]['minus']} {said}"
        low = self._amount(match["low"]) if match["low"] else None
        if low is not None and not match["scale"]:
            said = self._say.span(self._low(low, agreed), said)
        elif low is not None:
            said = self._say.span(self._say.number(low), said)
        elif match["low"]:
            return match[0]
        return f"{said}{rest}{tail}"

    def _quantity(self, match: re.Match[str], amount: Decimal, noun: Noun, known: Counted) -> str:
        if match["scale"]:
            return self._count.scaled(amount, getattr(self._count.numerals, _SCALES[match["scale"]]), noun)
        part = self._fraction(match)
        if part is not None:
            whole = int(amount)
            return f"{noun.one if whole == 1 else self._count.count(whole, noun)} وَ{part}"
        if amount != amount.to_integral_value():
            code = money.code_of(_name(match, known), self._say.locale)
            return self._say.money_of(amount, noun, code) if code else self._count.quantity(amount, noun)
        if amount == 2 and known.dual and oblique(noun.two) != noun.two and bare(match["noun"]).endswith("ين"):
            return oblique(noun.two)
        return self._count.count(int(amount), noun)

    def _fraction(self, match: re.Match[str]) -> str | None:
        if match["glyph"]:
            return self._count.fraction(*FRACTIONS[match["glyph"]])
        return self._count.fraction(int(match["above"]), int(match["below"])) if match["above"] else None

    def _scaled_alone(self, match: re.Match[str], amount: Decimal) -> str:
        """Say thousands and millions of a noun that we do not know, or of none."""
        scale: Noun = getattr(self._count.numerals, _SCALES[match["scale"]])
        follows = match["noun"] or ""
        owned = bool(follows) and not follows.startswith(("ال", "و")) and follows not in _NOT_CONSTRUCT
        noun = Noun("", "", "", "") if owned else None
        said = self._count.scaled(amount, scale, noun).rstrip()
        if match["low"]:
            low = self._amount(match["low"])
            if low is None:
                return match[0]
            said = self._say.span(self._say.number(low), said)
        if match["sign"]:
            said = f"{words.NUMBER_WORDS[self._say.locale]['minus']} {said}"
        end = match.end("scale")
        return f"{said}{match.string[end : match.end()]}"

    def _low(self, low: Decimal, noun: Noun) -> str:
        """Say the first number of a range of a noun."""
        if low == 2 and not noun.invariant:
            return noun.two
        if low == 1 and not noun.invariant:
            return noun.one
        if low != low.to_integral_value():
            return self._say.number(low)
        return self._count.cardinal(int(low), feminine=noun.feminine)

    def _agreed(self, known: Counted, adjective: str | None) -> tuple[Noun, str]:
        """Return the noun as the dialect counts it, with its adjective or with that as the rest of the text."""
        noun = known.noun
        agrees = adjective is not None and money.is_adjective(bare(adjective)) and not known.plural
        listed = adjective is not None and bare(adjective) in nouns.ADJECTIVES
        if agrees and (listed or known.measure):
            noun = money.described(noun, [bare(adjective or "")])
            adjective = None
        noun = self._count.measure(noun) if known.measure else self._count.noun(noun)
        return noun, f" {adjective}" if adjective else ""

    def _is_year(self, match: re.Match[str], amount: Decimal, known: Counted | None) -> bool:
        """Return whether a number before a noun of time is a year: `عام 2026 يوم السعادة`."""
        written = match["amount"]
        plain = len(written) == 4 and written.isdigit() and 1900 <= amount < 2100 and not match["low"]
        before = _LAST_WORD.search(match.string[max(0, match.start() - 24) : match.start()])
        dated = before is not None and (before[1] in _YEAR_WORDS or before[1] in _MONTH_NAMES)
        return plain and (dated or (known is not None and known.singular in nouns.TIMES))

    @staticmethod
    def _amount(written: str) -> Decimal | None:
        if sum(map(str.isdigit, written)) > LONGEST_NUMBER or (len(written) > 1 and written[0] == "0" and written.isdigit()):
            return None
        return parse_number(written, ".")


_LAST_WORD = re.compile(r"([ء-ي\u064b-\u0652]{1,20})[ ]?$")


def unstretched(text: str) -> str:
    """Return the text without stretched letters (جداااا) and lines inside words (جــدا)."""
    text = _TATWEEL.sub("", text)
    text = _LAUGHTER.sub("هَا هَا هَا", text)
    return _STRETCHED.sub(r"\1", text)


def _era(mark: str, before: str) -> str:
    """Return the words of an era; its adjective has the gender of the word for the year."""
    feminine = "َّة" if bare(before).endswith("سنة") else "ّ"
    if mark.startswith("ق"):
        return "قَبْلَ المِيلَاد" if mark.rstrip(".").endswith("م") else "قَبْلَ الهِجْرَة"
    return f"مِيلَادِي{feminine}" if mark == "م" else f"هِجْرِي{feminine}"


def _street(match: re.Match[str]) -> str:
    return "شَارِع " if match["what"] == "ش" else "تِلِيفُون "


def _attached(article: str, said: str) -> str:
    """Put what stands before the article in front of a definite number."""
    lead = {"و": "وَ", "ف": "فَ"}.get(article[0], "") if len(article) > 2 else ""
    rest = article[1:] if lead else article
    if rest == "لل":
        return f"{lead}لِل{said.removeprefix('ال')}"
    return lead + {"ب": "بِ", "ك": "كَ"}.get(rest[0], "") + said


def _definite(word: str) -> bool:
    return _without_article(word) is not None


def _without_article(word: str) -> str | None:
    """Return a definite noun without its article and what is before it; None when it is not definite."""
    found = _ARTICLE.match(bare(word))
    return found[1] if found else None


_ARTICLE = re.compile(r"[وف]?(?:[بك]?ال|لل)([ء-ي]{2,})")


def _name(match: re.Match[str], known: Counted) -> str:
    """Return the words of a currency in the singular, as CLDR writes its name."""
    adjective = bare(match["adjective"] or "")
    return f"{known.singular} {adjective}" if money.is_adjective(adjective) else known.singular


@lru_cache(maxsize=8)
def _counted(locale: str) -> dict[str, Counted]:
    """Return every written form of a counted noun, with the noun in the words of the locale."""
    known: dict[str, Counted] = {}
    spoken = {} if locale == "ar-SA" else {bare(words.UNITS[key].one): unit for key, unit in words.DIALECT_UNITS.items()}
    measures = {bare(unit.one).split(" ")[0] for unit in words.UNITS.values()} - set(spoken) | {"كيلوجرام", "جرام"}
    for one, noun in {**nouns.COUNTED, **nouns.HEADS}.items():
        plain = bare(one)
        measure = plain in measures or one in nouns.HEADS
        said = spoken.get(plain, noun)
        two = spoken_dual(noun.two) if measure or plain in spoken else noun.two
        for plural in reversed((noun.few, *nouns.OTHER_PLURALS[one])):
            chosen = said if plain in spoken else replace(noun, few=plural)
            known[fold(plural)] = Counted(chosen, True, False, measure, plain)
        for form in (noun.two, spoken_dual(two)):
            known[fold(form)] = Counted(said, False, True, measure, plain)
        for form in (noun.one, noun.many):
            known[fold(form)] = Counted(said, False, False, measure, plain)
    for one in nouns.INVARIANT:
        known[fold(one)] = Counted(Noun(one, one, one, one, invariant=True), False, False, True, bare(one))
    return known


# -- case after a preposition

_VOWELLED = r"[ء-ي\u0670]*+[\u064b-\u0650\u0652][ء-ي\u064b-\u0652\u0670]*+"
_PREPOSITIONS = (
    "في من إلى الى على عن حتى منذ بعد قبل خلال حوالي حوالى نحو قرابة زهاء مقابل بين عند دون فوق تحت ضمن طوال طيلة مدار مدى "
    "كل عام سنة لعام لسنة بعام مدة لمدة بمدة بسعر لسعر بقيمة بمبلغ مبلغ لعدد بعدد بعمر عمر بنسبة بخصم بتكلفة بوزن بطول بعرض "
    "بارتفاع بمساحة بسعة بمسافة لفترة بحوالي بنحو لحوالي لأكثر إلِى"
)
_GOVERNED = re.compile(
    rf"(?<!\S)(?:[وف]?(?:{'|'.join(_PREPOSITIONS.split())})(?:[ ][وف]?ال[ء-ي]{{2,20}}(?=[ ]ال))?|(?=[بلوفَ]{{0,2}}[بل]ِ))"
    rf"(?P<said>(?:[ ]?{_VOWELLED})(?:[ ]{_VOWELLED})*+)"
)


def governed(said: str) -> str:
    """Return the words of a text with each number that directly follows a preposition in the oblique case."""
    return _GOVERNED.sub(_in_oblique, said)


def _in_oblique(match: re.Match[str]) -> str:
    start = match.start("said") - match.start()
    run = match["said"].split(" ")
    first = next((word for word in run if word), "")
    if not _is_number_word(first):
        return match[0]
    return match[0][:start] + " ".join(map(oblique, run))


@lru_cache(maxsize=1)
def _number_words() -> frozenset[str]:
    """Return the words with which a number or a counted dual may start."""
    numerals = words.NUMERALS["ar-SA"]
    said = [*numerals.ones, *numerals.short, *numerals.teens, *numerals.feminine_teens, *numerals.tens, *numerals.hundreds]
    said += [numerals.thousand.one, numerals.thousand.two, numerals.million.one, numerals.million.two]
    said += [numerals.billion.one, numerals.billion.two, *words.ORDINALS["ar-SA"], *words.FEMININE_ORDINALS["ar-SA"]]
    counted = [*words.UNITS.values(), *words.CURRENCIES.values(), *words.FRACTIONS["ar-SA"].values()]
    said += [noun.two for noun in (*counted, *nouns.COUNTED.values(), *nouns.HEADS.values())]
    said += ["مِئَتَا", "أَلْفَا", "مِلْيُونَا", "مِلْيَارَا", words.NUMBER_WORDS["ar-SA"]["minus"]]
    return frozenset(phrase.split(" ")[0].removeprefix("ال") for phrase in said)


def _is_number_word(word: str) -> bool:
    for prefix in ("وَ", "بِ", "لِ", "كَ", "ال"):
        word = word.removeprefix(prefix)
    return word in _number_words()
