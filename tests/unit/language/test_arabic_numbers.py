"""Arabic numbers agree with their nouns, and each dialect counts in its own words."""

from decimal import Decimal

import pytest

from tts_app.language.arabic import words
from tts_app.language.arabic.counting import oblique
from tts_app.language.arabic.diacritise import bare
from tts_app.language.arabic.numbers import ArabicVerbaliser
from tts_app.language.base import Date, Time
from tts_app.language.currencies import CODES
from tts_app.language.notation import CURRENCIES

STANDARD, EGYPT, EMIRATES = (ArabicVerbaliser(locale) for locale in ("ar-SA", "ar-EG", "ar-AE"))


@pytest.mark.parametrize(
    ("amount", "said"),
    [
        ("1", "درهم واحد"),
        ("2", "درهمان"),
        ("3", "ثلاثة دراهم"),
        ("10", "عشرة دراهم"),
        ("11", "أحد عشر درهما"),
        ("99", "تسعة وتسعون درهما"),
        ("100", "مئة درهم"),
        ("103", "مئة وثلاثة دراهم"),
        ("200", "مئتا درهم"),
        ("350", "ثلاثمئة وخمسون درهما"),
        ("2000", "ألفا درهم"),
        ("99.50", "تسعة وتسعون درهما وخمسون فلسا"),
        ("0.75", "خمسة وسبعون فلسا"),
        ("-5", "ناقص خمسة دراهم"),
    ],
)
def test_money_noun_agrees_in_number_and_case(amount, said):
    assert bare(STANDARD.money(Decimal(amount), "AED")) == said


@pytest.mark.parametrize(
    ("count", "said"),
    [
        (1, "ساعة واحدة"),
        (2, "ساعتان"),
        (3, "ثلاث ساعات"),
        (11, "إحدى عشرة ساعة"),
        (21, "إحدى وعشرون ساعة"),
        (24, "أربع وعشرون ساعة"),
    ],
)
def test_measure_numerals_take_the_opposite_gender(count, said):
    assert bare(STANDARD.measure(Decimal(count), "h")) == said


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("0", "صفر"),
        ("3000", "ثلاثة آلاف"),
        ("11000", "أحد عشر ألفا"),
        ("100000", "مئة ألف"),
        ("2000000", "مليونان"),
        ("1234567", "مليون ومئتان وأربعة وثلاثون ألفا وخمسمئة وسبعة وستون"),
        ("4.8", "أربعة فاصلة ثمانية"),
        ("3.25", "ثلاثة فاصلة خمسة وعشرون"),
        ("0.05", "صفر فاصلة صفر خمسة"),
        ("-2", "ناقص اثنان"),
    ],
)
def test_number_in_standard_arabic(value, said):
    assert bare(STANDARD.number(Decimal(value))) == said


def test_number_too_large_to_name_is_spelled():
    assert len(STANDARD.number(Decimal(10**12)).split()) == 13


def test_verbaliser_counts_in_the_words_of_each_dialect():
    assert bare(EGYPT.number(Decimal(12))) == "اتناشر"
    assert bare(EGYPT.money(Decimal(1500), "EGP")) == "ألف وخمسمية جنيه"
    assert bare(EGYPT.measure(Decimal(3), "min")) == "تلات دقايق"
    assert bare(EGYPT.measure(Decimal(5), "km")) == "خمسة كيلومتر"
    assert bare(EMIRATES.number(Decimal(15))) == "خمسطعش"
    assert bare(EMIRATES.money(Decimal(350), "AED")) == "ثلاثمية وخمسين درهم"
    assert bare(EMIRATES.money(Decimal(2), "GBP")) == "جنيهين إسترلينيين"
    assert bare(EMIRATES.measure(Decimal(2), "h")) == "ساعتين"


@pytest.mark.parametrize(
    ("hour", "minute", "said"),
    [
        (7, 30, "السابعة والنصف صباحا"),
        (19, 45, "الثامنة إلا ربعا مساء"),
        (12, 0, "الثانية عشرة ظهرا"),
        (0, 15, "الثانية عشرة والربع ليلا"),
        (9, 5, "التاسعة وخمس دقائق صباحا"),
        (23, 52, "الحادية عشرة واثنتان وخمسون دقيقة مساء"),
    ],
)
def test_time_in_standard_arabic(hour, minute, said):
    assert bare(STANDARD.time(Time(hour, minute, twelve=True))) == said


def test_time_in_dialects():
    assert bare(EGYPT.time(Time(7, 30, twelve=True))) == "سبعة ونص الصبح"
    assert bare(EMIRATES.time(Time(19, 0, twelve=True))) == "سبع المسا"
    assert bare(EGYPT.time(Time(10, 0))) == "عشرة"


def test_date_in_standard_arabic_and_dialect():
    date = Date(day=15, month=1, year=2026, weekday=3)
    assert bare(STANDARD.date(date)) == "الخميس الخامس عشر من يناير عام ألفين وستة وعشرين"
    assert bare(EGYPT.date(date)) == "الخميس خمستاشر يناير سنة ألفين وستة وعشرين"
    assert bare(STANDARD.date(Date(month=5, year=2030))) == "مايو عام ألفين وثلاثين"
    assert bare(STANDARD.year(1999)) == "ألف وتسعمئة وتسعة وتسعين"


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (1, "الأول"),
        (11, "الحادي عشر"),
        (20, "العشرون"),
        (25, "الخامس والعشرون"),
        (130, "الثلاثون بعد المئة"),
        (2000, "رقم ألفان"),
    ],
)
def test_ordinal_in_standard_arabic(value, said):
    assert bare(STANDARD.ordinal(value)) == said


def test_verbaliser_says_percent_span_letters_and_digits():
    assert bare(STANDARD.percent(Decimal(25))) == "خمسة وعشرون بالمئة"
    assert bare(STANDARD.span("مئة", "مئتان")) == "مئة إلى مئتين"
    assert bare(STANDARD.letters("SPA")) == "إس پي إيه"
    assert bare(STANDARD.digits("050")) == "صفر خمسة صفر"


def test_oblique_after_prepositions():
    assert bare(oblique("عِشْرُون")) == "عشرين"
    assert bare(oblique("وَمِئَتَان")) == "ومئتين"
    assert oblique("خَمْسَة") == "خَمْسَة"


@pytest.mark.parametrize("locale", ["ar-SA", "ar-EG", "ar-AE"])
def test_verbaliser_says_every_unit_and_currency_in_arabic_letters(locale):
    verbaliser = ArabicVerbaliser(locale)
    said = [verbaliser.measure(Decimal(count), unit) for unit in words.UNITS for count in (1, 2, 3, 12, 100)]
    said += [
        verbaliser.money(Decimal(count), c) for c in CURRENCIES for count in ("1", "2", "3.50", "12", "1000")
    ]
    for reading in said:
        assert reading.strip()
        assert not any(char.isascii() and not char.isspace() for char in reading), reading


@pytest.mark.parametrize("locale", ["ar-SA", "ar-EG", "ar-AE"])
def test_every_currency_in_use_has_an_arabic_name_that_is_counted(locale):
    verbaliser = ArabicVerbaliser(locale)
    for code in CODES:
        for amount in ("1", "2", "7", "11", "100", "3.5"):
            said = bare(verbaliser.money(Decimal(amount), code))
            assert not any(char.isascii() and char.isalnum() for char in said), (code, said)


@pytest.mark.parametrize(
    ("amount", "currency", "said"),
    [
        ("1", "KWD", "دينار كويتي واحد"),
        ("2", "KWD", "ديناران كويتيان"),
        ("9", "BHD", "تسعة دنانير بحرينية"),
        ("30", "JOD", "ثلاثون دينارا أردنيا"),
        ("3", "TRY", "ثلاث ليرات تركية"),
        ("2", "TRY", "ليرتان تركيتان"),
        ("12", "SEK", "اثنتا عشرة كرونة سويدية"),
        ("5", "HKD", "خمسة دولارات هونغ كونغ"),
        ("1.250", "OMR", "ريال عماني واحد ومئتان وخمسون بيسة"),
        ("0.5", "TND", "خمسمئة مليم"),
        ("2.345", "SAR", "اثنان فاصلة ثلاثة أربعة خمسة ريال"),
        ("1000000", "EGP", "مليون جنيه مصري"),
        ("12000", "USD", "اثنا عشر ألف دولار"),
        ("200", "QAR", "مئتا ريال قطري"),
    ],
)
def test_money_of_any_country_is_counted(amount, currency, said):
    assert bare(STANDARD.money(Decimal(amount), currency)) == said


@pytest.mark.parametrize(
    ("above", "below", "said"),
    [
        (1, 2, "نصف"),
        (2, 3, "ثلثان"),
        (3, 4, "ثلاثة أرباع"),
        (7, 10, "سبعة أعشار"),
        (5, 16, "خمسة على ستة عشر"),
    ],
)
def test_fraction_has_its_name_up_to_tenths(above, below, said):
    assert bare(STANDARD.fraction(Decimal(above), Decimal(below))) == said


@pytest.mark.parametrize(
    ("value", "masculine", "feminine"),
    [
        (1, "الأول", "الأولى"),
        (3, "الثالث", "الثالثة"),
        (11, "الحادي عشر", "الحادية عشرة"),
        (19, "التاسع عشر", "التاسعة عشرة"),
        (42, "الثاني والأربعون", "الثانية والأربعون"),
        (100, "المئة", "المئة"),
        (101, "الأول بعد المئة", "الأولى بعد المئة"),
    ],
)
def test_ordinal_has_the_gender_of_its_noun(value, masculine, feminine):
    assert bare(STANDARD.counting.ordinal(value)) == masculine
    assert bare(STANDARD.counting.ordinal(value, feminine=True)) == feminine


@pytest.mark.parametrize(
    ("value", "before", "said"),
    [
        (14, "لويس", "الرابع عشر"),
        (2, "العالمية", "الثانية"),
        (2, "إليزابيث", "الثانية"),
        (1, "القرن", "الأول"),
        (10, "مالكوم", None),
        (3, "Rocky", None),
    ],
)
def test_roman_numeral_is_an_ordinal_after_a_word_that_is_numbered(value, before, said):
    words = STANDARD.roman(value, before)
    assert words is None if said is None else bare(words) == said
