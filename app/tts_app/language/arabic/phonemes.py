"""Vowelled Arabic to phonemes.

Three steps, each pure: `word_phones` reads one vowelled word by the rules of the script (article and sun
letters, wasla, hamza, ta marbuta, tanwin, long vowels, shadda); `stress` finds the stressed syllable by
weight; `render` joins words (wasla elision) and writes the sounds of one dialect in IPA.

Phones are IPA strings, one per sound: long vowels are `aː`, emphatics `sˤ`, a geminate is its sound twice.
Affricates are one letter here (`ʤ`), and `Q` is a q that dialects keep.
"""

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from tts_app.language.base import TIE
from tts_app.language.text import bounded_marks

FATHA, DAMMA, KASRA, SHADDA, SUKUN = "\u064e", "\u064f", "\u0650", "\u0651", "\u0652"
FATHATAN, DAMMATAN, KASRATAN, DAGGER = "\u064b", "\u064c", "\u064d", "\u0670"
MARKS = "".join(map(chr, range(0x064B, 0x0653))) + DAGGER

VOWELS = frozenset({"a", "i", "u", "e", "o", "aː", "iː", "uː", "eː", "oː"})
SUN = frozenset("تثدذرزسشصضطظلن")
SUN_PHONES = frozenset({"t", "θ", "d", "ð", "r", "z", "s", "ʃ", "sˤ", "dˤ", "tˤ", "ðˤ", "l", "n"})
CONSONANTS = {
    "ء": "ʔ", "ب": "b", "ت": "t", "ث": "θ", "ج": "ʤ", "ح": "ħ", "خ": "x", "د": "d", "ذ": "ð", "ر": "r",
    "ز": "z", "س": "s", "ش": "ʃ", "ص": "sˤ", "ض": "dˤ", "ط": "tˤ", "ظ": "ðˤ", "ع": "ʕ", "غ": "ɣ", "ف": "f",
    "ق": "q", "ك": "k", "ل": "l", "م": "m", "ن": "n", "ه": "h", "و": "w", "ي": "j", "أ": "ʔ", "إ": "ʔ",
    "ؤ": "ʔ", "ئ": "ʔ", "پ": "p", "چ": "ʧ", "ڤ": "v", "گ": "ɡ", "ژ": "ʒ", "ڨ": "Q",
}  # fmt: skip
EMPHATICS = frozenset({"sˤ", "dˤ", "tˤ", "ðˤ", "zˤ"})
COLOURING = EMPHATICS | {"q", "rˤ", "lˤ"}
"""Consonants that pull a neighbouring a back to ɑ."""

_MARK_VOWELS = {
    FATHA: "a",
    DAMMA: "u",
    KASRA: "i",
    DAGGER: "aː",
    FATHATAN: "an",
    DAMMATAN: "un",
    KASRATAN: "in",
}
_GLIDES = {"و": ("w", "u", "uː"), "ي": ("j", "i", "iː")}
_MUTE_ALONE = frozenset("ʔʕ")
_AFFRICATES = {"ʤ": f"d{TIE}ʒ", "ʧ": f"t{TIE}ʃ"}
_PHONE = re.compile(r"[aiueo]ː?|.ˤ?")


class Letter(NamedTuple):
    """A letter and its marks. `vowel` is '', a short vowel, `aː` (dagger alef) or `an` `in` `un` (tanwin)."""

    char: str
    vowel: str = ""
    doubled: bool = False
    quiet: bool = False
    """Whether it has a sukun."""


@dataclass(frozen=True, slots=True)
class Word:
    """One word's phones."""

    phones: tuple[str, ...]
    wasla: bool = False
    """Whether it begins with a vowel that is elided after a vowel."""
    stem: int = 0
    """Index of the first phone after the article, which is never stressed."""


@dataclass(frozen=True, slots=True)
class Sounds:
    """How one dialect's phones sound."""

    shifts: Mapping[str, str] = field(default_factory=dict)
    """The dialect's own consonants, which first replace the standard ones (EG: `ʤ` to `ɡ`)."""
    back_a: str = "ɑ"
    """The sound of an a beside an emphatic."""
    geminate: str = "double"
    """`double`: write a geminate twice; `single`: once; `long`: once with ː."""
    late_stress: bool = False
    """Cairene stress: a light penult may be stressed (makˈtaba, standard ˈmaktaba)."""
    accents: bool = True
    elide: bool = False
    """Elide a word-initial wasla after a vowel (fi l-bahr). Off: words stay apart, and are clearer."""


def letters(word: str) -> list[Letter]:
    """Split a vowelled word into letters with their marks; unknown characters are dropped."""
    found: list[Letter] = []
    for char in unicodedata.normalize("NFC", bounded_marks(word)):
        if char in MARKS and found:
            last = found[-1]
            if char == SHADDA:
                found[-1] = last._replace(doubled=True)
            elif char == SUKUN:
                found[-1] = last._replace(quiet=True)
            elif not last.vowel:
                found[-1] = last._replace(vowel=_MARK_VOWELS[char])
        elif char in CONSONANTS or char in "اٱآىة":
            found.append(Letter("ا" if char == "ٱ" else char))
    return found


def split_phones(written: str) -> tuple[str, ...]:
    """Split an IPA string into phones: `sˤabaːħ` into `sˤ a b aː ħ`."""
    return tuple(_PHONE.findall(written))


def word_phones(word: str, *, pausal: bool) -> Word:
    """Return the phones of a vowelled word.

    Args:
        word: Arabic letters with marks; letters without a mark count as vowelless.
        pausal: Drop the case ending, as before a pause and everywhere in the spoken dialects.
    """
    spelled = letters(word)
    spelled = _drop_ending(spelled) if pausal else spelled
    phones: list[str] = []
    wasla = bool(spelled) and spelled[0].char == "ا"
    stem = 0
    for index, letter in enumerate(spelled):
        _read(letter, index, spelled, phones)
        if _is_article(index, spelled):
            stem = len(phones)
    return Word(tuple(phones), wasla, stem)


def _drop_ending(spelled: list[Letter]) -> list[Letter]:
    """Drop the short vowel, un or in of the last letter, and the t of ta marbuta; an stays before alef."""
    if not spelled:
        return spelled
    last = spelled[-1]
    if last.vowel in {"a", "i", "u", "un", "in"} and len(spelled) > 2:
        return [*spelled[:-1], last._replace(vowel="")]
    if last.char == "ة" or (last.vowel == "an" and last.char != "ا" and last.char not in "ءى"):
        return [*spelled[:-1], last._replace(vowel="")]
    return spelled


def _read(letter: Letter, index: int, spelled: Sequence[Letter], phones: list[str]) -> None:
    """Append the phones of the letter at `index`; a long vowel replaces the short one before it."""
    before = phones[-1] if phones else ""
    following = spelled[index + 1] if index + 1 < len(spelled) else None
    said = _sounds_of(letter, index, spelled, before)
    lengthens = said and (said[0], before) in {("aː", "a"), ("iː", "i"), ("uː", "u")}
    if lengthens and letter.char in "اىوي" and not (letter.char == "ا" and index == 0):
        phones.pop()
    phones.extend(said)
    if letter.char not in "اآىة" and said and said[0] not in VOWELS and not _is_article(index, spelled):
        phones.extend(_vowel(letter.vowel or _implied(letter, following)))


def _sounds_of(letter: Letter, index: int, spelled: Sequence[Letter], before: str) -> tuple[str, ...]:
    """Return the sounds of a letter, without a consonant's own short vowel."""
    following = spelled[index + 1] if index + 1 < len(spelled) else None
    char = letter.char
    if char == "ا":
        return _alef(letter, index, spelled, before)
    if char in "آىة":
        return _vowel_letter(letter, before)
    if char in _GLIDES and _is_long(letter, before, following):
        return (_GLIDES[char][2],)
    if _is_article(index, spelled) and following and following.char in SUN:
        return () if following.doubled else (CONSONANTS[following.char],)
    sound = CONSONANTS[char]
    return (sound, sound) if letter.doubled else (sound,)


def _vowel_letter(letter: Letter, before: str) -> tuple[str, ...]:
    """Read a madda, an alef maqsura or a ta marbuta."""
    if letter.char == "آ":
        return ("ʔ", "aː")
    if letter.char == "ى":
        # After a tanwin the letter is silent; Egyptians write a final ي without its dots.
        return {"n": (), "i": ("iː",)}.get(before, ("aː",))
    ending = ("t", *_vowel(letter.vowel)) if letter.vowel else ()
    return ending if before in VOWELS else ("a", *ending)


def _alef(letter: Letter, index: int, spelled: Sequence[Letter], before: str) -> tuple[str, ...]:
    """Read a bare alef: wasla, a long a, or silence."""
    following = spelled[index + 1] if index + 1 < len(spelled) else None
    if index == 0:
        return (letter.vowel or _wasla_vowel(spelled),)
    if before in {"i", "u", "uː", "iː", "n", "w"} and not letter.vowel:
        # لِا + consonant, the plural's وا, or the seat of a tanwin.
        return ("aː",) if before in {"n", "w"} and not _seat(spelled, index) else ()
    proclitic = index == 1 and before == "a" and spelled[0].char in "وفبكل"
    if proclitic and following and (_is_article(2, spelled) or (following.quiet and not following.doubled)):
        return ()
    if letter.vowel in {"an", "a", "aː"} and before in VOWELS:
        return ("n",) if letter.vowel == "an" else ("aː",)
    if letter.vowel == "an":
        return ("a", "n")
    return ("aː",)


def _seat(spelled: Sequence[Letter], index: int) -> bool:
    """Return whether the alef at `index` is silent: it has a tanwin or ends the plural ending وا."""
    previous = spelled[index - 1]
    return previous.vowel == "an" or (
        index == len(spelled) - 1 and previous.char == "و" and not previous.vowel
    )


def _wasla_vowel(spelled: Sequence[Letter]) -> str:
    """Return the vowel of a word-initial bare alef."""
    if (
        len(spelled) > 1
        and spelled[1].char == "ل"
        and (len(spelled) < 3 or not spelled[1].vowel or spelled[1].doubled)
    ):
        return "a"
    if len(spelled) > 2 and spelled[2].vowel == "u" and not spelled[1].vowel and spelled[-1].char != "ا":
        return "u"
    if len(spelled) > 1 and spelled[1].char == "ل" and spelled[2].char == "ا":
        return "a"
    return "i"


def _is_article(index: int, spelled: Sequence[Letter]) -> bool:
    """Return whether the lam at `index` is the article's: after the word's first alef, or in لِل."""
    if (
        index >= len(spelled) - 1
        or spelled[index].char != "ل"
        or spelled[index].vowel
        or spelled[index].doubled
    ):
        return False
    if index in {1, 2} and spelled[index - 1].char == "ا" and (index == 1 or spelled[0].char in "وفبكل"):
        return True
    if index == 3 and spelled[2].char == "ا" and spelled[0].char in "وف" and spelled[1].char in "بكل":
        return True
    return index in {1, 2} and spelled[index - 1] == Letter("ل", "i")


def _is_long(letter: Letter, before: str, following: Letter | None) -> bool:
    """Return whether waw or ya is a long vowel here."""
    if letter.vowel or letter.doubled:
        return False
    short = _GLIDES[letter.char][1]
    if before == short:
        return True
    if following and following.char in "اىآ" and not (letter.char == "و" and following.char == "ا"):
        return False
    return bool(before) and before not in VOWELS and not letter.quiet


def _implied(letter: Letter, following: Letter | None) -> str:
    """Return the vowel of an unmarked seated hamza."""
    if letter.quiet or letter.vowel:
        return ""
    if letter.char == "إ":
        return "i"
    if letter.char == "أ" and following and following.char not in "اوي":
        return "a"
    return ""


def _vowel(vowel: str) -> tuple[str, ...]:
    """Return the phones of a mark: a tanwin is a vowel and n."""
    if not vowel:
        return ()
    return (vowel[0], "n") if vowel.endswith("n") else (vowel,)


def stress(phones: Sequence[str], *, start: int = 0, late: bool = False) -> int | None:
    """Return the index of the stressed vowel in `phones` from `start` on, or None where there is no vowel.

    Weight decides: a superheavy last syllable, else a heavy penult, else the antepenult. `late` is the
    Cairene rule: with a light penult, count from the last heavy syllable or the word's start, in pairs.
    """
    nuclei = [index for index, phone in enumerate(phones) if phone in VOWELS and index >= start]
    if len(nuclei) < 2:
        return nuclei[0] if nuclei else None
    ends = [*nuclei[1:], len(phones) + 1]
    codas = [end - start - 2 for start, end in zip(nuclei, ends, strict=True)]
    heavy = [phones[n].endswith("ː") or coda > 0 for n, coda in zip(nuclei, codas, strict=True)]
    long_last = phones[nuclei[-1]].endswith("ː")
    if codas[-1] > (0 if long_last else 1):
        return nuclei[-1]
    if heavy[-2] or len(nuclei) == 2:
        return nuclei[-2]
    if not late:
        return nuclei[-3]
    anchor = max((i for i in range(len(nuclei) - 2) if heavy[i]), default=-1)
    return nuclei[-2] if (len(nuclei) - 2 - anchor) % 2 else nuclei[-3]


def render(words: Sequence[Word], sounds: Sounds) -> str:
    """Write the words of one phrase in IPA, separated by spaces; a glottal sound alone is not a word."""
    written: list[str] = []
    previous: list[str] = []
    for word in words:
        phones = [sounds.shifts.get(phone, phone) for phone in word.phones]
        if sounds.elide and word.wasla and previous and previous[-1] in VOWELS and phones:
            previous[-1] = previous[-1].removesuffix("ː")
            written[-1] = _write(previous, sounds, words[len(written) - 1].stem)
            phones = phones[1:]
        previous = phones
        written.append("" if set(phones) <= _MUTE_ALONE else _write(phones, sounds, word.stem))
    return " ".join(piece for piece in written if piece)


def _write(phones: Sequence[str], sounds: Sounds, stem: int) -> str:
    """Write one word's phones in IPA."""
    accent = stress(phones, start=stem, late=sounds.late_stress) if sounds.accents else None
    written: list[str] = []
    for index, phone in enumerate(phones):
        around = {*phones[max(0, index - 1) : index], *phones[index + 1 : index + 2]}
        if phone[0] == "a" and around & COLOURING:
            symbol = sounds.back_a + phone[1:]
        else:
            symbol = _AFFRICATES.get(phone, phone)
        if index and phone == phones[index - 1] and phone not in VOWELS and sounds.geminate != "double":
            symbol = "ː" if sounds.geminate == "long" else ""
        written.append("ˈ" + symbol if index == accent else symbol)
    return "".join(written)
