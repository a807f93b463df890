"""The normaliser of Hindi and Urdu text: the shared pass, and what is specific to the two languages."""

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal

import regex

from tts_app.language.grammar import Forms
from tts_app.language.indic.amounts import Amounts, Currencies
from tts_app.language.indic.calendar import Calendar
from tts_app.language.indic.codes import Addresses, Codes
from tts_app.language.indic.files import Files
from tts_app.language.indic.notation import CLAUSE_END, CLAUSE_START, DASH, END, START, Notation, any_of
from tts_app.language.indic.numerals import Numerals
from tts_app.language.indic.verbaliser import IndicVerbaliser, Vocabulary
from tts_app.language.semiotics import normalise
from tts_app.language.text import ascii_digits, clean

_LATIN_WORD = regex.compile(r"\p{Latin}[\p{Latin}\p{Mn}]*+(?:['’]\p{Latin}++)*+")
_NUMBER_MARKS = str.maketrans({"٫": ".", "٬": ",", "٪": "%"})
_PAUSES = str.maketrans({"।": " . ", "॥": " . ", "۔": " . ", "؟": "? ", "،": ", ", "؛": "; ", "॰": "."})
"""A full stop of the language gets a blank before it: only a point belongs to an abbreviation (ले. and ले।)."""
_GROUP_COMMA = regex.compile(r"(?<=\d)،(?=\d{2,3}(?!\d))")
_DATE_MARK = regex.compile(r"(?<=\d)[ ]?؍[ ]?(?=(\d)?)")
_PERCENT_FIRST = regex.compile(r"(?<![\d.])%[ ]?(\d{1,9}+(?:\.\d{1,9}+)?)(?![\d%])")
_PRICE_END = regex.compile(r"(?<=\d)/[-=](?!\d)")
_DOTTED_TIME = r"(?<!\d)([01]?\d|2[0-4])\.([0-5]\d)(?=\s*{hour})"
_SPACE_BEFORE_PAUSE = regex.compile(r"\s+(?=[.,;:?!])")
_PAUSES_RUN = regex.compile(r"([.,;:?!])(?:\s*[.,;:?!])+")
_SPACES = regex.compile(r"\s+")
_INITIAL_END = regex.compile(r"[.۔][ ]?")
_NUKTA, _VIRAMA = "\N{DEVANAGARI SIGN NUKTA}", "\N{DEVANAGARI SIGN VIRAMA}"
_DIGIT = regex.compile(r"\d")
_ROMAN = regex.compile(r"(?<![\p{L}\p{M}\p{N}])[XVI]++(?!\p{N})")
_SIGNS = r"=≠<>≤≥≈±×÷∈∉⊂∪∩"
_VARIABLE = regex.compile(
    rf"(?<![\p{{L}}\p{{M}}\p{{N}}'])(?:[a-zA-Z](?=[ ]?[{_SIGNS}])"
    rf"|(?<=[{_SIGNS}][ ]?)[a-zA-Z](?![\p{{L}}\p{{M}}'^]))"
)
"""A letter beside a sign of mathematics: a = b."""
_CAPITAL_A = regex.compile(r"(?<![\p{L}\p{M}\p{N}'.&@#-])A(?![\p{L}\p{M}\p{N}'.&@-]|[ ]\p{Latin})")
"""The letter A, which before an English word is an article: grade A."""
_GREEK = regex.compile(r"(?<!\p{Greek})\p{Greek}(?!\p{Greek})")
_LARGE_FRACTION = regex.compile(
    r"(?<![\d/.,])(?!(?:1[5-9]|20)\d\d/\d\d(?!\d))(\d{1,18})/(\d{1,18})(?![\d/]|[.,]\d)(?<=\d{4}/\d{1,18}|/\d{4,18}|/0)"
)
"""Fractions of numbers over 999, and by nought, which are not a mark or a date."""
_SPACED_UNITS = regex.compile(rf"(?<=\d)[ ](K|in){CLAUSE_END}")
"""Letters that are a unit only at the end of a clause: 300 K, 34 in."""
_SPACED_UNIT_KEYS = {"K": "kelvin", "in": "inch"}


@dataclass(frozen=True, slots=True)
class Script:
    """What the normaliser must know about a language's script."""

    letters: str
    """A pattern for one of its letters or marks."""
    other_word: str
    """A pattern for a word in the script of the other language of the two."""
    ordinal_endings: dict[str, str]
    """Suffixes that make a written number an ordinal, and the ending that each stands for."""
    masculine: tuple[str, str]
    """The masculine ending of regular ordinals and of the irregular ones."""
    regular_endings: dict[str, str]
    """The regular ending for each ending of an irregular ordinal, for numbers that have none."""
    either: str
    """The word for the slash between two words: `or`."""
    other_letters: tuple[str, ...]
    """Other spellings of the names of Latin letters."""
    oblique_of: str
    """The word for `of` before a noun in the oblique case."""
    both: str
    """The word for `and`."""
    joint: str
    """The replacement for a zero-width joiner or non-joiner between two letters."""


class IndicNormaliser:
    """Turns text into the words that are spoken, all in the language's own script."""

    def __init__(
        self,
        verbaliser: IndicVerbaliser,
        vocabulary: Vocabulary,
        notation: Notation,
        script: Script,
        from_latin: Callable[[str], str],
        from_other: Callable[[str], str],
    ) -> None:
        """`from_latin` and `from_other` write a word of another script in the language's own."""
        self._verbaliser = verbaliser
        self._script = script
        self._from_latin = from_latin
        self._from_other = from_other
        self._other_word = regex.compile(script.other_word)
        dotted = any_of(form for form in vocabulary.abbreviations if "." in form.rstrip("."))
        self._dotted = regex.compile(rf"{START}(?:{dotted}){END}")
        self._titles = notation.titles
        self._title = regex.compile(rf"{CLAUSE_START}(?:{any_of(notation.titles)})(?=[ ]?{script.letters})")
        self._abbreviations = vocabulary.abbreviations
        letter = any_of((*vocabulary.letters.values(), *script.other_letters))
        self._initials = regex.compile(
            rf"{START}(?:{letter})(?:[.۔][ ]?(?:{letter}){END}){{1,8}}+[.۔]?(?=[ ]?{script.letters})"
        )
        per = any_of(
            form
            for form in (*Forms.of(verbaliser).units, *Forms.of(verbaliser).currencies)
            if not form.isascii()
        )
        self._per = regex.compile(rf"(?<=\d[ ]?(?:{per}))[ ]?/[ ]?(?={script.letters})")
        self._joiners = regex.compile(rf"(?<={script.letters})[\u200c\u200d]+")
        self._foreign = regex.compile(rf"(?:(?!{script.letters})[^\s.,;:?!])++")
        endings = "|".join(sorted(script.ordinal_endings, key=len, reverse=True))
        self._ordinal = regex.compile(
            rf"(?<![\d.,:/])(\d{{1,4}}+|\d{{1,3}}(?:,\d{{2,3}}){{1,3}}+)[ -]?({endings})(?!{script.letters})"
        )
        ordinal = rf"\d{{1,4}}+[ ]?(?:{endings})(?!{script.letters})"
        self._ordinal_range = regex.compile(rf"(?<![\d.,:/])(?P<first>{ordinal}){DASH}(?={ordinal})")
        self._slash = regex.compile(rf"(?<={script.letters})\s?/\s?(?={script.letters})")
        both_words = f"{script.both}|{script.either}"
        self._and_or = regex.compile(rf"{START}({both_words})[ ]?/[ ]?({both_words}){END}")
        clock = vocabulary.clock
        hour, past, minutes = clock["hour"], clock["past"], clock["minutes"]
        currencies = Currencies(verbaliser)
        self._calendar = Calendar(verbaliser, notation, currencies)
        self._files = Files(verbaliser)
        self._codes = Codes(verbaliser, notation, currencies)
        self._addresses = Addresses(verbaliser, notation)
        self._amounts = Amounts(verbaliser, notation, currencies)
        self._numerals = Numerals(verbaliser, notation)
        self._stretched = regex.compile(
            rf"((?=\p{{L}}){script.letters}[{_NUKTA}{_VIRAMA}]?)\1{{2,}}+|((?=\p{{M}}){script.letters})\2++"
        )
        self._dotted_time = regex.compile(_DOTTED_TIME.format(hour=hour))
        parts = "|".join(vocabulary.day_parts)
        self._day_range = regex.compile(
            rf"(?P<first>{START}(?:{parts})[ ]\d{{1,2}}(?::\d\d)?){DASH}"
            rf"(?=\d{{1,2}}(?::\d\d)?(?![\p{{N}}:%/-]))"
        )
        self._clock_range = regex.compile(
            rf"(?<={hour}){DASH}(?=(?:{parts}|\d))|(?<=\d){DASH}(?=(?:{parts})[ ]\d)"
        )
        edge = rf"(?!{script.letters})"
        cases = any_of(notation.postpositions)
        of = vocabulary.mathematics.square.partition(" ")[0]
        roots = any_of(
            getattr(vocabulary.mathematics, name).partition(" ")[2]
            for name in ("square", "cube", "square_root", "cube_root")
        )
        self._echoes = (
            (regex.compile(rf"{START}{of} ({roots})(?=[ ](?:{cases}){END})"), rf"{script.oblique_of} \1"),
            (regex.compile(rf"\b({parts}|{hour}|{vocabulary.symbols['~']})(?:\s+\1)+{edge}"), r"\1"),
            (regex.compile(rf"({past} \S+ {minutes})\s+{hour}{edge}"), r"\1"),
            (regex.compile(rf"\b({parts})((?:\s+\S+){{0,1}}?\s+)({parts})\s+(?=\S+\s+{hour})"), r"\1\2"),
        )

    def __call__(self, text: str) -> str:
        """Return `text` as words, with . , ; : ? ! as the only punctuation."""
        text = ascii_digits(clean(text))
        text = self._initials.sub(lambda found: _INITIAL_END.sub(" ", found[0]), text)
        text = _DATE_MARK.sub(lambda found: "/" if found[1] else " ", _GROUP_COMMA.sub(",", text))
        text = text.translate(_PAUSES).translate(_NUMBER_MARKS)
        text = self._title.sub(lambda found: self._titles[found[0]], text)
        text = self._dotted.sub(lambda found: self._abbreviations[found[0]], text)
        text = self._joiners.sub(self._script.joint, text)
        text = self._files(text)
        text = _VARIABLE.sub(lambda found: f" {self._verbaliser.letters(found[0])} ", text)
        text = _CAPITAL_A.sub(lambda found: f" {self._verbaliser.letters(found[0])} ", text)
        text = _GREEK.sub(lambda found: f" {self._verbaliser.symbol(found[0])} ", text)
        text = self._stretched.sub(r"\1\2", text)
        if _DIGIT.search(text):
            text = self._in_context(text)
        if _ROMAN.search(text):
            text = self._numerals(text)
        text = self._slash.sub(f" {self._script.either} ", self._and_or.sub(r"\1 \2", text))
        text = normalise(text, self._verbaliser).translate(_PAUSES)
        for echo, once in self._echoes:
            text = echo.sub(once, text)
        text = _LATIN_WORD.sub(lambda match: f" {self._from_latin(match[0])} ", text)
        text = self._other_word.sub(lambda match: f" {self._from_other(match[0])} ", text)
        text = self._foreign.sub(" ", text)
        text = _SPACE_BEFORE_PAUSE.sub("", _SPACES.sub(" ", text))
        return _PAUSES_RUN.sub(r"\1", text).strip(" ,;:")

    def _in_context(self, text: str) -> str:
        """Return `text` with the numbers in words whose neighbours say how they are read."""
        text = self._per.sub(f" {self._verbaliser.per} ", text)
        text = _PERCENT_FIRST.sub(r"\1%", text)
        text = self._codes(_PRICE_END.sub("", text))
        text = self._day_range.sub(rf"\g<first> {self._verbaliser.to} ", text)
        text = self._clock_range.sub(f" {self._verbaliser.to} ", self._dotted_time.sub(r"\1:\2", text))
        text = self._calendar(text)
        text = self._addresses(text)
        text = self._amounts(text)
        text = _LARGE_FRACTION.sub(self._fraction, text)
        text = _SPACED_UNITS.sub(self._unit, text)
        text = self._ordinal_range.sub(rf"\g<first> {self._verbaliser.to} ", text)
        return self._ordinal.sub(self._inflected, text)

    def _fraction(self, match: "regex.Match[str]") -> str:
        return f" {self._verbaliser.fraction(Decimal(match[1]), Decimal(match[2]))} "

    def _unit(self, match: "regex.Match[str]") -> str:
        return f" {self._verbaliser.unit(Decimal(2), _SPACED_UNIT_KEYS[match[1]])}"

    def _inflected(self, match: "regex.Match[str]") -> str:
        """Return an ordinal with the gender and case that its ending shows: 5वीं."""
        said = self._verbaliser.native_ordinal(int(match[1].replace(",", "")))
        ending = self._script.ordinal_endings[match[2]]
        regular, irregular = self._script.masculine
        if said.endswith(regular):
            return f" {said.removesuffix(regular)}{self._script.regular_endings.get(ending, ending)} "
        return f" {said.removesuffix(irregular)}{ending[-1]} "
