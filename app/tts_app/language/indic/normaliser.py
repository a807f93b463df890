"""The normaliser of Hindi and Urdu text: the shared pass, and what is specific to the two languages."""

from collections.abc import Callable
from dataclasses import dataclass

import regex

from tts_app.language.indic.verbaliser import IndicVerbaliser, Vocabulary
from tts_app.language.semiotics import normalise
from tts_app.language.text import ascii_digits, clean

_LATIN_WORD = regex.compile(r"\p{Latin}[\p{Latin}\p{Mn}]*+(?:['’]\p{Latin}++)*+")
_PAUSES = str.maketrans({"।": ". ", "॥": ". ", "۔": ". ", "؟": "? ", "،": ", ", "؛": "; ", "॰": "."})
_PHONE = regex.compile(
    r"(?<![\p{L}\p{N}.,:/+-]|[%₹$€£₨][ ]?)(?!\d{1,2}[-/.]\d{1,2}[-/.]\d{2,4}|[12]\d{3}-\d\d-\d\d)"
    r"(?:(?P<plus>\+|00(?=[1-9]))\d[\d ()-]{7,16}\d|\(?0\d[\d ()-]{6,12}\d|[6-9]\d{4}[ -]?\d{5})"
    r"(?![\p{N}%]|[.,:/]\p{N}|[ ]?[%₹$€£₨])"
)
"""Numbers with a country or trunk code, and Indian mobile numbers as 98765 43210."""
_PHONE_DIGITS = range(9, 16)
_PRICE_END = regex.compile(r"(?<=\d)/[-=](?!\d)")
_DOTTED_TIME = r"(?<!\d)([01]?\d|2[0-4])\.([0-5]\d)(?=\s*{hour})"
_SPACE_BEFORE_PAUSE = regex.compile(r"\s+(?=[.,;:?!])")
_PAUSES_RUN = regex.compile(r"([.,;:?!])(?:\s*[.,;:?!])+")
_SPACES = regex.compile(r"\s+")


@dataclass(frozen=True, slots=True)
class Script:
    """What the normaliser must know about a language's script."""

    letters: str
    """A pattern for one of its letters or marks."""
    other_word: str
    """A pattern for a word in the script of the other language of the two."""
    ordinal_endings: dict[str, str]
    """Suffixes that make a written number an ordinal, and the ending that each stands for."""
    either: str
    """The word for the slash between two words: `or`."""
    joint: str
    """The replacement for a zero-width joiner or non-joiner between two letters."""


class IndicNormaliser:
    """Turns text into the words that are spoken, all in the language's own script."""

    def __init__(
        self,
        verbaliser: IndicVerbaliser,
        vocabulary: Vocabulary,
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
        self._joiners = regex.compile(rf"(?<={script.letters})[\u200c\u200d]+")
        self._foreign = regex.compile(rf"(?:(?!{script.letters})[^\s.,;:?!])++")
        endings = "|".join(sorted(script.ordinal_endings, key=len, reverse=True))
        self._ordinal = regex.compile(rf"(?<![\d.,:/])(\d{{1,4}}+)[ -]?({endings})(?!{script.letters})")
        self._slash = regex.compile(rf"(?<={script.letters})\s?/\s?(?={script.letters})")
        clock = vocabulary.clock
        hour, past, minutes = clock["hour"], clock["past"], clock["minutes"]
        self._dotted_time = regex.compile(_DOTTED_TIME.format(hour=hour))
        parts = "|".join(vocabulary.day_parts)
        edge = rf"(?!{script.letters})"
        self._echoes = (
            (regex.compile(rf"\b({parts}|{hour})(?:\s+\1)+{edge}"), r"\1"),
            (regex.compile(rf"({past} \S+ {minutes})\s+{hour}{edge}"), r"\1"),
            (regex.compile(rf"\b({parts})((?:\s+\S+){{0,1}}?\s+)({parts})\s+(?=\S+\s+{hour})"), r"\1\2"),
        )

    def __call__(self, text: str) -> str:
        """Return `text` as words, with . , ; : ? ! as the only punctuation."""
        text = ascii_digits(clean(text)).translate(_PAUSES)
        text = self._joiners.sub(self._script.joint, text)
        text = _PHONE.sub(self._phone, _PRICE_END.sub("", text))
        text = self._dotted_time.sub(r"\1:\2", text)
        text = self._ordinal.sub(self._inflected, text)
        text = self._slash.sub(f" {self._script.either} ", text)
        text = normalise(text, self._verbaliser).translate(_PAUSES)
        for echo, once in self._echoes:
            text = echo.sub(once, text)
        text = _LATIN_WORD.sub(lambda match: f" {self._from_latin(match[0])} ", text)
        text = self._other_word.sub(lambda match: f" {self._from_other(match[0])} ", text)
        text = self._foreign.sub(" ", text)
        text = _SPACE_BEFORE_PAUSE.sub("", _SPACES.sub(" ", text))
        return _PAUSES_RUN.sub(r"\1", text).strip(" ,;:")

    def _phone(self, match: "regex.Match[str]") -> str:
        """Return a telephone number digit by digit, with a pause between its groups."""
        written = match[0]
        groups = regex.findall(r"\d+", written.removeprefix("00") if match["plus"] else written)
        if sum(map(len, groups)) not in _PHONE_DIGITS:
            return written
        said = ", ".join(self._verbaliser.digits(part) for group in groups for part in _breaths(group))
        return f" {self._verbaliser.symbol('+')} {said} " if match["plus"] else f" {said} "

    def _inflected(self, match: "regex.Match[str]") -> str:
        """Return an ordinal with the gender and case that its ending shows: 5वीं."""
        said = self._verbaliser.ordinal(int(match[1]))
        ending = self._script.ordinal_endings[match[2]]
        masculine = next((end for end in ("वाँ", "واں", "ा", "ا") if said.endswith(end)), "")
        return f" {said.removesuffix(masculine)}{ending if len(masculine) > 1 else ending[-1]} "


def _breaths(digits: str) -> list[str]:
    """Return digits in pieces of at most five, each said in one breath."""
    pieces = -(-len(digits) // 5)
    size = -(-len(digits) // pieces)
    return [digits[at : at + size] for at in range(0, len(digits), size)]
