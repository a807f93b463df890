"""Honorific phrases that are written as one sign or as letters in brackets after a name."""

import re
from types import MappingProxyType

from tts_app.language.text import word_set

_PRAYER = "صَلَّى اللّٰه عَلَيْهِ وَسَلَّم"
_PEACE, _PEACE_HER = "عَلَيْهِ السَّلَام", "عَلَيْهَا السَّلَام"
_CONTENT, _CONTENT_HER = "رَضِيَ اللّٰه عَنْه", "رَضِيَ اللّٰه عَنْهَا"
_MERCY, _MERCY_HER = "رَحِمَه اللّٰه", "رَحِمَهَا اللّٰه"

_SIGNS = MappingProxyType(
    {
        "\u0610": _PRAYER,
        "\u0611": _PEACE,
        "\u0612": "رَحْمَة اللّٰه عَلَيْه",
        "\u0613": _CONTENT,
        "\ufd40": _MERCY,
        "\ufd41": _CONTENT,
        "\ufd42": _CONTENT_HER,
        "\ufd43": "رَضِيَ اللّٰه عَنْهُم",
        "\ufd44": "رَضِيَ اللّٰه عَنْهُمَا",
        "\ufd45": "رَضِيَ اللّٰه عَنْهُنَّ",
        "\ufd46": "صَلَّى اللّٰه عَلَيْهِ وَآلِه",
        "\ufd47": _PEACE,
        "\ufd48": "عَلَيْهِم السَّلَام",
        "\ufd49": "عَلَيْهِمَا السَّلَام",
        "\ufd4a": "عَلَيْهِ الصَّلَاة وَالسَّلَام",
        "\ufd4b": "قُدِّسَ سِرُّه",
        "\ufd4c": "صَلَّى اللّٰه عَلَيْهِ وَآلِهِ وَسَلَّم",
        "\ufd4d": _PEACE_HER,
        "\ufd4e": "تَبَارَكَ وَتَعَالَى",
        "\ufd4f": "رَحِمَهُم اللّٰه",
        "\ufdcf": "سَلَامُه عَلَيْنَا",
        "\ufdfa": _PRAYER,
        "\ufdfb": "جَلَّ جَلَالُه",
        "\ufdfd": "بِسْم اللّٰه الرَّحْمٰن الرَّحِيم",
        "\ufdfe": "سُبْحَانَه وَتَعَالَى",
        "\ufdff": "عَزَّ وَجَلّ",
    }
)
_BRACKETED = MappingProxyType(
    {
        "ص": _PRAYER,
        "صلعم": _PRAYER,
        "ع": _PEACE,
        "س": _PEACE_HER,
        "رض": _CONTENT,
        "رضي": _CONTENT,
        "ره": _MERCY,
        "رح": _MERCY,
        "عج": "عَجَّلَ اللّٰه فَرَجَه",
        "سبح": "سُبْحَانَه وَتَعَالَى",
    }
)
_HERS = MappingProxyType(
    {_PEACE: _PEACE_HER, _CONTENT: _CONTENT_HER, _MERCY: _MERCY_HER, _SIGNS["\u0612"]: "رَحْمَة اللّٰه عَلَيْهَا"}
)
WOMEN = word_set(
    "مريم زينب سكينة هاجر سارة آسية رقية حليمة صفية ميمونة سودة جويرية أسماء بلقيس سمية نور "
    "منى هدى ليلى سلمى ريم هند دينا سعاد أمل هناء رانيا نادية دانة شيماء إيمان مها ندى لينا "
    "رنا ياسمين منال الزهراء"
)
"""Women's names; those that end in ta marbuta are known by it, but for `_MEN`."""
_MEN = word_set("حمزة أسامة طلحة عبادة معاوية عروة خليفة قتادة عكرمة حذيفة عطية نخلة جمعة ربيعة ثعلبة")

_SIGN = re.compile(f"\\(?[ ]?([{''.join(_SIGNS)}])[ ]?\\)?")
_NAME = r"(?P<name>[ء-ي\u064b-\u0652]{2,20}+)"
_AFTER_NAME = re.compile(
    rf"{_NAME}(?:[ ]?\(?(?P<sign>[{''.join(_SIGNS)}])\)?|[ ]?\((?P<letters>{'|'.join(_BRACKETED)})\))"
)


def is_woman(name: str) -> bool:
    """Return whether a name without vowel marks is a woman's."""
    return name in WOMEN or (name.endswith("ة") and name not in _MEN)


def spoken_honorifics(text: str) -> str:
    """Return the text with its honorific signs, and (ص) and the like after a name, as words."""
    text = _AFTER_NAME.sub(_after_name, text)
    return _SIGN.sub(lambda match: f" {_SIGNS[match[1]]} ", text)


def _after_name(match: re.Match[str]) -> str:
    said = _SIGNS[match["sign"]] if match["sign"] else _BRACKETED[match["letters"]]
    before = match.string[max(0, match.start() - 40) : match.start()].split(" ")[-4:]
    if is_woman(match["name"]) or {"بنت", "السيدة", "أم"} & set(before):
        said = _HERS.get(said, said)
    return f"{match['name']} {said} "
