"""The alphabet of the English dictionaries in plain IPA, in three accents.

The dictionaries are American and British. Australian English is the British one with the vowels of Cox and
Fletcher (2017), "Australian English Pronunciation and Transcription", except the fronted u of goose.
"""

from tts_app.language.base import TIE

_DIPHTHONGS = {"A": "eɪ", "I": "aɪ", "O": "oʊ", "Q": "əʊ", "W": "aʊ", "Y": "ɔɪ"}
_AUSTRALIAN_DIPHTHONGS = {**_DIPHTHONGS, "A": "æɪ", "I": "ɑɪ", "Q": "əʉ", "W": "æɔ"}
_AFFRICATES = {"ʤ": "dʒ", "ʧ": "tʃ"}


def _table(pairs: dict[str, str]) -> dict[int, str]:
    return str.maketrans({symbol: TIE.join(sounds) for symbol, sounds in pairs.items()})


_IPA = _table({**_DIPHTHONGS, **_AFFRICATES})
_AUSTRALIAN = _table({**_AUSTRALIAN_DIPHTHONGS, **_AFFRICATES, "a": "æ"})


def in_ipa(phonemes: str, locale: str) -> str:
    """Return phonemes of the dictionaries in plain IPA, as they sound in an English locale."""
    if locale == "en-AU":
        return phonemes.replace("ˌWə", "ˌɑː").translate(_AUSTRALIAN)  # our
    return phonemes.translate(_IPA)
