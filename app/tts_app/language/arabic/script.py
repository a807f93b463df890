"""Pieces of patterns for Arabic text, and words that several rules look for before a number."""

import re
from collections.abc import Iterable

from tts_app.language.arabic import words
from tts_app.language.arabic.diacritise import bare
from tts_app.language.text import word_set

LETTER = r"[ء-غف-يٱپچڤگژڨ\u064b-\u0652\u0670]"
NUMBER = r"\d++(?:[.,]\d++)*+"
FREE = r"(?<![A-Za-z0-9_.,/+*×-])(?<!\d:)"
"""A number starts here: no part of a code, a date or a longer number. Arabic writes and-5 as one word."""
ALONE = r"(?![\d/]|[.,:-]\d|[ ]?%)"
"""The number ends here, and is no part of a date, a time, a range or a percentage."""
WORD_START = rf"(?<!{LETTER})"
WORD_END = rf"(?!{LETTER})"

YEAR_WORDS = word_set("عام سنة العام السنة لعام لسنة بعام بسنة منذ سنه")
LENGTH_WORDS = word_set(
    "بعد مسافة ارتفاع عمق طول عرض مساحة بمساحة بطول بعرض بارتفاع بعمق مساحته مساحتها ارتفاعه طوله سباق جري "
    "ركض بمسافة عمقه نحو حوالي قرابة"
)
MONTH_NAMES = frozenset(
    form.split(" ")[-1]
    for forms in (*words.MONTH_FORMS.values(), *words.HIJRI_MONTH_FORMS.values())
    for form in forms
)
"""Last words of the names of months."""

_FOLD = str.maketrans({"أ": "ا", "إ": "ا", "آ": "ا", "ٱ": "ا", "ة": "ه", "ى": "ي", "ؤ": "و", "ڨ": "ق"})


def fold(word: str) -> str:
    """Return a word as the lexicons' keys spell it: no marks, one alef, final ه for ة and ي for ى."""
    return bare(word).translate(_FOLD)


def any_of(forms: Iterable[str]) -> str:
    """Return a pattern for any of the forms, the longest first."""
    return "|".join(map(re.escape, sorted(set(forms), key=lambda form: (-len(form), form))))
