"""Urdu and Devanagari: two scripts of one sound system, each turned into the other.

Urdu is written without most short vowels. A word is spelled in Devanagari from the first of these that
applies: the lexicon of `urdu.lexicon`; by rule, its marks (zabar, zer, pesh ...), if it has any; the
corrected output of espeak-ng's Urdu voice. Devanagari writes every vowel, so the way back is exact: short
vowels are marked.
"""

from functools import lru_cache
from typing import NamedTuple

import regex

from tts_app.language.espeak import Espeak
from tts_app.language.hindi.letters import URDU_PHONES, VOWELS, spell, write
from tts_app.language.urdu.lexicon import LEXICON
from tts_app.language.urdu.words import CARDINALS_SPOKEN

ZABAR, ZER, PESH, SHADDA, SUKUN, TANWIN, DAGGER = (
    "\N{ARABIC FATHA}",
    "\N{ARABIC KASRA}",
    "\N{ARABIC DAMMA}",
    "\N{ARABIC SHADDA}",
    "\N{ARABIC SUKUN}",
    "\N{ARABIC FATHATAN}",
    "\N{ARABIC LETTER SUPERSCRIPT ALEF}",
)
_MARKS = frozenset((ZABAR, ZER, PESH, SHADDA, SUKUN, TANWIN, DAGGER))
_LONGEST_WORD = 100
"""Most characters of a word whose endings are looked for: they are taken off one by one."""
_SHORT_MARKS = frozenset((ZABAR, ZER, PESH, SUKUN))
_VIRAMA, _NUKTA = "\N{DEVANAGARI SIGN VIRAMA}", "\N{DEVANAGARI SIGN NUKTA}"

_NORMAL = str.maketrans(
    {
        "ي": "ی",
        "ى": "ی",
        "ك": "ک",
        "ه": "ہ",
        "ە": "ہ",
        "ة": "ۃ",
        "ۀ": "ۂ",
        "أ": "ا",
        "إ": "ا",
        "ٱ": "ا",
        "ۓ": "ئے",
        "ـ": None,
        "\u200d": None,
    }
)
"""Arabic and Persian code points of letters for which Urdu has its own, and decoration."""

_CONSONANTS = {
    "ب": "ब", "پ": "प", "ت": "त", "ٹ": "ट", "ث": "स", "ج": "ज", "چ": "च", "ح": "ह", "خ": "ख़",
    "د": "द", "ڈ": "ड", "ذ": "ज़", "ر": "र", "ڑ": "ड़", "ز": "ज़", "ژ": "ज़", "س": "स", "ش": "श",
    "ص": "स", "ض": "ज़", "ط": "त", "ظ": "ज़", "غ": "ग़", "ف": "फ़", "ق": "क़", "ک": "क", "گ": "ग",
    "ل": "ल", "م": "म", "ن": "न", "و": "व", "ہ": "ह", "ی": "य",
}  # fmt: skip
_ASPIRATES = {
    "ب": "भ", "پ": "फ", "ت": "थ", "ٹ": "ठ", "ج": "झ", "چ": "छ", "د": "ध", "ڈ": "ढ", "ڑ": "ढ़",
    "ک": "ख", "گ": "घ",
}  # fmt: skip
"""What a letter becomes before ھ; the others (م ن ل ر) get a separate ह."""
_SHORT = {ZABAR: "a", ZER: "i", PESH: "u"}
_WITH_WAW = {"": "o", "a": "O", "i": "U", "u": "U"}
_WITH_YEH = {"": "e", "a": "E", "i": "I", "u": "I"}
"""The vowel of و or ی, by the short vowel that is marked before it."""
_WITH_AIN = {"": "A", "a": "A", "i": "e", "u": "o"}
"""The vowel to which ع lengthens a short one."""
_WORD = regex.compile(r"(?:(?![،؛؟۔])[\p{Arabic}\p{Mn}])+")


_SIGNS = frozenset(sign for _, sign in VOWELS.values() if sign)

_STRESS = regex.compile("[ˈˌ ]")
_REPAIRS = (
    (regex.compile(""), regex.compile(r"(?<=[^aeouɛɔ]ː?)iː?(?=[aəʌoɔ])"), "ɪj"),
    (regex.compile(""), regex.compile("ɛh(?:ɛ(?!ː))?"), "əh"),
    (regex.compile("ہ$"), regex.compile(r"(?<=[^aəʌɪiʊueoɛɔː])[aəʌ]$"), "aː"),
    (regex.compile("ں$"), regex.compile("n$"), "\N{COMBINING TILDE}"),
    (regex.compile("یے$"), regex.compile("[iɪ]?ː?j?eː$"), "ɪeː"),
    (regex.compile("ائ"), regex.compile("[aəʌ]ɪ"), "aːɪ"),
)
"""For spellings that match the first pattern: what is wrong in espeak-ng's phonemes, and what is right."""


class _Letter(NamedTuple):
    """A letter of an Urdu word, whether ھ follows it, and its marks."""

    base: str
    aspirated: bool
    marks: str

    @property
    def short(self) -> str:
        """The short vowel marked on it: `a`, `i`, `u` or ''."""
        return next((_SHORT[mark] for mark in self.marks if mark in _SHORT), "")


_NOTHING = _Letter("", False, "")


def normal(text: str) -> str:
    """Return `text` with Urdu's own code points for letters that Arabic and Persian encode differently."""
    return text.translate(_NORMAL)


def to_devanagari(text: str) -> str:
    """Return `text` with its Urdu words in Devanagari, spelled as they are spoken; the rest stays."""
    return _WORD.sub(lambda match: _spelled(match[0]), normal(text).replace("ۃ", "ہ"))


def _spelled(word: str) -> str:
    """Return one Urdu word in Devanagari."""
    known = CARDINALS_SPOKEN.get(word) or LEXICON.get(word)
    if known:
        return known
    may_end = len(word) <= _LONGEST_WORD
    # The izafat joins two nouns: hukumat-e-Pakistan.
    if may_end and word.endswith((ZER, "ۂ")) and len(word) > 2:
        stem = _spelled(word[:-1] + "ہ" if word.endswith("ۂ") else word[:-1])
        return stem + VOWELS["e"][stem[-1] not in _SIGNS] if stem else ""
    if may_end and word.endswith((f"ا{TANWIN}", f"{TANWIN}ا")):
        return f"{_spelled(word[:-2])}न"
    bare = "".join(letter for letter in word if letter not in _MARKS)
    known = LEXICON.get(bare)
    if not _SHORT_MARKS.intersection(word) and (known or DAGGER not in word):
        return known or _heard(bare)
    read = _Speller(_letters(word)).spell()
    return known if known and known.replace(_VIRAMA, "") == read.replace(_VIRAMA, "") else read


@lru_cache(maxsize=1)
def _urdu_voice() -> Espeak:
    return Espeak("ur")


@lru_cache(maxsize=16_384)
def _heard(word: str) -> str:
    """Return the corrected output of espeak-ng's Urdu voice for an unmarked word, in Devanagari."""
    phones = _STRESS.sub("", _urdu_voice().phonemise([word])[0])
    for spelling, wrong, right in _REPAIRS:
        if spelling.search(word):
            phones = wrong.sub(right, phones)
    return spell(phones, URDU_PHONES)


class _Speller:
    """Spells a word whose short vowels are marked, letter by letter, as sounds for `hindi.letters.write`."""

    def __init__(self, letters: list[_Letter]) -> None:
        self._letters = letters
        self._at = 0
        self._sounds: list[str] = []
        self._open = False
        """Whether the last sound is a consonant whose vowel has not come yet."""
        self._vowel = ""
        """The short vowel marked on that consonant."""

    def spell(self) -> str:
        """Return the word in Devanagari."""
        spell_letter = {
            "ا": self._alif,
            "آ": self._madda,
            "ع": self._ain,
            "و": self._waw,
            "ی": self._yeh,
            "ے": self._bari_yeh,
            "ئ": self._hamza,
            "ؤ": self._waw_hamza,
            "ہ": self._heh,
            "ں": self._nasal,
        }
        while self._at < len(self._letters):
            letter = self._letters[self._at]
            if DAGGER in letter.marks:
                self._dagger(letter)
            elif letter.base in spell_letter:
                spell_letter[letter.base](letter)
            elif letter.base in _CONSONANTS:
                self._consonant(letter)
            self._at += 1
        if self._open and self._vowel:
            self._write(self._vowel)
        return write("".join(self._sounds))

    def _next(self, ahead: int = 1) -> _Letter:
        at = self._at + ahead
        return self._letters[at] if at < len(self._letters) else _NOTHING

    def _write(self, vowel: str) -> None:
        self._sounds.append(vowel)
        self._open, self._vowel = False, ""

    def _close(self) -> None:
        """Give the last consonant its vowel: the marked one, else the commonest."""
        if self._open:
            self._write(self._vowel or "a")

    def _consonant(self, letter: _Letter) -> None:
        self._close()
        plain = _CONSONANTS[letter.base]
        sound = f"={plain}"
        if letter.aspirated:
            sound = f"={_ASPIRATES[letter.base]}" if letter.base in _ASPIRATES else f"={plain}=ह"
        self._sounds.append(f"={plain}{sound}" if SHADDA in letter.marks else sound)
        self._open, self._vowel = SUKUN not in letter.marks, letter.short

    def _dagger(self, letter: _Letter) -> None:
        if letter.base not in "یو":
            self._consonant(letter)
        self._write("A")

    def _alif(self, letter: _Letter) -> None:
        if self._at:
            self._write("A")
        elif self._next().base == "ع" and not letter.short:
            self._write("e")
            self._at += 1
        else:
            self._initial(letter.short)

    def _initial(self, short: str) -> None:
        """Write the vowel at the beginning of a word: `short`, and و or ی where they lengthen it."""
        after, later = self._next(), self._next(2)
        vocalic = not after.marks and later.base not in {"ا", "ے"}
        if after.base == "و" and vocalic and later.base != "ی":
            self._write(_WITH_WAW[short])
            self._at += 1
        elif after.base == "ی" and vocalic:
            self._write(_WITH_YEH[short])
            self._at += 1
        else:
            self._write(short or "a")

    def _madda(self, _: _Letter) -> None:
        self._close()
        self._write("A")

    def _ain(self, letter: _Letter) -> None:
        after = self._next()
        if not self._at and (letter.short or after.base not in {"ا", "ی"}):
            self._initial(letter.short)
        elif after.base in {"ا", "ی", "و"} and not letter.short:
            self._close()
            self._write({"ا": "A", "ی": "I", "و": "U"}[after.base])
            self._at += 1
        elif letter.short:
            self._close()
            self._lengthened(letter.short)
        elif self._open:
            self._write(_WITH_AIN[self._vowel])
        elif self._sounds and self._sounds[-1] in {
            "a",
            "i",
            "u",
        }:  # ilan: the vowel of the word's first letter
            self._write(_WITH_AIN[self._sounds.pop()])
        elif after.base:
            self._write("i")

    def _waw(self, letter: _Letter) -> None:
        after = self._next()
        vocalic = self._at and self._open and not letter.marks and after.base not in {"ا", "ی", "ے"}
        if vocalic:
            self._write(_WITH_WAW[self._vowel])
        else:
            self._consonant(letter)

    def _yeh(self, letter: _Letter) -> None:
        after = self._next()
        if not self._at or letter.marks or (not self._open and after.base):
            self._consonant(letter)
        elif not self._open:
            self._write("I")
        elif self._glides(after):
            self._write(self._vowel or "i")
            self._consonant(letter)
        elif not after.base and not self._vowel:
            self._write("I")
        else:
            self._write(_WITH_YEH[self._vowel])

    def _glides(self, after: _Letter) -> bool:
        """Return whether the ی before `after` glides to a vowel: dunya, shukriya."""
        if after.base == "ہ":
            return not self._next(2).base and not after.marks
        return after.base in {"ا", "و", "ے"} and not after.marks

    def _bari_yeh(self, _: _Letter) -> None:
        self._write("E" if self._vowel == "a" else "e")

    def _hamza(self, letter: _Letter) -> None:
        after = self._next()
        self._close()
        if letter.short:
            self._lengthened(letter.short)
            return
        if after.base == "ی":
            self._write("e" if self._next(2).base == "ں" else "I")
        elif after.base in {"ے", "و"}:
            self._write("e" if after.base == "ے" else "o")
        else:
            self._write("i")
            return
        self._at += 1

    def _lengthened(self, short: str) -> None:
        """Write `short`, the vowel of ع or ئ, and و or ی where they lengthen it: shuur, rais."""
        after = self._next()
        vocalic = not after.marks and self._next(2).base not in {"ا", "ے"}
        lengthened = {"و": _WITH_WAW, "ی": _WITH_YEH}.get(after.base) if vocalic else None
        self._write(lengthened[short] if lengthened else short)
        self._at += lengthened is not None

    def _waw_hamza(self, _: _Letter) -> None:
        self._close()
        self._write("o")

    def _heh(self, letter: _Letter) -> None:
        ends = not self._next().base
        if (
            ends and self._at and DAGGER in self._letters[self._at - 1].marks
        ):  # salat, zakat: it was written ۃ
            self._consonant(_Letter("ت", False, SUKUN))
        elif not ends or not self._open or letter.marks:
            self._consonant(letter)
        else:
            self._write("A")

    def _nasal(self, _: _Letter) -> None:
        self._close()
        self._sounds.append("~")


def _letters(word: str) -> list[_Letter]:
    return [
        _Letter(cluster[1], "ھ" in cluster[2], cluster[2].replace("ھ", ""))
        for cluster in _CLUSTER.finditer(word.lstrip("".join(_MARKS)))
    ]


_CLUSTER = regex.compile(rf"(.)([ھ{''.join(_MARKS)}]*+)", regex.DOTALL)
"""A letter, and its marks and ھ."""


_URDU_CONSONANTS = {
    "क": "ک", "ख": "کھ", "ग": "گ", "घ": "گھ", "ङ": "ن", "च": "چ", "छ": "چھ", "ज": "ج", "झ": "جھ",
    "ञ": "ن", "ट": "ٹ", "ठ": "ٹھ", "ड": "ڈ", "ढ": "ڈھ", "ण": "ن", "त": "ت", "थ": "تھ", "द": "د",
    "ध": "دھ", "न": "ن", "प": "پ", "फ": "پھ", "ब": "ب", "भ": "بھ", "म": "م", "य": "ی", "र": "ر",
    "ल": "ل", "व": "و", "श": "ش", "ष": "ش", "स": "س", "ह": "ہ", "क़": "ق", "ख़": "خ", "ग़": "غ",
    "ज़": "ز", "ड़": "ڑ", "ढ़": "ڑھ", "फ़": "ف",
}  # fmt: skip
_URDU_VOWELS = {
    "a": (f"ا{ZABAR}", f"ئ{ZABAR}", ZABAR, ""),
    "A": ("آ", "آ", "ا", "ا"),
    "i": (f"ا{ZER}", f"ئ{ZER}", ZER, f"{ZER}ی"),
    "I": (f"ا{ZER}ی", "ئی", f"{ZER}ی", f"{ZER}ی"),
    "u": (f"ا{PESH}", f"ئ{PESH}", PESH, f"{PESH}و"),
    "U": (f"ا{PESH}و", f"ئ{PESH}و", f"{PESH}و", f"{PESH}و"),
    "e": ("ای", "ئے", "ی", "ے"),
    "E": (f"ا{ZABAR}ی", f"ئ{ZABAR}ی", f"{ZABAR}ی", f"{ZABAR}ے"),
    "o": ("او", "ؤ", "و", "و"),
    "O": (f"ا{ZABAR}و", f"ئ{ZABAR}و", f"{ZABAR}و", f"{ZABAR}و"),
    "W": ("آ", "آ", "ا", "ا"),
}
"""Each vowel as Urdu writes it: at a word's start, after a vowel, after a consonant, and there at the end."""
_SOUND_OF_VOWEL = {form: key for key, (letter, sign) in VOWELS.items() for form in (letter, sign) if form} | {
    "ऍ": "E",
    "ॅ": "E",
}
_RESPELLED = (
    ("ज्ञ", "ग्य"),
    ("ऋ", "रि"),
    ("ृ", "्रि"),
    ("ॐ", "ओम"),
    ("ऽ", ""),
    ("ः", "ह"),
    ("\u200c", ""),
    ("\u200d", ""),
)
_AKSHARA = regex.compile(
    rf"(?P<consonant>[क-ह]{_NUKTA}?)(?P<sign>[ा-ौ]|{_VIRAMA})?|(?P<vowel>[अ-औ])|(?P<nasal>[ँं])"
)


def to_urdu(word: str) -> str:
    """Return one word of Devanagari in Urdu script, its short vowels marked."""
    for written, plain in _RESPELLED:
        word = word.replace(written, plain)
    aksharas = list(_AKSHARA.finditer(word))
    urdu: list[str] = []
    for index, akshara in enumerate(aksharas):
        last = index == len(aksharas) - 1
        if akshara["consonant"]:
            urdu.append(_consonant_in_urdu(akshara, last))
        elif akshara["vowel"]:
            after_vowel = index > 0
            urdu.append(_URDU_VOWELS[_SOUND_OF_VOWEL[akshara["vowel"]]][after_vowel])
        else:
            labial = not last and aksharas[index + 1][0][0] in "पफबभ"
            urdu.append("ں" if last else f"{'م' if labial else 'ن'}{SUKUN}")
    spelled = "".join(urdu)
    if not _MARKS.intersection(spelled) and spelled[-1:] not in {"", "و", "ی"}:
        spelled += SUKUN  # a mark, which shows that the rest must not be guessed
    return spelled


def _consonant_in_urdu(akshara: "regex.Match[str]", last: bool) -> str:
    letter, sign = _URDU_CONSONANTS.get(akshara["consonant"], ""), akshara["sign"]
    if sign == _VIRAMA:
        return f"{letter}{SUKUN}"
    if sign is None:
        if last:
            return f"{letter}{SUKUN}" if letter in "ہوی" else letter
        return letter + ZABAR
    return letter + _URDU_VOWELS[_SOUND_OF_VOWEL[sign]][2 + last]
