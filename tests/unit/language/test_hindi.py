"""Hindi text to words and to IPA: numerals, money, dates, mixed scripts."""

import unicodedata
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal

import pytest
import regex

from tts_app.language.base import Date, Time
from tts_app.language.currencies import CODES
from tts_app.language.hindi.front_end import HindiVerbaliser, make_front_end
from tts_app.language.hindi.latin import WORDS
from tts_app.language.hindi.letters import ENGLISH_PHONES, URDU_PHONES, in_devanagari, spell
from tts_app.language.hindi.words import HINDI
from tts_app.language.notation import CURRENCIES, UNITS

SAY = HindiVerbaliser()
SPOKEN = regex.compile(r"[\p{Devanagari} .,;:?!]*")
ALPHABET = set(" .,;:?!abcdefhijklmnopqrstuvwxyzɐɑɔəɛɟɡɣɪŋɳɾɽʃʈɖʊʌʋʒˈˌːʰ\u0303")


@pytest.fixture(scope="module")
def hindi():
    return make_front_end("hi-IN")


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("0", "शून्य"),
        ("29", "उनतीस"),
        ("39", "उनतालीस"),
        ("69", "उनहत्तर"),
        ("89", "नवासी"),
        ("99", "निन्यानवे"),
        ("100", "एक सौ"),
        ("505", "पाँच सौ पाँच"),
        ("1000", "एक हज़ार"),
        ("125000", "एक लाख पच्चीस हज़ार"),
        ("10000000", "एक करोड़"),
        ("1234567890", "एक अरब तेईस करोड़ पैंतालीस लाख सड़सठ हज़ार आठ सौ नब्बे"),
        ("10000000000000", "एक नील"),
        ("-5", "माइनस पाँच"),
        ("-0.5", "माइनस शून्य दशमलव पाँच"),
        ("3.14", "तीन दशमलव एक चार"),
        ("1E+3", "एक हज़ार"),
    ],
)
def test_number_is_said_in_lakhs_and_crores(value, words):
    assert SAY.number(Decimal(value)) == words


def test_cardinals_to_a_hundred_are_words_of_their_own():
    assert len(set(HINDI.cardinals)) == 100


def test_number_refuses_nan():
    with pytest.raises(ValueError, match="Not a number"):
        SAY.number(Decimal("NaN"))


@pytest.mark.parametrize(
    ("value", "words"),
    [(1, "पहला"), (4, "चौथा"), (5, "पाँचवाँ"), (6, "छठा"), (10, "दसवाँ"), (101, "एक सौ एकवाँ")],
)
def test_ordinal_in_hindi(value, words):
    assert SAY.native_ordinal(value) == words


@pytest.mark.parametrize(
    ("value", "words"),
    [(1947, "उन्नीस सौ सैंतालीस"), (1900, "उन्नीस सौ"), (2026, "दो हज़ार छब्बीस"), (1066, "एक हज़ार छियासठ")],
)
def test_year_before_two_thousand_is_said_in_hundreds(value, words):
    assert SAY.year(value) == words


@pytest.mark.parametrize(
    ("amount", "currency", "words"),
    [
        ("1", "INR", "एक रुपया"),
        ("500", "INR", "पाँच सौ रुपये"),
        ("99.50", "INR", "निन्यानवे रुपये पचास पैसे"),
        ("0.75", "USD", "पचहत्तर सेंट"),
        ("0", "USD", "शून्य डॉलर"),
        ("-20", "GBP", "माइनस बीस पाउंड"),
        ("5000", "PKR", "पाँच हज़ार पाकिस्तानी रुपये"),
        ("1.125", "EUR", "एक दशमलव एक दो पाँच यूरो"),
    ],
)
def test_money_in_hindi(amount, currency, words):
    assert SAY.money(Decimal(amount), currency) == words


def test_hindi_words_name_every_currency_and_unit():
    assert set(HINDI.currencies) >= set(CURRENCIES)
    for unit in HINDI.units:
        assert SPOKEN.fullmatch(SAY.measure(Decimal(2), unit))
    assert SAY.measure(Decimal(1), "h") == "एक घंटा"
    assert SAY.measure(Decimal(2), "h") == "दो घंटे"


@pytest.mark.parametrize("code", sorted(CODES))
def test_every_currency_is_named_in_hindi(hindi, code):
    said = hindi.words(f"100 {code}")
    assert SPOKEN.fullmatch(said) and said.startswith("एक सौ ") and SAY.letters(code) not in said


@pytest.mark.parametrize("unit", sorted(set(UNITS) - {"star"}))
def test_every_unit_is_said_in_hindi(hindi, unit):
    said = hindi.words(f"2 {UNITS[unit][0]}")
    assert SPOKEN.fullmatch(said) and said.startswith("दो ") and said != "दो "


@pytest.mark.parametrize(
    ("time", "words"),
    [
        (Time(9), "नौ बजे"),
        (Time(10, 30), "साढ़े दस बजे"),
        (Time(1, 30), "डेढ़ बजे"),
        (Time(14, 30), "दोपहर ढाई बजे"),
        (Time(9, 15), "सवा नौ बजे"),
        (Time(12, 45, twelve=True), "दोपहर पौने एक बजे"),
        (Time(18, 20), "शाम छह बजकर बीस मिनट"),
        (Time(23, 0, twelve=True), "रात ग्यारह बजे"),
        (Time(0, 5), "रात बारह बजकर पाँच मिनट"),
        (Time(6, 0, twelve=True), "सुबह छह बजे"),
        (Time(6, 1, 7), "छह बजकर एक मिनट सात सेकंड"),
    ],
)
def test_time_names_quarters_and_the_part_of_the_day(time, words):
    assert SAY.time(time) == words


def test_date_in_hindi():
    assert SAY.date(Date(15, 8, 1947)) == "पंद्रह अगस्त उन्नीस सौ सैंतालीस"
    assert SAY.date(Date(day=1, month=1, weekday=0)) == "सोमवार, एक जनवरी"
    assert SAY.date(Date(weekday=6)) == "रविवार"
    assert SAY.date(Date(month=3, year=2025)) == "मार्च दो हज़ार पच्चीस"


def test_fraction_in_hindi():
    assert SAY.fraction(Decimal(1), Decimal(2)) == "आधा"
    assert SAY.fraction(Decimal(3), Decimal(4)) == "तीन चौथाई"
    assert SAY.fraction(Decimal(9), Decimal(10)) == "नौ बटा दस"
    assert SAY.rating(Decimal(9), Decimal(10)) == "दस में से नौ"


def test_capitals_are_spelled_unless_they_are_words():
    assert SAY.letters("XYZ1") == "एक्स वाई ज़ेड"
    assert SAY.capitals("KPI", False) == "के पी आई"
    assert SAY.capitals("KPI", True) == "kpi"
    assert SAY.capitals("SPA", False) == "spa"
    assert SAY.capitals("RESORT", False) == "resort"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("सिर्फ़ ₹4,999 में!", "सिर्फ़ चार हज़ार नौ सौ निन्यानवे रुपये में!"),
        ("₹2.5 करोड़ का काम", "ढाई करोड़ रुपये का काम"),
        ("रु. 500/- मात्र", "पाँच सौ रुपये मात्र"),
        ("१,२५,००० लोग आए।", "एक लाख पच्चीस हज़ार लोग आए."),
        ("25% छूट", "पच्चीस प्रतिशत छूट"),
        ("15/08/2026 को", "पंद्रह अगस्त दो हज़ार छब्बीस को"),
        ("15 अगस्त 1947", "पंद्रह अगस्त उन्नीस सौ सैंतालीस"),
        ("शाम 7:30 बजे से", "शाम साढ़े सात बजे से"),
        ("शाम 7.20 बजे से", "शाम सात बजकर बीस मिनट से"),
        ("सुबह 10:30 AM", "सुबह साढ़े दस बजे"),
        ("7pm-11pm", "शाम सात बजे से रात ग्यारह बजे"),
        ("10-15 मिनट", "दस से पंद्रह मिनट"),
        ("5वीं मंज़िल, 3री बार, 2रे दिन", "पाँचवीं मंज़िल, तीसरी बार, दूसरे दिन"),
        ("5 कि.मी. दूर", "पाँच किलोमीटर दूर"),
        ("38°C", "अड़तीस डिग्री सेल्सियस"),
        ("डॉ. शर्मा", "डॉक्टर शर्मा"),
        ("+91 98765 43210", "प्लस नौ एक, नौ आठ सात छह पाँच, चार तीन दो एक शून्य"),
        ("98765 43210 पर", "नौ आठ सात छह पाँच, चार तीन दो एक शून्य पर"),
        ("चाय/कॉफ़ी", "चाय या कॉफ़ी"),
        ("क्या\u200d यह क्\u200dया है", "क्या यह क्या है"),
    ],
)
def test_normalise_writes_posts_as_words(hindi, text, words):
    assert hindi.normalise(text) == words


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("free WiFi और Spa", "फ़्री वाईफ़ाई और स्पा"),
        ("Luxury Stay", "लग्ज़री स्टे"),
        ("عید مبارک", "ईद मुबारक"),
        ("AC रूम", "एसी रूम"),
        ("aap kaise hain?", "आप कैसे हैं?"),
        ("你好 नमस्ते Привет", "नमस्ते"),
    ],
)
def test_normalise_says_or_drops_words_of_other_scripts(hindi, text, words):
    assert hindi.normalise(text) == words


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("hotel", "होटल"),
        ("parking", "पार्किंग"),
        ("cocktail", "कॉक्टेल"),
        ("swimming", "स्विमिंग"),
        ("metro", "मेट्रो"),
        ("grandpalace", "ग्रैन्ड पैलेस"),
        ("Qureshi", "क़ुरेशी"),
        ("Naïve", "नैवे"),
    ],
)
def test_in_devanagari_writes_latin_words_as_said_in_india(word, said):
    assert in_devanagari(word) == said


def test_spell_writes_phonemes_with_conjuncts():
    assert spell("ʃˈʌkər", URDU_PHONES) == "शकर"
    assert spell("dˈoːst", URDU_PHONES) == "दोस्त"
    assert spell("bˈæŋk", ENGLISH_PHONES) == "बैंक"


def test_latin_words_table_is_lower_case_and_speakable():
    assert len(WORDS) > 400
    for word, said in WORDS.items():
        assert word == word.lower()
        assert SPOKEN.fullmatch(said), word


def test_phonemise_gives_hindi_ipa(hindi):
    texts = ["नमस्ते, घोड़ा पढ़ना!", "आज छूट पाएँ."]
    said = ["nəmˈʌsteː, ɡʰˈoːɽaː pˈʌɽhənˌaː!", "ˈaːɟ cʰˈuːʈ pˈaːẽː."]
    assert hindi.phonemise(texts) == [unicodedata.normalize("NFD", line) for line in said]


def test_phonemise_uses_only_its_alphabet(hindi):
    text = hindi.normalise("ज़िंदगी, क़लम; ग़ालिब: फ़्रिज? Taj Mahal! 1,99,999 रुपये और १२:४५ बजे 😍 #नया_साल @hotel")
    assert set(hindi.phonemise([text])[0]) <= ALPHABET
    assert hindi.phonemise([]) == []


def test_normalise_leaves_only_words_and_pauses(hindi):
    posts = [
        "🎉🎉 *बड़ी* ख़बर!! (सिर्फ़ आज) — 50% OFF* → www.abc.in/x?y=1 … ॐ ~5 km",
        "«»\u200b#",
        "5★ 3x 24/7 & + = °",
    ]
    for post in posts:
        assert SPOKEN.fullmatch(hindi.normalise(post)), post


def test_normalise_keeps_normalized_text(hindi):
    text = "हमारे होटल में आपका स्वागत है, आइए!"
    assert hindi.normalise(text) == text


def test_front_end_is_shared_by_threads(hindi):
    texts = [f"कमरा {number}, Deluxe Room" for number in range(24)]
    expected = [hindi.phonemise([hindi.normalise(text)]) for text in texts]
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(lambda text: hindi.phonemise([hindi.normalise(text)]), texts)) == expected


def test_vocabulary_is_composed_unicode():
    words = [*HINDI.months, *HINDI.units["ft"], *WORDS.values()]
    assert all(unicodedata.is_normalized("NFC", word) for word in words)  # फ़ is two code points


def test_normalise_reads_a_room_number_digit_by_digit() -> None:
    assert "एक दो शून्य चार" in make_front_end("hi-IN").normalise("कमरा 1204 में")
