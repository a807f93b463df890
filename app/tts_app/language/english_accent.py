"""Australian vowels in Kokoro's alphabet.

The model knows American and British English only; its alphabet has the parts of which most Australian
diphthongs are made, but not the fronted u of goose. The mapping follows the description of General Australian
English by Cox and Fletcher (2017), "Australian English Pronunciation and Transcription", and stops where a
recogniser stops understanding.
"""

import regex

_VOWELS = {
    "A": "æɪ",
    "I": "ɑɪ",
    "Q": "əʊ",
    "W": "æʊ",
    "a": "æ",
}
_VOWEL = regex.compile("|".join(sorted(_VOWELS, key=len, reverse=True)))


def australian(phonemes: str) -> str:
    """Return British phonemes with Australian vowels."""
    return _VOWEL.sub(lambda match: _VOWELS[match[0]], phonemes)
