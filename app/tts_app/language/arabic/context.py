"""What Arabic around a number decides: the noun that it counts, the article, the letter after it.

The shared scan (`semiotics`) sees an amount alone. So this step comes before it and puts into words what only
the words beside a number tell: `2 سرير` is سريران, `الغرفة الـ 5` الغرفة الخامسة. All else is left as it is.
`case.governed` comes after the scan and gives numbers the case of their preposition.

Each pattern is bounded or possessive, so the time is linear in the text.
"""

import re
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import lru_cache
from types import MappingProxyType

from tts_app.language.arabic import money, nouns, words
from tts_app.language.arabic.counting import oblique, spoken_dual
from tts_app.language.arabic.dates import Dates
from tts_app.language.arabic.diacritise import bare
from tts_app.language.arabic.honorifics import is_woman, spoken_honorifics
from tts_app.language.arabic.numbers import ArabicVerbaliser
from tts_app.language.arabic.script import (
    ALONE,
    FREE,
    LENGTH_WORDS,
    LETTER,
    MONTH_NAMES,
    NUMBER,
    WORD_END,
    WORD_START,
    YEAR_WORDS,
    any_of,
    fold,
)
from tts_app.language.arabic.words import Noun
from tts_app.language.grammar import FRACTIONS
from tts_app.language.semiotics import LONGEST_NUMBER, parse_number
from tts_app.language.text import ascii_digits, clean, word_set


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


_SCALES = MappingProxyType(
    {
        **dict.fromkeys(("ألف", "الف", "ألفا", "آلاف", "الاف", "ألاف"), "thousand"),
        **dict.fromkeys(("مليون", "مليونا", "ملايين"), "million"),
        **dict.fromkeys(("مليار", "مليارا", "مليارات", "بليون"), "billion"),
        **{"k": "thousand", "K": "thousand", "M": "million", "B": "billion"},
    }
)
_PERCENT_FIRST = re.compile(rf"(?<![\d%])%[ ]?(?P<number>{NUMBER})(?![%\d])")
_GLUED = re.compile(r"(?<=[ء-ي]{2})(?<!كم)(?<!سم)(?<!مم)(?=\d)")
"""Between a word and a number that follows without a blank (السعر200); و ب ل ف ك are one word with it."""
_MORE_THAN = re.compile(
    rf"(?P<of>من[ ])?(?<![\w)\].,+])(?:\+(?P<after>{NUMBER})|(?P<before>{NUMBER})\+)"
    rf"(?=[ ]?(?!درج){LETTER}{{3}})"
)
"""A plus beside a number of things: +500 عميل, 50+ فرعا."""
_ABROAD = re.compile(r"(?<![\w+])\+(?P<groups>\d{1,3}(?:[ .-]?\(?\d{1,9}\)?){1,6}+)(?![\w%])")
_LINE = re.compile(r"(?<![\w+])(?P<area>0\d{1,3})[- /](?P<number>\d{6,8})(?![\w%])")
_RATIO = re.compile(
    rf"(?P<word>{WORD_START}[وفب]?(?:نسبة|مقياس|معدل)[ ])(?P<first>\d{{1,4}}):(?P<second>\d{{1,6}})(?!\d)"
)
_SQUARED = re.compile(rf"{WORD_START}(?P<unknown>[سصع])\^(?P<power>\d{{1,2}})")
_VOLUME = re.compile(rf"{WORD_START}ج[.]?[ ]?(?P<number>\d{{1,2}})[ ]?[،,]?[ ]?(?=ص)")
_EDITION = re.compile(rf"{WORD_START}ط[.]?[ ]?(?=\d)")
_POUNDS = re.compile(rf"(?<=\d)[ ]?ج(?!{LETTER}|[./ـ])")
"""Pounds, as Egypt writes them: 50ج."""
_ARTICLE_BEFORE = re.compile(r"(?<=[ء-ي]ـ)(?=\d)")
"""Between an article and a number, so that the scan sees where the number starts: الـ90s."""
_UNKNOWN = re.compile(rf"{WORD_START}[سصع](?=[ ]?[=≠≤≥<>+×÷^])|(?<=[=≠≤≥<>+×÷][ ])[سصع]{WORD_END}")
"""The unknowns of algebra: س + 3."""
_HASH = re.compile(r"(?P<named>رقم[ء-ي :]{0,20}+)?#(?P<number>\d{1,12})(?![\w])")
_BOX = re.compile(rf"{WORD_START}ص\.?[ ]?ب\.?[ ]?:?[ ]?(?P<number>\d{{1,7}})(?!\d)")
_BRACKETED = re.compile(rf"\((?P<number>\d{{1,4}})\)(?=[ ]?(?P<noun>{LETTER}{{2,20}}))")
_STRETCHED = re.compile(r"([ء-غف-ي])\1{2,}+")
_ALLAH = re.compile(r"(?<=[اأو])ل{3,}+(?=ه)")
_LAUGHTER = re.compile(rf"{WORD_START}ه{{3,}}+{WORD_END}")
_TATWEEL = re.compile(r"(?<=[ء-ي\u064b-\u0652])ـ++(?=[ء-ي])|(?<=[ء-ي]{3})(?<!ال)(?<!لل)ـ++|ـ++(?=ـ)")
_TITLE = re.compile(
    rf"{WORD_START}(?P<title>أ\.?[ ]?د|ا\.?[ ]?د|د|أ|م|ا)[ ]?/[ ]?(?=(?P<name>{LETTER}{{3,20}}))"
    rf"|{WORD_START}(?P<dotted>(?:أ\.[ ]?)?د)\.[ ]?(?=(?P<named>{LETTER}{{2,20}}))"
)
_TITLES = MappingProxyType({"د": "دُكْتُور", "أ": "أُسْتَاذ", "ا": "أُسْتَاذ", "م": "مُهَنْدِس"})
_PAGE = re.compile(r"(?<![ء-ي\d])(?<!\d )ص(?:\.[ ]?|[ ]|:[ ]?)(?=\d)")
_STREET = re.compile(rf"{WORD_START}(?P<what>ش|ت|ت\.|تليفون)[ ]?[:/][ ]?(?=\d)")
_CALLED = (
    r"(?:ا?[تل]ت?صل(?:وا|ي)?|كلمنا|كلمونا|اطلب|الخط الساخن|هاتف|الهاتف|تليفون|جوال|موبايل|واتساب|الواتساب"
    r"|الطوارئ|طوارئ|الإسعاف|الشرطة|تحويلة|الرقم الموحد)"
)
_CALL = re.compile(
    rf"{WORD_START}(?P<call>[وف]?{_CALLED}[ :]{{1,2}}(?:الآن[ ])?"
    r"(?:(?:على الرقم|بالرقم|على|بنا|بـ|ب|رقم|الرقم)[ :]{1,2}){0,3})"
    rf"(?P<number>\d{{3,6}}){ALONE}"
)
_SERVICE = re.compile(rf"{FREE}(?P<first>9200|800)(?P<rest>\d{{5,7}}){ALONE}(?![ ]?[ء-ي]{{2}})")
_ORDINAL = re.compile(
    rf"{WORD_START}(?:(?P<before>{LETTER}{{2,20}})[ ])?(?P<article>[وف]?(?:لل|[بك]?ال))ـ?[ ]?"
    rf"(?P<value>\d{{1,4}}){ALONE}(?![A-Za-z])(?:[ ](?P<after>{LETTER}{{2,20}}){WORD_END}(?!ـ))?"
)
_FIRST_OF_TWO = re.compile(rf"({LETTER}{{2,20}})[ ]الـ?[ ]?\d{{1,3}}[ ]$")
_NUMBERED = re.compile(
    rf"{WORD_START}(?P<before>[وفب]?(?:الدور|الطابق|القرن|الدورة|النسخة|الذكرى|المرتبة|الجولة|للمرة|المرة)"
    rf"|للدور|للطابق|للقرن)[ ](?P<value>\d{{1,3}}){ALONE}(?![ ]?[-–])(?![A-Za-zء-ي])"
)
_PLACE = "غرفة|شقة|مبنى|بوابة|مقعد|فيلا|قاعة|طريق|صف|فئة|بلوك|عمارة|جناح|وحدة|مكتب"
_NAMED_LETTER = rf"[أابتثجحخدذرزسشضطظعغفقكلمنوي]{WORD_END}(?![./ـ]|[ ]?\d)"
_LETTERED = re.compile(
    rf"(?P<glued>{FREE}\d{{1,4}})[-/]?(?P<letter>{_NAMED_LETTER})"
    rf"|(?P<place>{WORD_START}[وفب]?(?:ال)?(?:{_PLACE})[ ]\d{{1,4}}[ ])(?P<apart>{_NAMED_LETTER})"
)
_METRES = re.compile(rf"(?P<number>{FREE}{NUMBER})[ ]?م(?:\^?(?P<power>[23]))?(?!{LETTER}|[\d^ـ])")
_LENGTH_AFTER = re.compile(rf"[ ](?:عمقا|طولا|عرضا|ارتفاعا|مربع|مربعا|فوق|تحت|عن){WORD_END}")
_SIDE_METRES = re.compile(rf"(?<=[×xX*])(?P<number>[ ]?{NUMBER})[ ]?م(?!{LETTER}|[\d^ـ])")
_JOINT = r"[ ]?[-–][ ]?|[ ](?:إلى|الى|حتى|أو|او|و)[ ]?"
_COUNT = re.compile(
    rf"(?:(?<![\w)\].,/-])(?P<sign>[-+])|{FREE})(?:(?P<low>{NUMBER})(?P<joint>{_JOINT}))?(?P<amount>{NUMBER})(?!/\d)"
    rf"(?:[ -](?P<above>\d)/(?P<below>\d{{1,2}})(?!\d)|[ ]?(?P<glyph>[{''.join(FRACTIONS)}]))?"
    rf"(?:[ ]?(?P<scale>{any_of(_SCALES)})(?!{LETTER}|[A-Za-z]))?"
    rf"(?:[ ]?(?P<noun>{LETTER}{{2,20}}){WORD_END}"
    rf"(?:[ ](?P<adjective>{LETTER}{{3,20}}){WORD_END}(?![ ]?[:\d]))?)?"
    r"(?P<per>[ ]?/[ ]?(?=[ء-ي]{3}))?"
)
_NOT_OWNED = word_set("من في على إلى الى عن أو او ثم حتى مع كل هذا هذه")
"""Words after thousands or millions that are not what these are of."""


class Context:
    """Puts into words what the words around a number decide, in one locale. Stateless once made."""

    def __init__(self, verbaliser: ArabicVerbaliser) -> None:
        self._say = verbaliser
        self._count = verbaliser.counting
        self._known = _counted(verbaliser.locale)
        self._dates = Dates(verbaliser)

    def __call__(self, text: str) -> str:
        """Return the cleaned text with those words."""
        text = spoken_honorifics(unstretched(text))
        text = _TITLE.sub(_title, self._cleaned(text))
        if not any(map(str.isdigit, text)):
            return text
        text = _ABROAD.sub(self._abroad, _GLUED.sub(" ", text))
        text = _LINE.sub(lambda match: self._say.telephone([match["area"], match["number"]], False), text)
        text = _RATIO.sub(r"\g<word>\g<first> إلى \g<second>", text)
        text = _SQUARED.sub(self._squared, text)
        text = _MORE_THAN.sub(_more_than, text)
        text = _UNKNOWN.sub(lambda match: words.LETTER_NAMES[match[0]], text)
        text = _PERCENT_FIRST.sub(r"\g<number>%", text)
        text = _HASH.sub(self._hash, _BOX.sub(self._box, text))
        text = _BRACKETED.sub(self._bracketed, text)
        text = _VOLUME.sub(r"جُزْء \g<number>, ", _EDITION.sub("طَبْعَة ", text))
        text = _PAGE.sub("صَفْحَة ", _STREET.sub(_street, text))
        text = _CALL.sub(lambda match: f"{match['call']}{self._say.digits(match['number'])}", text)
        text = _SERVICE.sub(lambda match: self._say.telephone([match["first"], match["rest"]], False), text)
        text = _ORDINAL.sub(self._ordinal, self._dates(text))
        text = _NUMBERED.sub(self._numbered, text)
        text = _METRES.sub(self._metres, _SIDE_METRES.sub(r"\g<number> متر", text))
        text = _LETTERED.sub(self._lettered, text)
        text = _COUNT.sub(self._counted, _POUNDS.sub(" جنيه", text))
        return _ARTICLE_BEFORE.sub(" ", text)

    @staticmethod
    def _cleaned(text: str) -> str:
        return ascii_digits(clean(text)).translate({0x66B: ".", 0x66C: ",", 0x66A: "%"})

    # -- numbers that are names

    def _hash(self, match: re.Match[str]) -> str:
        """Say #5 as number five, and a long one digit by digit; the word before it may say number already."""
        number = match["number"]
        said = self._say.digits(number) if len(number) > 3 else number
        return f"{match['named']}{said}" if match["named"] else f"{words.SYMBOLS['#']} {said}"

    def _abroad(self, match: re.Match[str]) -> str:
        """Say a number with the code of its country in the groups in which it is written."""
        groups = re.findall(r"\d+", match["groups"])
        if len(groups) < 2 or not 8 <= sum(map(len, groups)) <= 15:
            return match[0]
        return self._say.telephone(groups, True)

    def _squared(self, match: re.Match[str]) -> str:
        letter, power = words.LETTER_NAMES[match["unknown"]], Decimal(match["power"])
        return self._say.power(letter, self._say.number(power), power)

    def _box(self, match: re.Match[str]) -> str:
        return f"{words.ABBREVIATIONS['ص.ب']} {self._say.digits(match['number'])}"

    def _bracketed(self, match: re.Match[str]) -> str:
        """Take the brackets off a number before the noun that it counts."""
        return match["number"] if fold(match["noun"]) in self._known else match[0]

    # -- ordinals and letters

    def _ordinal(self, match: re.Match[str]) -> str:
        """Say `الـ 5`: an ordinal after a definite singular, a cardinal of a plural or of what follows."""
        value, before, after = int(match["value"]), match["before"] or "", match["after"] or ""
        if after and fold(after) in {fold(part) for part in (*words.AM_FORMS, *words.PM_FORMS)}:
            return match[0]
        counted = self._known.get(fold(after)) if after else None
        owner = self._owner(before or self._one_before(match))
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
            feminine = (
                owner.noun.feminine
                if owner
                else bool(before) and _definite(before) and bare(before).endswith("ة")
            )
            said = self._count.ordinal(value, feminine=feminine)
        return f"{lead}{_attached(match['article'], said)}{tail}"

    @staticmethod
    def _one_before(match: re.Match[str]) -> str:
        """Return the noun whose first number stands before another: الحلقة الـ 2 والـ 3."""
        found = _FIRST_OF_TWO.search(match.string, max(0, match.start() - 40), match.start())
        return found[1] if found and match["article"].startswith("و") else ""

    def _owner(self, before: str) -> Counted | None:
        """Return the definite noun before a number: a counted plural, or a numbered singular."""
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
        if match["letter"] in {"م", "ص", "ه", "ج", "غ", "ك", "ل", "س", "د", "ث"} and not self._at_place(
            match
        ):
            return match[0]  # a time of day, a currency or a unit
        return f"{match['glued'] or match['place']} {words.LETTER_NAMES[letter]}"

    def _metres(self, match: re.Match[str]) -> str:
        """Say م after a number that is no hour as metres."""
        number, power = match["number"], match["power"]
        amount = parse_number(number, ".")
        after_length = _LAST_WORD.search(match.string[max(0, match.start() - 24) : match.start()])
        is_length = after_length is not None and after_length[1] in LENGTH_WORDS
        is_length = is_length or _LENGTH_AFTER.match(match.string, match.end()) is not None
        if not power and amount is not None and amount <= 12 and number.isdigit() and not is_length:
            return match[0]
        return f"{number} متر{' مربع' if power == '2' else ' مكعب' if power else ''}"

    # -- counted nouns

    def _counted(self, match: re.Match[str]) -> str:
        """Say a number with the noun that it counts, in the forms that both then have."""
        amount = self._amount(match["amount"])
        known = self._known_noun(match, amount)
        lettered = bool(match["scale"]) and match["scale"].isascii() and self._at_place(match)
        if (
            lettered
            or amount is None
            or (known is None and not match["scale"])
            or self._is_year(match, amount, known)
        ):
            return match[0]
        per = "فِي" if match.string.startswith("ال", match.end()) else self._say.per
        tail = f" {per} " if match["per"] else ""
        if known is None:
            return self._scaled_alone(match, amount)
        agreed, rest = self._agreed(known, match["adjective"])
        said = self._quantity(match, amount, agreed, known)
        said = self._signed(match["sign"], said)
        low = self._amount(match["low"]) if match["low"] else None
        if low is not None:
            said = self._ranged(
                match, self._say.number(low) if match["scale"] else self._low(low, agreed), said
            )
        elif match["low"]:
            return match[0]
        return f"{said}{rest}{tail}"

    def _known_noun(self, match: re.Match[str], amount: Decimal | None) -> Counted | None:
        """Return the noun after a number: one of the table, or a guess at the gender of another."""
        written = match["noun"]
        if not written or amount is None or match["scale"]:
            return self._known.get(fold(written)) if written else None
        before = _LAST_WORD.search(match.string[max(0, match.start() - 24) : match.start()])
        numbered = before is not None and (_definite(before[1]) or before[1].endswith(("رقم", "ة")))
        if _CURRENCY_BEFORE.search(match.string, max(0, match.start() - 5), match.start()):
            return None
        return self._known.get(fold(written)) or _guessed(written, int(amount), numbered)

    def _signed(self, sign: str | None, said: str) -> str:
        if not sign:
            return said
        word = words.SYMBOLS["+"] if sign == "+" else words.NUMBER_WORDS[self._say.locale]["minus"]
        return f"{word} {said}"

    def _quantity(self, match: re.Match[str], amount: Decimal, noun: Noun, known: Counted) -> str:
        if match["scale"]:
            return self._count.scaled(amount, getattr(self._count.numerals, _SCALES[match["scale"]]), noun)
        part = self._fraction(match)
        if part is not None:
            whole = int(amount)
            return f"{noun.one if whole == 1 else self._count.count(whole, noun)} وَ{part}"
        if amount != amount.to_integral_value():
            code = money.code_of(_name(match, known), self._say.locale)
            if known.plural:  # 3.5 نجوم
                noun = replace(noun, one=noun.few)
            return self._say.money_of(amount, noun, code) if code else self._count.quantity(amount, noun)
        if (
            amount == 2
            and known.dual
            and oblique(noun.two) != noun.two
            and bare(match["noun"]).endswith("ين")
        ):
            return oblique(noun.two)
        if amount == 2 and self._say.locale == "ar-SA" and _measured(match["adjective"], known):
            return noun.two.removesuffix("ن")
        return self._count.count(int(amount), noun)

    def _fraction(self, match: re.Match[str]) -> str | None:
        if match["glyph"]:
            return self._count.fraction(*FRACTIONS[match["glyph"]])
        return self._count.fraction(int(match["above"]), int(match["below"])) if match["above"] else None

    @staticmethod
    def _at_place(match: re.Match[str]) -> bool:
        """Return whether the number is that of a room, a seat or the like."""
        before = _LAST_WORD.search(match.string[max(0, match.start() - 24) : match.start()])
        return before is not None and before[1] in words.PLACE_WORDS

    def _ranged(self, match: re.Match[str], low: str, high: str) -> str:
        """Say two numbers with the word between them; a dash is a range."""
        joint = match["joint"].strip()
        return self._say.span(low, high) if joint in "-–" else f"{low} {joint} {high}"

    def _scaled_alone(self, match: re.Match[str], amount: Decimal) -> str:
        """Say thousands and millions of a noun that we do not know, or of none."""
        scale: Noun = getattr(self._count.numerals, _SCALES[match["scale"]])
        follows = match["noun"] or ""
        owned = bool(follows) and not follows.startswith(("ال", "و")) and follows not in _NOT_OWNED
        if match["scale"].isascii() and (not owned or match["scale"] == "B" or amount in {2, 4, 8}):
            return match[0]  # a letter (4B), or the size of a picture (4K)
        noun = Noun("", "", "", "") if owned else None
        said = self._count.scaled(amount, scale, noun).rstrip()
        if match["low"]:
            low = self._amount(match["low"])
            if low is None:
                return match[0]
            said = self._ranged(match, self._say.number(low), said)
        said = self._signed(match["sign"], said)
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
        """Return the noun as the dialect counts it with its adjective, or that as the rest."""
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
        dated = before is not None and (before[1] in YEAR_WORDS or before[1] in MONTH_NAMES)
        return plain and (
            dated or (known is not None and known.singular in nouns.TIMES and amount % 100 != 0)
        )

    @staticmethod
    def _amount(written: str) -> Decimal | None:
        if sum(map(str.isdigit, written)) > LONGEST_NUMBER or (
            len(written) > 1 and written[0] == "0" and written.isdigit()
        ):
            return None
        return parse_number(written, ".")


def _guessed(written: str, amount: int, numbered: bool) -> Counted | None:
    """Return a noun that the table lacks, as far as its ending tells its gender; None where it tells nothing.

    Not inflected after what a number may name: الغرفة 2 مفتوحة.
    """
    tail = amount % 100
    if written != bare(written):  # a word of ours
        return None
    if written.endswith("ات") and len(written) > 4 and 3 <= tail <= 10:
        feminine = not _VERBAL_NOUNS.fullmatch(written)
        return Counted(Noun(written, written, written, written, feminine), True, False, False, written)
    if not written.endswith("ة") or len(written) < 4 or written.startswith(("ال", "لل", "بال", "وال")):
        return None
    if tail > 10:
        return Counted(Noun(written, written, written, written, True), False, False, False, written)
    if numbered or not 2 <= amount <= 10:
        return None
    stem = written[:-1]
    return Counted(Noun(written, f"{stem}َتَان", f"{stem}ات", written, True), False, False, False, written)


_VERBAL_NOUNS = re.compile(r"[اإأ][ء-ي]{1,5}ا[ء-ي]ات|ت[ء-ي]{1,2}ي[ء-ي]ات")
"""Plurals in -at of masculine nouns: اجتماعات, تطبيقات."""
_CURRENCY_BEFORE = re.compile(r"(?:[A-Z]{3}|[$€£¥₺₹⃁]|[ء-ي]\.[ء-ي]\.?)[ ]?$")
_LAST_WORD = re.compile(r"([ء-ي\u064b-\u0652]{1,20})[ ]?$")


def unstretched(text: str) -> str:
    """Return the text without stretched letters (جداااا) and lines inside words (جــدا)."""
    text = _TATWEEL.sub("", text)
    text = _LAUGHTER.sub("هَا هَا هَا", text)
    return _STRETCHED.sub(r"\1", _ALLAH.sub("لل", text))


def _title(match: re.Match[str]) -> str:
    """Say د. or د/ before a name, in the gender of the name."""
    title = match["title"] or match["dotted"]
    ending = "َة" if is_woman(bare(match["name"] or match["named"])) else ""
    if len(title) > 1:
        return f"أُسْتَاذ{ending} دُكْتُور{ending} "
    return f"{_TITLES[title]}{ending} "


def _measured(word: str | None, known: Counted) -> bool:
    """Return whether a word is what is measured with a noun: 2 كوب أرز, not 2 كوب يوميا."""
    if word is None or known.singular not in nouns.CONTAINERS or word in _NOT_OWNED:
        return False
    return not (
        word.startswith(("ال", "و", "لل")) or word.endswith(("ا", "ً")) or money.is_adjective(bare(word))
    )


def _more_than(match: re.Match[str]) -> str:
    return f"{match['of'] or 'أكثر من '}{match['after'] or match['before']}"


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
    spoken = (
        {}
        if locale == "ar-SA"
        else {bare(words.UNITS[key].one): unit for key, unit in words.DIALECT_UNITS.items()}
    )
    measures = {bare(unit.one).split(" ")[0] for unit in words.UNITS.values()} - set(spoken) | {
        "كيلوجرام",
        "جرام",
    }
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
