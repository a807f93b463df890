"""Plain IPA in the symbols that Kokoro, or a checkpoint made from it, was trained with. Pure.

misaki made the phonemes of its training text; it writes each affricate and diphthong with one letter. Where
the model lacks a sound of a language, the nearest sound that a recogniser still understands replaces it.
"""

from collections.abc import Callable, Collection, Mapping
from functools import cache

import regex

_TIE = "\N{COMBINING DOUBLE INVERTED BREVE}"
_EVERYWHERE = {
    **{"a͡ɪ": "I", "a͡ʊ": "W", "d͡z": "ʣ", "d͡ʒ": "ʤ", "e͡ɪ": "A", "o͡ʊ": "O", "ə͡ʊ": "Q"},
    **{"t͡s": "ʦ", "t͡ʃ": "ʧ", "ɔ͡ɪ": "Y"},
    _TIE: "",
}
_HINDI = {"ɽ": "r."}
"""How espeak-ng wrote this sound when the model was trained."""
ARABIC = {"ʔ": "", "ʕ": "", "ħ": "h", "q": "k", "ˤ": "", "i": "ɪ", "u": "ʊ", "iː": "iː", "uː": "uː"}
"""Kokoro has no pharyngeals and no emphatics, and speaks ʔ as a /t/: by measurement, leaving them out comes
nearest (docs/decisions/0005-arabic.md)."""
_OWN: Mapping[str, Mapping[str, str]] = {
    "en-US": {"ɾ": "T", "ʔ": "t"},
    "en-AU": {"æ͡ɪ": "ɛɪ", "ɑ͡ɪ": "ɑɪ", "ə͡ʉ": "əʊ", "æ͡ɔ": "æʊ"},
    "hi": _HINDI,
    "ur": _HINDI,
    "ar": ARABIC,
}
"""What differs by locale or language.

In Australian English the vowel of day stops at ɛɪ. At æɪ, which many Australians say, Whisper heard `today`
as `to die`: the word errors of twelve stress sentences by bm_george were 10.6%, and 3.3% at ɛɪ (one run
each). A wider set (æɔ eː aː) was tried together and dropped after `lookout` was heard as `look-art`; which of
the three did it is not known.
"""


def kokoro_symbols(phonemes: str, locale: str) -> str:
    """Return plain IPA of a locale in Kokoro's symbols; what has no symbol of its own stays as it is."""
    return _mapping(locale)(phonemes)


def arabic_symbols(vocabulary: Collection[str]) -> Callable[[str], str]:
    """Return a function from plain IPA of Arabic to the symbols of a checkpoint that was trained on Arabic.

    What its vocabulary has stays as it is: pharyngeals, ʔ and q, short vowels. What it lacks becomes the
    nearest sound, as for Kokoro-82M.
    """
    lacking = {sound: symbol for sound, symbol in ARABIC.items() if not set(sound) <= set(vocabulary)}
    return _replacing({**_EVERYWHERE, **lacking})


def mapped(phonemes: str, symbols: Mapping[str, str]) -> str:
    """Return plain IPA with `symbols` (IPA: symbol) in place of those that the model's languages share."""
    return _replacing({**_EVERYWHERE, **symbols})(phonemes)


@cache
def _mapping(locale: str) -> Callable[[str], str]:
    language = locale.partition("-")[0]
    return _replacing({**_EVERYWHERE, **_OWN.get(language, {}), **_OWN.get(locale, {})})


def _replacing(symbols: Mapping[str, str]) -> Callable[[str], str]:
    """Return a function that replaces the keys of `symbols`, the longest first, in one pass."""
    pattern = regex.compile("|".join(map(regex.escape, sorted(symbols, key=len, reverse=True))))
    return lambda phonemes: pattern.sub(lambda match: symbols[match[0]], phonemes)
