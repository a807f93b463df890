"""The case of numbers in standard Arabic: oblique after a preposition, without an n before a genitive."""

import re
from functools import lru_cache
from unicodedata import normalize

from tts_app.language.arabic import nouns, words
from tts_app.language.arabic.counting import oblique
from tts_app.language.text import word_set

_VOWELLED = r"[ء-ي\u0670]*+[\u064b-\u0652][ء-ي\u064b-\u0652\u0670]*+"
_PREPOSITIONS = word_set(
    "في مع من إلى الى على عن حتى منذ بعد قبل خلال حوالي حوالى نحو قرابة زهاء مقابل بين يوم عند "
    "دون فوق تحت ضمن طوال طيلة مدار مدى كل عام سنة لعام لسنة بعام أفضل أكبر أهم أجمل أشهر أول "
    "آخر أقوى أسرع أعلى أطول أحدث أقرب مدة لمدة بمدة بسعر لسعر بقيمة بمبلغ مبلغ لعدد بعدد بعمر "
    "عمر بنسبة بخصم بتكلفة بوزن بطول بعرض بارتفاع بمساحة بسعة بمسافة لفترة بحوالي بنحو لحوالي"
)
"""Prepositions, and nouns that a number directly after them belongs to."""
_VERBS = word_set(
    "أضف اضف أضيفي أضيفوا خذ خذي استخدم استخدمي احجز ادفع اشتر ضع ضعي اخلط اشرب حجزت حجزنا دفعت "
    "دفعنا اشتريت اشترينا قضيت قضينا مكثت مكثنا انتظرت انتظرنا طلبت طلبنا قرأت قرأنا أكلت أكلنا "
    "شربت شربنا يبلغ تبلغ بلغ بلغت يساوي تساوي يعادل تعادل يستغرق تستغرق استغرق استغرقت يضم تضم "
    "ضم يشمل تشمل يتسع يستوعب تستوعب يكلف تكلف كلف نملك نوفر نقدم وفر وفرنا أضفنا استقبلنا "
    "استضفنا وظفنا بعنا أرسلنا زرنا"
)
"""Verbs that have their subject in them, so that a number directly after them is their object."""
_VERB = rf"[وف]?(?:{'|'.join(sorted(_VERBS))}|[ء-ي]{{2,10}}وا)"
_AFTER_ONE = rf"[وف]?(?:{'|'.join(sorted(_PREPOSITIONS))})(?:[ ][وف]?ال[ء-ي]{{2,20}}(?=[ ]ال))?"
_WITH_ONE = r"(?=(?:وَ)?(?:[بل]ِ|كَ))"
_GOVERNED = re.compile(
    rf"(?<!\S)(?:{_AFTER_ONE}|{_VERB}|{_WITH_ONE})(?P<said>(?:[ ]?{_VOWELLED})(?:[ ]{_VOWELLED})*+)"
)
_OWNING = re.compile(
    r"(?<!\S)((?:وَ)?(?:ثُلُثَ|خُمُسَ|سُبْعَ|تُسْعَ)(?:ا|يْ))ن(?=[ ][ء-ي]{3})(?![ ](?:من|في|على|عن|إلى)[ ])"
)


def governed(said: str) -> str:
    """Return the words of a text with numbers in their case: after a preposition, and before a genitive."""
    return _OWNING.sub(r"\1", _GOVERNED.sub(_in_oblique, said))


def _in_oblique(match: re.Match[str]) -> str:
    start = match.start("said") - match.start()
    run = match["said"].split(" ")
    first = next((word for word in run if word), "")
    alone = start == 0 and normalize("NFC", first) in _number_words()  # لتران begins like a preposition
    if alone or not _is_number_word(first):
        return match[0]
    return match[0][:start] + " ".join(map(oblique, run))


@lru_cache(maxsize=1)
def _number_words() -> frozenset[str]:
    """Return the words with which a number or a counted dual may start."""
    numerals = words.NUMERALS["ar-SA"]
    said = [
        *numerals.ones,
        *numerals.short,
        *numerals.teens,
        *numerals.feminine_teens,
        *numerals.tens,
        *numerals.hundreds,
    ]
    said += [numerals.thousand.one, numerals.thousand.two, numerals.million.one, numerals.million.two]
    said += [
        numerals.billion.one,
        numerals.billion.two,
        *words.ORDINALS["ar-SA"],
        *words.FEMININE_ORDINALS["ar-SA"],
    ]
    counted = [*words.UNITS.values(), *words.CURRENCIES.values(), *words.FRACTIONS["ar-SA"].values()]
    said += [noun.two for noun in (*counted, *nouns.COUNTED.values(), *nouns.HEADS.values())]
    said += [noun.two.removesuffix("ن") for noun in nouns.COUNTED.values()]
    said += ["مِئَتَا", "أَلْفَا", "مِلْيُونَا", "مِلْيَارَا", words.NUMBER_WORDS["ar-SA"]["minus"]]
    return frozenset(normalize("NFC", phrase.split(" ")[0].removeprefix("ال")) for phrase in said)


def _is_number_word(word: str) -> bool:
    word = normalize("NFC", word)
    for prefix in ("", "وَ", "بِ", "لِ", "كَ", "ال"):
        word = word.removeprefix(prefix)
        if word in _number_words():
            return True
    return word.endswith("َتَان")
