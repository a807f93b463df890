"""Australian vowels in Kokoro's alphabet.

The model knows American and British English only; its alphabet has the parts of which most Australian
diphthongs are made, but not the fronted u of goose. The mapping follows the description of General Australian
English by Cox and Fletcher (2017), "Australian English Pronunciation and Transcription", and stops where a
recogniser stops understanding.
"""

import regex

_VOWELS = {
    "ˌWə": "ˌɑː",
    "A": "ɛɪ",
    "I": "ɑɪ",
    "Q": "əʊ",
    "W": "æʊ",
    "a": "æ",
}
"""The vowel of day stops at ɛɪ. At æɪ, which many Australians say, Whisper heard `today` as `to die`: the
word errors of twelve stress sentences by bm_george were 10.6%, and 3.3% at ɛɪ (one run each). A wider set
(æɔ eː aː) was tried together and dropped after `lookout` was heard as `look-art`; which of the three did it
is not known.
"""
_VOWEL = regex.compile("|".join(sorted(_VOWELS, key=len, reverse=True)))


def australian(phonemes: str) -> str:
    """Return British phonemes with Australian vowels."""
    return _VOWEL.sub(lambda match: _VOWELS[match[0]], phonemes)
