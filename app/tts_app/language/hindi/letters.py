"""Phonemes and Latin words in Devanagari: how a Hindi speaker says what is not Hindi.

A Latin word is looked up in `hindi.latin.WORDS` (English words of social posts and common romanised Hindi).
Else, if misaki's English dictionary has it, its English phonemes are spelled as a Hindi speaker hears them.
Else it is read as romanised Hindi, which names and places mostly are.
"""

import json
import unicodedata
from collections.abc import Mapping, Sequence
from functools import lru_cache
from importlib.resources import files

import regex

from tts_app.language.espeak import Espeak
from tts_app.language.hindi.latin import ENGLISH_WORDS, WORDS

_VIRAMA = "\N{DEVANAGARI SIGN VIRAMA}"
_NASAL, _NASAL_ABOVE = "\N{DEVANAGARI SIGN CANDRABINDU}", "\N{DEVANAGARI SIGN ANUSVARA}"

VOWELS: Mapping[str, tuple[str, str]] = {
    "a": ("अ", ""),
    "A": ("आ", "ा"),
    "i": ("इ", "ि"),
    "I": ("ई", "ी"),
    "u": ("उ", "ु"),
    "U": ("ऊ", "ू"),
    "e": ("ए", "े"),
    "E": ("ऐ", "ै"),
    "o": ("ओ", "ो"),
    "O": ("औ", "ौ"),
    "W": ("ऑ", "ॉ"),
}
"""Each vowel's independent letter, and its sign after a consonant; a capital is the long or open vowel."""

_NASAL_AFTER_E = regex.compile(f"(?<=[एऐओऔई]){_NASAL}")
"""espeak-ng loses a final ए before this sign (पाएँ), though not before the other."""
_VOWEL_SIGNS = frozenset(form for forms in VOWELS.values() for form in forms if form)

_STOPS = {
    "k": "क", "kʰ": "ख", "ɡ": "ग", "ɡʰ": "घ", "c": "च", "cʰ": "छ", "ɟ": "ज", "ɟʰ": "झ", "ʈ": "ट", "ʈʰ": "ठ",
    "ɖ": "ड", "ɖʰ": "ढ", "t": "त", "tʰ": "थ", "d": "द", "dʰ": "ध", "p": "प", "pʰ": "फ", "b": "ब", "bʰ": "भ",
}  # fmt: skip
_OTHERS = {
    "n": "न", "ɳ": "न", "ŋ": "ङ", "ɲ": "न", "m": "म", "j": "य", "r": "र", "ɾ": "र", "ɽ": "ड़",
    "ɽʰ": "ढ़", "ɽh": "ढ़", "l": "ल", "ʋ": "व", "v": "व", "w": "व", "ʃ": "श", "ʂ": "स", "s": "स",
    "h": "ह", "q": "क़", "x": "ख़", "ɣ": "ग़", "z": "ज़", "ʐ": "ज़", "ʒ": "ज़", "f": "फ़",
}  # fmt: skip
URDU_PHONES = {
    **{phone: f"={letter}" for phone, letter in {**_STOPS, **_OTHERS}.items()}, "aː": "A", "a": "a",
    "ə": "a", "ʌ": "a", "ɐ": "a", "ɪ": "i", "i": "I", "iː": "I", "ʊ": "u", "u": "U", "uː": "U",
    "e": "e", "eː": "e", "ɛ": "E", "ɛː": "E", "o": "o", "oː": "o", "ɔ": "O", "ɔː": "O",
    "a\u0303": "A~", "\u0303": "~",
}  # fmt: skip
"""espeak-ng's Urdu phonemes: `=` and a consonant, a key of `VOWELS`, or ~ for a nasal vowel."""
ENGLISH_PHONES = {
    **URDU_PHONES,
    "t": "=ट", "d": "=ड", "T": "=ट", "θ": "=थ", "ð": "=द", "ʧ": "=च", "ʤ": "=ज", "ɹ": "=र", "ɾ": "=ट",
    "æ": "E", "ɛ": "e", "ɑ": "A", "ɔ": "W", "ɜ": "a", "ᵊ": "a", "ᵻ": "i", "i": "I", "u": "U", "ɪ": "i",
    "A": "e", "I": "Ai", "O": "o", "W": "AU", "Y": "Wi", "ʔ": "=ट",
}  # fmt: skip
"""The letters of misaki's American English: its A I O W Y are diphthongs."""

_LATIN = regex.compile(r"(chh|kh|gh|ch|jh|th|dh|ph|bh|sh|ck|aa|ee|oo|ai|ay|au|aw|ou|ei|ey|[a-z])")
_ROMAN = {
    "chh": "=छ", "kh": "=ख", "gh": "=घ", "ch": "=च", "jh": "=झ", "th": "=थ", "dh": "=ध", "ph": "=फ़",
    "bh": "=भ", "sh": "=श", "ck": "=क", "aa": "A", "ee": "I", "oo": "U", "ai": "E", "ay": "e",
    "au": "O", "aw": "A=व", "ou": "AU", "ei": "e", "ey": "e", "a": "a", "b": "=ब", "c": "=क",
    "d": "=द", "e": "e", "f": "=फ़", "g": "=ग", "h": "=ह", "i": "i", "j": "=ज", "k": "=क", "l": "=ल",
    "m": "=म", "n": "=न", "o": "o", "p": "=प", "q": "=क़", "r": "=र", "s": "=स", "t": "=त", "u": "u",
    "v": "=व", "w": "=व", "x": "=क=स", "y": "=य", "z": "=ज़",
}  # fmt: skip
_LEAST_PART = 3
_ROMAN_END = {"a": "A", "i": "I", "u": "U", "y": "I"}
_SOUNDS = regex.compile(r"=(?P<consonant>.़?)|(?P<vowel>[aAiIuUeEoOW])|(?P<nasal>~)")


def phonemes_of_hindi(espeak: Espeak, texts: Sequence[str]) -> list[str]:
    """Return what espeak-ng's Hindi voice makes of each text."""
    return espeak.phonemise([_NASAL_AFTER_E.sub(_NASAL_ABOVE, text) for text in texts])


def spell(phones: str, table: Mapping[str, str]) -> str:
    """Return the phonemes of one word in Devanagari; what `table` lacks (stress, length) is left out."""
    longest = max(map(len, table))
    sounds = []
    at = 0
    while at < len(phones):
        for size in range(longest, 0, -1):
            sound = table.get(phones[at : at + size])
            if sound is not None:
                sounds.append(sound)
                break
        at += size
    return write("".join(sounds))


def write(sounds: str) -> str:
    """Return `sounds` in Devanagari: `=` before each consonant, vowels by the keys of `VOWELS`, ~ nasal."""
    written: list[str] = []
    bare = False  # whether the last letter is a consonant without a vowel
    for sound in _SOUNDS.finditer(sounds):
        if consonant := sound["consonant"]:
            if bare:
                written.append(_VIRAMA)
            written.append(consonant)
            bare = True
        elif vowel := sound["vowel"]:
            written.append(VOWELS[vowel][bare])
            bare = False
        else:
            above = written and written[-1] in "िीेैोौईऐओऔए"
            written.append(_NASAL_ABOVE if above else _NASAL)
    return "".join(written).replace(f"ङ{_VIRAMA}", "ं").replace("ङ", "ंग")


def load() -> None:
    """Read the English dictionary (half a second), so that the first Latin word does not wait for it."""
    _english()
    _common()


def in_devanagari(word: str) -> str:
    """Return a word of Latin letters as a Hindi speaker says it, in Devanagari."""
    plain = word.lower().replace("'", "").replace("’", "")
    known = WORDS.get(plain)
    if known:
        return known
    phones = _english().get(plain)
    if phones is not None:
        return spell(_open_o(plain, phones), ENGLISH_PHONES)
    stem = plain.removesuffix("s")
    if stem != plain and (stem in WORDS or stem in _english()):
        singular = in_devanagari(stem)
        return f"{singular}ज़" if singular[-1] in _VOWEL_SIGNS else f"{singular}{_VIRAMA}स"
    return _in_two(plain) or _romanised(plain)


@lru_cache(maxsize=1)
def _english() -> dict[str, str]:
    """Return misaki's American dictionary: the phonemes of each word, in lower case."""
    words: dict[str, str] = {}
    for name in ("us_silver.json", "us_gold.json"):
        entries = json.loads(files("misaki.data").joinpath(name).read_text(encoding="utf-8"))
        for word, phones in entries.items():
            said = phones if isinstance(phones, str) else phones["DEFAULT"]
            if said and (word.islower() or word.lower() not in entries):
                words[word.lower()] = said
    return words


def is_common(word: str) -> bool:
    """Return whether a word of Latin letters, in lower case, is one that everybody spells alike: no name."""
    return word in ENGLISH_WORDS or word in _common()


def is_known(word: str) -> bool:
    """Return whether a word of Latin letters, in lower case, is a word, a name or two words in one."""
    return word in WORDS or word in _english() or _in_two(word) is not None


@lru_cache(maxsize=1)
def _common() -> frozenset[str]:
    """Return the words that misaki's dictionary has in lower case."""
    entries = json.loads(files("misaki.data").joinpath("us_gold.json").read_text(encoding="utf-8"))
    return frozenset(word for word in entries if word.islower())


@lru_cache(maxsize=1)
def _longest_word() -> int:
    return max(map(len, [*WORDS, *_english()]))


def _in_two(word: str) -> str | None:
    """Return two words that were written as one (`tajhotel`), one after the other, or None."""
    if len(word) > 2 * _longest_word():
        return None
    best, first, second = 0, "", ""
    for at in range(_LEAST_PART, len(word) - _LEAST_PART + 1):
        parts = word[:at], word[at:]
        if all(part in WORDS or part in _english() for part in parts):
            ours = sum(part in WORDS for part in parts)
            if ours > best:
                best, (first, second) = ours, parts
    return f"{in_devanagari(first)} {in_devanagari(second)}" if best else None


def _open_o(word: str, phones: str) -> str:
    """Return American phonemes with the vowels that Indian English says as written: hot, sofa."""
    if 0 <= word.find("o") < word.find("a") % (len(word) + 1):
        phones = regex.sub("ɑ(?!ɹ)", "ɔ", phones)
    return regex.sub("[əɐ]$", "ɑ", phones) if word.endswith("a") else phones


def _romanised(word: str) -> str:
    """Return a romanised Hindi word in Devanagari: vowels as written, the last one long."""
    pieces = _LATIN.findall(regex.sub(r"\P{ASCII}", "", regex.sub(r"\p{M}", "", _decomposed(word))))
    sounds = [_ROMAN[piece] for piece in pieces]
    if len(pieces) > 1:
        sounds[-1] = _ROMAN_END.get(pieces[-1], sounds[-1])
    return write("".join(sounds))


def _decomposed(word: str) -> str:
    return unicodedata.normalize("NFD", word)
