"""Urdu text to words and to the sounds of the Hindi voices: numerals, unwritten vowels, mixed scripts."""

import unicodedata
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal

import pytest
import regex

from tts_app.language.base import Date, Time
from tts_app.language.currencies import CODES
from tts_app.language.notation import CURRENCIES, UNITS
from tts_app.language.urdu.front_end import UrduVerbaliser, make_front_end
from tts_app.language.urdu.lexicon import LEXICON
from tts_app.language.urdu.script import normal, to_devanagari, to_urdu
from tts_app.language.urdu.words import CARDINALS_SPOKEN, URDU

SAY = UrduVerbaliser()
_ROUND = "किताब दुनिया क्या साया हवा कोई आई हुए ऊबर एक ऐप ईद ओके औरत तरह चाय लव जय गोवा इवेन्ट रोड लाइव मेन्यू"
SPOKEN = regex.compile(r"[\p{Arabic}\p{Mn} .,;:?!]*")
DEVANAGARI = regex.compile(r"[\p{Devanagari} ]+")


@pytest.fixture(scope="module")
def urdu():
    return make_front_end("ur-PK")


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("0", "صفر"),
        ("29", "انتیس"),
        ("49", "انچاس"),
        ("69", "انہتر"),
        ("99", "ننانوے"),
        ("100", "ایک سو"),
        ("125000", "ایک لاکھ پچیس ہزار"),
        ("25000000", "دو کروڑ پچاس لاکھ"),
        ("-7", "منفی سات"),
        ("2.05", "دو اعشاریہ صفر پانچ"),
    ],
)
def test_number_is_said_in_lakhs_and_crores(value, words):
    assert SAY.number(Decimal(value)) == words


def test_cardinals_to_a_hundred_have_a_word_and_a_pronunciation():
    assert len(set(URDU.cardinals)) == 100
    assert set(CARDINALS_SPOKEN) == set(URDU.cardinals)
    assert len(set(CARDINALS_SPOKEN.values())) == 100


def test_ordinal_in_urdu():
    assert [SAY.native_ordinal(n) for n in (1, 2, 3, 4, 5, 6, 10)] == [
        "پہلا",
        "دوسرا",
        "تیسرا",
        "چوتھا",
        "پانچواں",
        "چھٹا",
        "دسواں",
    ]


@pytest.mark.parametrize(
    ("amount", "currency", "words"),
    [
        ("1", "PKR", "ایک روپیہ"),
        ("2500", "PKR", "دو ہزار پانچ سو روپے"),
        ("9.99", "USD", "نو ڈالر ننانوے سینٹ"),
        ("300", "SAR", "تین سو سعودی ریال"),
        ("100", "INR", "ایک سو بھارتی روپے"),
    ],
)
def test_money_in_urdu(amount, currency, words):
    assert SAY.money(Decimal(amount), currency) == words


def test_urdu_words_name_every_currency_and_unit():
    assert set(URDU.currencies) >= set(CURRENCIES)
    for unit in URDU.units:
        assert SPOKEN.fullmatch(SAY.measure(Decimal(2), unit))


@pytest.mark.parametrize("code", sorted(CODES))
def test_every_currency_is_named_in_urdu(urdu, code):
    said = urdu.words(f"اب 100 {code}")
    assert SPOKEN.fullmatch(said) and said.startswith("اب ایک سو ") and SAY.letters(code) not in said


@pytest.mark.parametrize("unit", sorted(set(UNITS) - {"star"}))
def test_every_unit_is_said_in_urdu(urdu, unit):
    said = urdu.words(f"اب 2 {UNITS[unit][0]}")
    assert SPOKEN.fullmatch(said) and said.startswith("اب دو ") and said != "اب دو "


@pytest.mark.parametrize(
    ("time", "words"),
    [
        (Time(10, 30), "ساڑھے دس بجے"),
        (Time(14, 30), "دوپہر ڈھائی بجے"),
        (Time(9, 15, twelve=True), "صبح سوا نو بجے"),
        (Time(19, 45), "شام پونے آٹھ بجے"),
        (Time(22, 10), "رات دس بج کر دس منٹ"),
    ],
)
def test_time_names_quarters_and_the_part_of_the_day(time, words):
    assert SAY.time(time) == words


def test_date_in_urdu():
    assert SAY.date(Date(14, 8, 1947)) == "چودہ اگست انیس سو سینتالیس"
    assert SAY.date(Date(1, 1)) == "یکم جنوری"
    assert SAY.date(Date(day=5, month=6, year=2026, weekday=4)) == "جمعہ, پانچ جون دو ہزار چھبیس"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("صرف 4,999 روپے!", "صرف چار ہزار نو سو ننانوے روپے!"),
        ("Rs. 500/- میں", "پانچ سو روپے میں"),
        ("۲٫۵ کروڑ روپے", "ڈھائی کروڑ روپے"),
        ("۱,۲۵,۰۰۰ لوگ", "ایک لاکھ پچیس ہزار لوگ"),
        ("25% رعایت", "پچیس فیصد رعایت"),
        ("14/08/1995 کو", "چودہ اگست انیس سو پچانوے کو"),
        ("صبح 11:30 بجے", "صبح ساڑھے گیارہ بجے"),
        ("7pm-11pm", "شام سات بجے سے رات گیارہ بجے"),
        ("5ویں منزل، 10واں", "پانچویں منزل, دسواں"),
        ("0300 1234567 پر", "صفر تین صفر صفر, ایک دو تین چار, پانچ چھ سات پر"),
        ("3 km دور", "تین کلومیٹر دور"),
        ("چائے/کافی", "چائے یا کافی"),
        ("كيا حال هے؟", "کیا حال ہے?"),
        ("#عید_مبارک", "عید مبارک"),
        ("پہلے\u200cسے", "پہلے سے"),
        ("80 لوگ اسی دن", "اَسّی لوگ اسی دن"),
    ],
)
def test_normalise_writes_posts_as_words(urdu, text, words):
    assert urdu.normalise(text) == words


@pytest.mark.parametrize(
    ("text", "devanagari"),
    [
        ("free WiFi اور Spa", "फ़्री वाईफ़ाई और स्पा"),
        ("हिंदी शब्द", "हिन्दी शब्द"),
        ("Deluxe Room", "डीलक्स रूम"),
    ],
)
def test_normalise_writes_other_scripts_in_urdu_with_vowels(urdu, text, devanagari):
    words = urdu.normalise(text)
    assert SPOKEN.fullmatch(words)
    assert to_devanagari(words) == devanagari


@pytest.mark.parametrize(
    ("word", "devanagari"),
    [
        ("ہیں", "हैं"),
        ("بہتر", "बेहतर"),
        ("مہمان", "मेहमान"),
        ("محبت", "मुहब्बत"),
        ("کمرہ", "कमरा"),  # the silent ہ
        ("قلعہ", "क़िला"),  # the silent ع
        ("شمع", "शमा"),
        ("بعد", "बाद"),
        ("پڑھنا", "पढ़ना"),
        ("لائن", "लाइन"),
        ("رکیے", "रकिए"),
        ("حکومتِ پاکستان", "हुकूमते पाकिस्तान"),  # the izafat
        ("نغمۂ", "नग़्माए"),
        ("فوراً", "फ़ौरन"),
        ("اِستِقبال", "इस्तिक़बाल"),
        ("مُحَبَّت", "मुहब्बत"),
        ("کِتاب", "किताब"),
        ("تَعرِیف", "तारीफ़"),
        ("عِید", "ईद"),
        ("اعلیٰ", "आला"),
        ("خُوبصُورَت", "ख़ूबसूरत"),
        ("رَحْمٰن", "रहमान"),  # the dagger alif
        ("زَکوٰۃ", "ज़कात"),
        ("صلوٰۃ", "सलात"),
        ("شُعُور", "शुऊर"),  # a short vowel on ع, and the letter that lengthens it
        ("سَعِید", "सईद"),
        ("جُمُعَہ", "जुमुअह"),
        ("رَئِیس", "रईस"),
        ("اِعْلان", "एलान"),  # ع after the alif that begins a word
        ("مُعامَلَہ", "मुआमला"),
        ("اُوپَر", "ऊपर"),
        ("آئِینَہ", "आईना"),
        ("کُنْواں", "कुन्वाँ"),
        ("گَھر", "घर"),
        ("پَتَّھر", "पत्थर"),
    ],
)
def test_to_devanagari_spells_urdu_as_it_is_spoken(word, devanagari):
    assert to_devanagari(word) == devanagari


@pytest.mark.parametrize(
    "word",
    _ROUND.split(),
)
def test_to_urdu_is_undone_by_to_devanagari(word):
    assert to_devanagari(to_urdu(word)) == word


def test_lexicon_entries_are_valid():
    assert len(LEXICON) > 500
    for word, said in LEXICON.items():
        assert normal(word) == word
        assert DEVANAGARI.fullmatch(said), word


def test_phonemise_gives_ipa_of_the_hindi_voices(urdu):
    phonemes = urdu.phonemise(["ہمارے ہوٹل میں خوش آمدید, مہمان!"])
    assert [unicodedata.normalize("NFC", line) for line in phonemes] == [
        "həmˌaːɾeː hˈoːʈəl mẽː xˈʊʃ ˌaːmdˈiːd, mˌeːhəmˈaːn!"
    ]


def test_normalise_leaves_only_words_and_pauses(urdu):
    posts = [
        "🎉 *بڑی* خبر!! (صرف آج) — 50% OFF → www.abc.pk/x?y=1 … ~5 km",
        "«»\u200b#",
        "5★ 3x 24/7 & + = °",
        "ﷺ",
    ]
    for post in posts:
        assert SPOKEN.fullmatch(urdu.normalise(post)), post


def test_normalise_keeps_normalized_text(urdu):
    text = "ہمارے ہوٹل میں آپ کا استقبال ہے, آئیے!"
    assert urdu.normalise(text) == text


def test_front_end_is_shared_by_threads(urdu):
    texts = [f"کمرہ {number}، Deluxe Room" for number in range(24)]
    expected = [urdu.phonemise([urdu.normalise(text)]) for text in texts]
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(lambda text: urdu.phonemise([urdu.normalise(text)]), texts)) == expected


@pytest.mark.parametrize("text", ["اً" * 300, "بِ" * 300, "\u0650" * 3, "شہ" + "ۂ" * 300])
def test_endings_without_end_are_spelled(urdu, text):
    assert DEVANAGARI.fullmatch(to_devanagari(text) or " ")
    assert urdu.phonemise([urdu.normalise(text)])
