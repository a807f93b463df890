"""Honorific signs of Urdu after the names of prophets, companions and saints, in words."""

import regex

from tts_app.language.text import word_set

_WORDS = {
    "\N{ARABIC SIGN SALLALLAHOU ALAYHE WASSALLAM}": ("صلی اللہ علیہ وسلم",) * 3,
    "\N{ARABIC LIGATURE SALLALLAHOU ALAYHE WASALLAM}": ("صلی اللہ علیہ وسلم",) * 3,
    "\N{ARABIC SIGN ALAYHE ASSALLAM}": ("علیہ السلام", "علیہا السلام", "علیہم السلام"),
    "\N{ARABIC SIGN RAHMATULLAH ALAYHE}": ("رحمۃ اللہ علیہ", "رحمۃ اللہ علیہا", "رحمۃ اللہ علیہم"),
    "\N{ARABIC SIGN RADI ALLAHOU ANHU}": ("رضی اللہ عنہ", "رضی اللہ عنہا", "رضی اللہ عنہم"),
    "\N{ARABIC SIGN TAKHALLUS}": ("",) * 3,
}
"""What each sign says after the name of a man, of a woman and of several people."""
_BRACKETED = {
    **dict.fromkeys(("ص", "صلعم"), "\N{ARABIC SIGN SALLALLAHOU ALAYHE WASSALLAM}"),
    **dict.fromkeys(("ع", "علیہ"), "\N{ARABIC SIGN ALAYHE ASSALLAM}"),
    **dict.fromkeys(("رح", "رحمہ"), "\N{ARABIC SIGN RAHMATULLAH ALAYHE}"),
    **dict.fromkeys(("رض", "رضی", "رضہ"), "\N{ARABIC SIGN RADI ALLAHOU ANHU}"),
}
_WOMEN = word_set(
    """
    عائشہ فاطمہ خدیجہ زینب رقیہ حفصہ سودہ صفیہ میمونہ جویریہ ماریہ مریم آمنہ حلیمہ اسماء اسما سمیہ ہاجرہ سارہ
    آسیہ رابعہ سکینہ کلثوم سلمہ حبیبہ ایمن ہانی زہرا زہراء بصری صحابیات
    """
)
_MOTHERS = word_set("ام امّ اُم سیدہ بی")
"""Words within two words of a sign that speak of a woman: the mother of Salama."""
_SEVERAL = word_set("صحابہ صحابیوں انبیاء انبیا ائمہ اولیاء اولیا حسنین خلفاء خلفا راشدین بزرگان اجمعین")
_SIGN = regex.compile(
    rf"[ ]?(?P<sign>[{''.join(_WORDS)}])|[ ]?\([ ]?(?P<bracketed>{'|'.join(_BRACKETED)})[.۔]?[ ]?\)"
)
_NAME_BEFORE = regex.compile(r"(?:[\p{L}\p{M}]++[ ])?[\p{L}\p{M}]++$")
_LONGEST_NAME = 40
"""Characters before a sign in which the last two words of a name are looked for."""
_YEAR_SIGN = regex.compile("\N{ARABIC SIGN SANAH}(?=[ ]?\\d)")
_ALLAH = {"\N{ARABIC LIGATURE JALLAJALALOUHOU}": " جل جلالہ "}


def in_words(text: str) -> str:
    """Return `text` with the words of its honorific signs, in the gender and number of the name."""
    for sign, words in _ALLAH.items():
        text = text.replace(sign, words)
    text = _YEAR_SIGN.sub("سن ", text)
    if not any(sign in text for sign in _WORDS) and "(" not in text:
        return text
    return _SIGN.sub(_said, text)


def _said(match: "regex.Match[str]") -> str:
    sign = match["sign"] or _BRACKETED[match["bracketed"]]
    start = match.start()
    name = _NAME_BEFORE.search(match.string[max(0, start - _LONGEST_NAME) : start])
    words = name[0].split() if name else []
    several = bool(words) and words[-1] in _SEVERAL
    woman = bool(words) and (words[-1] in _WOMEN or not _MOTHERS.isdisjoint(words))
    return f" {_WORDS[sign][2 if several else 1 if woman else 0]} "
