"""Texts made to be slow to read: one short piece repeated, as an attacker or a broken program sends them."""

from dataclasses import replace

from tts_app.catalogue import Catalogue, CatalogueVoice
from tts_app.manifests import load_voice_models

LOCALES = ("en-US", "ar-SA", "es-ES", "hi-IN", "ur-PK", "fr-FR")
"""One of each front-end; espeak-ng reads the last."""
LONGEST = 100_000
"""Characters of the longest text that a caller may send."""
PIECES: dict[str, str] = {
    # pictures and invisible characters
    "joined emoji": "👩\u200d",
    "emoji": "😀 ",
    "flags": "🇪🇸",
    "family": "👨\u200d👩\u200d👧\u200d👦",
    "hearts between words": "a ❤️ b ",
    "stars": "⭐",
    "joiners": "\u200d",
    "letters and joiners": "a\u200d",
    "zero-width spaces": "\u200b",
    "bidi marks": "\u202e",
    # letters
    "one letter": "a",
    "capitals": "A",
    "mixed case": "Aa",
    "letters and digits": "aA1",
    "shouted words": "AAAA BBBBB ",
    "Roman numerals": "MMMMCMXCIX ",
    "initials": "I.I.I.",
    "apostrophes in a word": "a'",
    "adverbs": "just ",
    "number words": "treinta y uno ",
    "a compound": "seaviewhotel ",
    "Chinese": "日本語です。",
    "mixed scripts": "aбبक",
    # marks on letters
    "accents": "a\u0301",
    "accents alone": "\u0301",
    "marks to be sorted": "\u0327\u0301",
    "marks and joiners": "\u0301\u0327\u200d",
    "marks and soft hyphens": "\u0301\u0327\u00ad",
    "tashkeel": "بَّ",
    "tashkeel to be sorted": "\u0652\u064e",
    "tatweel": "ـ",
    "tatweel and spaces": "ـ ",
    "tatweel and marks": "ـَـْ",
    "tanwin": "اً",
    "izafat": "بِ",
    "kasra": "\u0650",
    "conjuncts": "क्",
    "vowel signs": "\u093f",
    "nasal signs": "एँ",
    # words of the other languages
    "Arabic": "السلام عليكم ",
    "lone proclitics": "و ",
    "prepositions": "في كتاب ",
    "Hindi": "नमस्ते दुनिया ",
    "Urdu": "خوبصورت ",
    "one Urdu word": "خوبصورت",
    "parts of the day": "सुबह ",
    # numbers
    "negative ones": "-1",
    "digits": "1",
    "short numbers": "12 ",
    "fractions": "1/1",
    "dotted digits": "1.",
    "grouped digits": "1,",
    "prices": "$1,234,567.89 ",
    "percent": "1%",
    "times": "12:30 ",
    "dates": "12/12/2026 ",
    "days": "Monday, 12 December 2026, ",
    "ordinals": "1st ",
    "measures": "5 km/h ",
    "multiples": "3x",
    "phone numbers": "+1 (555) 123-4567 ",
    "counted nouns": "3 سيارات ",
    # the web and marks
    "addresses": "http://",
    "hosts": "a.a.a.a.com ",
    "mail": "a@",
    "at": "@",
    "hashtags": "#a",
    "brackets": "(",
    "square brackets": "[",
    "emphasis": "**",
    "code": "`",
    "links": "[](",
    "tags": "<b>",
    "open tags": "<a",
    "entities": "&amp;",
    "half entities": "&amp",
    "ampersands": "&",
    "hyphens": "e-mail",
    "dots": ".",
    "dots and spaces": ". ",
    "cries": "?!",
    "quotes": '"',
    "dashes": "—",
    "slashes": "a/",
    # space
    "lines": "\n",
    "a letter a line": "a\n",
    "spaces": " ",
    "no-break spaces": "\u00a0",
}


def endless(piece: str, length: int) -> str:
    """Return `length` characters of `piece`, again and again."""
    return (piece * (length // len(piece) + 1))[:length]


def voice_of(locale: str) -> CatalogueVoice:
    """Return a voice of `locale`, whether the embedded model has one or not."""
    voice = Catalogue(load_voice_models()).find("female_en-US")
    return replace(voice, voice=voice.voice.model_copy(update={"locale": locale}))
