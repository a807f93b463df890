"""Error rates of a transcript against what should have been said, blind to how it is written.

    word_error_rate("It costs twenty dollars.", "it costs $20", "en")            # 0.0
    character_error_rate("مدرسة", "مدرسه", "ar")                                 # 0.0

Both sides are folded to one form: case, punctuation, diacritics; English and Spanish number words to digits
(so "$1,299", "1299 dollars" and "twelve ninety-nine dollars" are equal), contractions, British spelling;
Arabic, Urdu and Hindi letters that writers use at will to one of the family. In Arabic, Urdu and Hindi the
digits and symbols of a transcript must become words: pass `normalise`, the front-end's own
(`front_end(locale).normalise`). It is used only on a side that has digits, symbols or Latin letters.

French, Italian and Portuguese are compared in words alone: numbers and signs of both sides are written out.

Where a spelling joins or parts words ("check-in", "grandhotel.com"), words are joined or parted to match.
"""

import re
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import jiwer
from num2words import num2words

from tts_app.evaluate.spellings import (
    ARABIC_FOLDS,
    BRITISH_EN,
    CENTS,
    CONTRACTION_ENDINGS_EN,
    CONTRACTIONS_EN,
    CURRENCIES,
    CURRENCY_WORDS,
    DECIMAL_POINTS,
    HINDI_FOLDS,
    HINDI_NASALS,
    HOUR_JOINTS,
    HUNDREDS_ES,
    NUMBERS,
    ORDINALS_EN,
    ORDINALS_ES,
    SAME_EN,
    SAME_ES,
    SCALES_EN,
    SCALES_ES,
    SYMBOLS,
    TENS_EN,
    TENS_ES,
    UNITS_EN,
    UNITS_ES,
    URDU_FOLDS,
    WRITTEN,
)

CAP = 1.5
"""The most that one sentence counts: a runaway transcript says no more than 'not understood'."""
LONGEST_NUMBER = 6
"""Longer digit strings are phone numbers and codes, which are said, and counted, digit by digit."""
LONGEST_COMPOUND = 5

Normalise = Callable[[str], str]


@dataclass(frozen=True, slots=True)
class Score:
    """The errors of one sentence, and how many words or characters it has."""

    errors: float
    length: int

    @property
    def rate(self) -> float:
        """Errors a unit of the reference, 0-1.5."""
        return self.errors / self.length


def score_words(
    references: Sequence[str], hypothesis: str, language: str, normalise: Normalise | None = None
) -> Score:
    """Return the word errors against the nearest of `references`, at most 1.5 a word.

    Raises:
        ValueError: a reference has no word.
    """
    return _nearest(references, hypothesis, language, normalise, jiwer.process_words)


def score_characters(
    references: Sequence[str], hypothesis: str, language: str, normalise: Normalise | None = None
) -> Score:
    """Return the character errors, spaces between words counted, as `score_words` does for words."""
    return _nearest(references, hypothesis, language, normalise, jiwer.process_characters)


def word_error_rate(
    reference: str, hypothesis: str, language: str, normalise: Normalise | None = None
) -> float:
    """Return the word errors a reference word, at most 1.5. `language` is that of `fold`, or a locale."""
    return score_words([reference], hypothesis, language, normalise).rate


def character_error_rate(
    reference: str, hypothesis: str, language: str, normalise: Normalise | None = None
) -> float:
    """Return the character errors a reference character, spaces between words counted, at most 1.5."""
    return score_characters([reference], hypothesis, language, normalise).rate


def _nearest(
    references: Sequence[str],
    hypothesis: str,
    language: str,
    normalise: Normalise | None,
    process: Callable[[str, str], Any],
) -> Score:
    scores = []
    for reference in references:
        said, heard = folded_words(reference, hypothesis, language, normalise)
        if not said:
            raise ValueError(f"nothing to compare with in the reference {reference!r}")
        counts = process(" ".join(said), " ".join(heard))
        length = counts.hits + counts.substitutions + counts.deletions
        errors = counts.substitutions + counts.deletions + counts.insertions
        scores.append(Score(min(CAP * length, float(errors)), length))
    return min(scores, key=lambda score: score.rate)


def folded_words(
    reference: str, hypothesis: str, language: str, normalise: Normalise | None = None
) -> tuple[list[str], list[str]]:
    """Return the words of both sides in the one form that they are compared in."""
    base = language.split("-", maxsplit=1)[0]
    said = fold(reference, base, normalise).split()
    heard = fold(hypothesis, base, normalise).split()
    return said, match_compounds(said, heard)


def fold(text: str, language: str, normalise: Normalise | None = None) -> str:
    """Return `text` as lower-case words, spaces between, in the one spelling of `language`."""
    text = unicodedata.normalize("NFKC", text)
    if language in ("en", "es"):
        return _fold_latin(text, language)
    if language in WRITTEN:
        return _fold_into_words(text, language)
    if normalise is not None and re.search(r"[0-9٠-٩۰-۹०-९A-Za-z%$€£₹#@&+]", text):
        text = normalise(text)
    folds = {"ar": ARABIC_FOLDS, "ur": URDU_FOLDS, "hi": HINDI_FOLDS}[language]
    if language == "hi":
        # Composition would hide the nukta of the letters that Unicode composes.
        text = unicodedata.normalize("NFD", text)
    else:
        text = "".join(c for c in text if unicodedata.category(c) != "Mn")
    for written, one in folds.items():
        text = text.replace(written, one)
    for pattern, one in HINDI_NASALS if language == "hi" else ():
        text = re.sub(pattern, one, text)
    text = re.sub(r"[\u200b-\u200f\u2060]", "", text)
    # Marks are part of the word: \w alone would part Devanagari at its vowel signs.
    return " ".join(
        "".join(c if c.isalnum() or unicodedata.category(c)[0] == "M" else " " for c in text).lower().split()
    )


def _fold_into_words(text: str, language: str) -> str:
    """Return lower-case words of a language whose numbers num2words writes out, without any digit or sign."""
    text = text.lower().replace("\u2044", "/")
    text = re.sub(r"(?<=\d)[ .\u202f\u00a0](?=\d{3}(?!\d))", "", text)
    text = re.sub(r"\b0?(\d{1,2})\s?[:h]\s?00\b", r"\1 h", text)
    text = re.sub(r"\b0?(\d{1,2})\s?[:h]\s?(\d\d)\b", rf"\1 {HOUR_JOINTS[language]} \2", text)
    text = re.sub(r"(\d),(\d)", rf"\1 {DECIMAL_POINTS[language]} \2", text)
    text = re.sub(r"r\$\s?(\d+)", r"\1 r$", text)
    text = re.sub(r"(?<=\d)(?=[^\W\d])|(?<=[^\W\d])(?=\d)", " ", text)
    for sign, words in WRITTEN[language].items():
        pattern = rf"(?<!\w){re.escape(sign)}(?!\w)" if sign.isalpha() else re.escape(sign)
        text = re.sub(pattern, f" {words} ", text)
    text = re.sub(r"\d+", lambda match: f" {_number_words(match[0], language)} ", text)
    return " ".join(re.sub(r"[^\w]|_", " ", text).split())


def _number_words(digits: str, language: str) -> str:
    """Return a number in words: digit by digit where it starts with a zero, or is too long to be said."""
    is_amount = len(digits) <= LONGEST_NUMBER and (digits == "0" or digits[0] != "0")
    parts = [digits] if is_amount else list(digits)
    return " ".join(num2words(int(part), lang=NUMBERS[language]) for part in parts)


def match_compounds(said: Sequence[str], heard: Sequence[str]) -> list[str]:
    """Return `heard` with words joined, or parted, where just that makes them words of `said`."""
    parted: list[str] = []
    compounds = {"".join(run): run for run in _runs(said)}
    known = set(said)
    for word in heard:
        parted.extend(compounds[word] if word in compounds and word not in known else [word])
    joined: list[str] = []
    index = 0
    while index < len(parted):
        for length in range(min(LONGEST_COMPOUND, len(parted) - index), 1, -1):
            whole = "".join(parted[index : index + length])
            if whole in known and not _contains(said, parted[index : index + length]):
                joined.append(whole)
                index += length
                break
        else:
            joined.append(parted[index])
            index += 1
    return joined


def _runs(words: Sequence[str]) -> list[Sequence[str]]:
    lengths = range(2, LONGEST_COMPOUND + 1)
    return [words[i : i + n] for n in lengths for i in range(len(words) - n + 1)]


def _contains(words: Sequence[str], run: Sequence[str]) -> bool:
    return any(list(words[i : i + len(run)]) == list(run) for i in range(len(words) - len(run) + 1))


def _fold_latin(text: str, language: str) -> str:
    # Camel case in tags and names is the only sign of a word border there.
    text = re.sub(r"(?<=[a-zñáéíóú])(?=[A-ZÑÁÉÍÓÚ])", " ", text) if "#" in text or "@" in text else text
    text = text.lower().replace("’", "'").replace("‘", "'").replace("–", "-").replace("—", " ")
    if language == "es":
        text = _plain_vowels(text)
    text = _fold_written_numbers(text, language)
    for symbol, words in SYMBOLS[language].items():
        text = text.replace(symbol, f" {words} ")
    text = _fold_english(text) if language == "en" else _fold_spanish(text)
    return " ".join(_merge_numbers(_parse_numbers(text.split(), language), language))


def _plain_vowels(text: str) -> str:
    """Drop the accents of vowels, which only tell homophones apart, and keep ñ."""
    return unicodedata.normalize(
        "NFC", re.sub(r"([aeiou])[\u0300\u0301\u0308]", r"\1", unicodedata.normalize("NFD", text))
    )


def _fold_written_numbers(text: str, language: str) -> str:
    """Rewrite digits with signs - money, times, decimals, groups, ordinals - as bare digits and words."""
    group, mark, point = (",", ".", "point") if language == "en" else (".", ",", "coma")
    group_pattern = rf"(?<=\d){re.escape(group)}(?=\d{{3}}(?!\d))"
    text = re.sub(group_pattern, "", text)
    if language == "es":
        text = re.sub(r"(?<=\d) (?=\d{3}(?!\d))", "", text)
    for sign, name in CURRENCIES[language].items():
        escaped = re.escape(sign)
        text = re.sub(
            rf"(?<!\w){escaped}\s?(\d+(?:[.,]\d+)?)(\s(?:million|billion|thousand))?", rf" \1\2 {name} ", text
        )
        text = re.sub(rf"(\d)\s?{escaped}", rf"\1 {name} ", text)
    text = re.sub(r"\b(\d{1,2})\.(\d\d)(?=\s?[ap]\.?\s?m\b)", r"\1:\2", text)
    text = re.sub(r"\b0?(\d{1,2})[:.h]00(?=\s?(?:[ap]\.?\s?m\b|h\b|hours|horas))", r"\1", text)
    text = re.sub(r"\b0?(\d{1,2}):00\b", r"\1", text)
    text = re.sub(r"\b0?(\d{1,2}):(\d\d)\b", r"\1 \2", text)
    text = re.sub(r"(\d)(st|nd|rd|th|º|ª|\.º|\.ª|o\b|a\b)(?!\w)", r"\1", text)
    # Prices: 19.99 dollars and 19 dollars 99 are one, whichever sign parts the cents.
    names = "|".join(CURRENCY_WORDS[language])
    text = re.sub(rf"\b(\d+)[.,](\d\d)(?=\s+(?:australian\s+)?(?:{names})\b)", r"\1 \2", text)
    text = re.sub(rf"(\d){re.escape(mark)}(\d)", rf"\1 {point} \2", text)
    text = re.sub(r"(?<=\d)(?=[a-zñ])|(?<=[a-zñ])(?=\d)", " ", text)
    return re.sub(r"(?<=\d)[-/.,](?=\d)", " ", text)


def _fold_english(text: str) -> str:
    text = re.sub(r"\b([a-z])\.(?=[a-z]\b)", r"\1", text)
    # Full stops inside a word are addresses'; the rest is punctuation.
    text = re.sub(r"(?<=[a-z])\.(?=[a-z])", " dot ", text)
    text = re.sub(r"\b([ap])\s?\.?\s?m\b\.?", r"\1m", text)
    words = [CONTRACTIONS_EN.get(word, word) for word in re.sub(r"[^a-z0-9'à-ÿ]", " ", text).split()]
    text = " ".join(words)
    for ending, full in CONTRACTION_ENDINGS_EN.items():
        text = re.sub(rf"{ending}\b", full, text)
    text = text.replace("'", "").replace("per cent ", "percent ")
    text = unicodedata.normalize("NFD", text)
    text = "".join(c for c in text if unicodedata.category(c) != "Mn")
    for pattern, spelling in BRITISH_EN:
        text = re.sub(pattern, spelling, text)
    text = " ".join(SAME_EN.get(word, word) for word in text.split())
    text = re.sub(
        r"\b(double|triple) (\w+)", lambda m: " ".join([m[2]] * (2 if m[1] == "double" else 3)), text
    )
    return re.sub(r"\bhalf past (\w+)", r"\1 thirty", text)


def _fold_spanish(text: str) -> str:
    text = re.sub(r"\b([a-z])\.\s?(?=[a-z]\b)", r"\1", text)
    text = re.sub(r"(?<=[a-zñ])\.(?=[a-zñ])", " punto ", text)
    text = re.sub(r"[^a-z0-9ñ]", " ", text)
    return " ".join(SAME_ES.get(word, word) for word in text.split())


def _parse_numbers(words: Sequence[str], language: str) -> list[str]:
    """Replace runs of number words by digits; a run that is two numbers ("twenty twelve") becomes two."""
    return _parse_english(words) if language == "en" else _parse_spanish(words)


class _Number:
    """A number that is being read word after word."""

    def __init__(self) -> None:
        self.total = 0
        self.current: int | None = None
        self.room = 0
        """What may still be added to `current` without a scale: below this."""

    @property
    def empty(self) -> bool:
        return self.current is None

    def add(self, value: int, room: int) -> bool:
        """Add `value` where the number so far has room for it; tell whether it had."""
        if self.current is None:
            self.current = value
        elif value < self.room and value > 0:
            self.current += value
        else:
            return False
        self.room = room
        return True

    def scale(self, factor: int) -> bool:
        if self.current is None:
            return False
        if factor == 100:
            if self.current >= 100:
                return False
            self.current *= 100
            self.room = 100
            return True
        self.total += self.current * factor
        self.current = 0
        self.room = factor
        return True

    @property
    def value(self) -> int:
        return self.total + (self.current or 0)


def _parse_english(words: Sequence[str]) -> list[str]:
    out: list[str] = []
    number = _Number()

    def flush() -> None:
        nonlocal number
        if not number.empty:
            out.append(str(number.value))
        number = _Number()

    for index, written in enumerate(words):
        word = ORDINALS_EN.get(written, written)
        following = ORDINALS_EN.get(words[index + 1], words[index + 1]) if index + 1 < len(words) else ""
        if word.isdigit():
            flush()
            if following not in SCALES_EN:
                out.append(word)
            else:
                number.add(int(word), 0)
        elif word in UNITS_EN or word in TENS_EN:
            value = UNITS_EN.get(word, TENS_EN.get(word, 0))
            room = 10 if word in TENS_EN else 0
            if not number.add(value, room):
                flush()
                number.add(value, room)
        elif (word in SCALES_EN and number.scale(SCALES_EN[word])) or (
            word == "and" and number.room >= 100 and (following in UNITS_EN or following in TENS_EN)
        ):
            continue
        elif word in ("oh", "o") and not number.empty and (following in UNITS_EN):
            flush()
            out.append("0")
        else:
            flush()
            out.append(written)
    flush()
    return out


def _parse_spanish(words: Sequence[str]) -> list[str]:
    out: list[str] = []
    number = _Number()

    def flush() -> None:
        nonlocal number
        if not number.empty:
            out.append(str(number.value))
        number = _Number()

    for index, written in enumerate(words):
        word = ORDINALS_ES.get(written, written)
        following = words[index + 1] if index + 1 < len(words) else ""
        if word.isdigit():
            flush()
            if following not in SCALES_ES:
                out.append(word)
            else:
                number.add(int(word), 0)
        elif word in UNITS_ES or word in TENS_ES or word in HUNDREDS_ES:
            value = UNITS_ES.get(word, TENS_ES.get(word, HUNDREDS_ES.get(word, 0)))
            room = 10 if word in TENS_ES else 100 if word in HUNDREDS_ES else 0
            # "treinta dos" without its "y" is two numbers, as in a phone number.
            joined = number.room != 10 or (index > 0 and words[index - 1] == "y")
            if not (joined and number.add(value, room)):
                flush()
                number.add(value, room)
        elif word in SCALES_ES:
            if number.empty:
                number.add(1, 0)
            number.scale(SCALES_ES[word])
        elif word == "y" and number.room == 10 and UNITS_ES.get(following, 10) < 10:
            continue
        else:
            flush()
            out.append(written)
    flush()
    return out


def _merge_numbers(words: Sequence[str], language: str) -> list[str]:
    """Join adjacent digits, the cents to their money, so that every way to write one amount is equal."""
    # "las siete y media", heard and written 7:30.
    parts = {"media": "30", "cuarto": "15"} if language == "es" else {}
    out: list[str] = []
    index = 0
    while index < len(words):
        word = words[index]
        if word.isdigit() and out and out[-1].isdigit():
            out[-1] += word
        elif word.isdigit() and _continues(out, word, language):
            out.pop()
            out[-1] = str(int(out[-1]) + int(word))
        elif word in CURRENCY_WORDS[language] and out and _amount_ends(out):
            cents, index = _cents_after(words, index, language)
            out[-1 if out[-1].isdigit() else -2] += cents
            out.append(word)
        elif word in parts and len(out) > 1 and out[-1] == "y" and out[-2].isdigit():
            out.pop()
            out[-1] += parts[word]
        else:
            out.append(word)
        index += 1
    return [
        part
        for word in out
        for part in (list(word) if word.isdigit() and len(word) > LONGEST_NUMBER else [word])
    ]


def _continues(out: Sequence[str], word: str, language: str) -> bool:
    """Return whether `word` ends a number that the recogniser wrote in parts: "70 y 9", "100 and 89"."""
    if len(out) < 2 or not out[-2].isdigit():
        return False
    if language == "es":
        return out[-1] == "y" and len(word) == 1 and out[-2][-2:] in {str(tens) for tens in TENS_ES.values()}
    return out[-1] == "and" and len(word) <= 2 and out[-2].endswith("00")


def _cents_after(words: Sequence[str], index: int, language: str) -> tuple[str, int]:
    """Return the cents said after the name of the money at `index`, two digits or none, and where they end.

    "19 dollars and 99 cents", "89 pounds 50", "19 euros con 99 céntimos".
    """
    joins = {"en": ("and",), "es": ("con", "y")}[language]
    following = [*words[index + 1 : index + 4], "", "", ""]
    at = 1 if following[0] in joins else 0
    if following[at].isdigit() and following[at + 1] in CENTS[language]:
        return following[at].zfill(2), index + at + 2
    if at == 0 and following[0].isdigit() and len(following[0]) == 2:
        return following[0], index + 1
    return "", index


def _amount_ends(words: Sequence[str]) -> bool:
    return words[-1].isdigit() or (len(words) > 1 and words[-1] == "australian" and words[-2].isdigit())
