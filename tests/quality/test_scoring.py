"""The folding of spellings, and the error rates over it."""

import pytest

from tts_app.evaluate.scoring import character_error_rate, fold, score_words, word_error_rate

EQUAL = [
    ("en", "It costs twenty dollars.", "it costs $20"),
    ("en", "one thousand two hundred and ninety-nine dollars", "$1,299"),
    ("en", "twelve ninety-nine dollars", "$1,299"),
    ("en", "nineteen dollars and ninety-nine cents", "$19.99"),
    ("en", "eighty-nine pounds fifty a night", "£89.50 a night"),
    ("en", "two hundred and fifty Australian dollars", "A$250"),
    ("en", "one hundred and eighty-nine dollars", "100 and 89 dollars"),
    ("en", "two million guests", "2 million guests"),
    ("en", "call five five five, one two three four", "Call 555-1234."),
    ("en", "double five five one two three four", "555-1234"),
    ("en", "November twenty-third, twenty twenty-six", "November 23rd, 2026"),
    ("en", "at seven thirty PM, or seven oh five AM", "at 7:30 p.m. or 7:05 a.m."),
    ("en", "at seven p.m.", "at 7:00 PM"),
    ("en", "at eleven thirty AM", "at 11.30 a.m."),
    ("en", "four point eight stars", "4.8 stars"),
    ("en", "twenty per cent off", "20% off"),
    ("en", "thirty degrees Celsius", "30°C"),
    ("en", "the twenty-first floor", "the 21st floor"),
    ("en", "visit grand hotel dot com slash offers", "Visit grandhotel.com/offers"),
    ("en", "hashtag summer vibes", "#SummerVibes"),
    ("en", "check-in at the Wi-Fi desk", "check in at the wifi desk"),
    ("en", "we're organising a colourful theatre programme", "We are organizing a colorful theater program"),
    ("en", "Doctor Smith and Mister Jones", "Dr. Smith and Mr. Jones"),
    ("es", "mil doscientos noventa y nueve euros", "1.299 €"),
    ("es", "diecinueve euros con noventa y nueve céntimos", "19,99 euros"),
    ("es", "a las siete y media", "a las 7:30"),
    ("es", "un veinte por ciento más", "un 20% mas"),
    ("es", "el veintitrés de noviembre de dos mil veintiséis", "el 23 de noviembre de 2026"),
    ("es", "tres coma cinco kilómetros", "3,5 km"),
    ("es", "seis uno dos, treinta y cuatro, cincuenta y seis", "612 34 56"),
    ("es", "setenta y nueve euros con cincuenta céntimos", "70 y 9 euros con 50 céntimos"),
    ("es", "habitaciones desde cien euros", "habitación es desde 100 euros"),
    ("es", "la segunda planta", "la 2ª planta"),
    ("ar", "مَدْرَسَةُ الأحياءِ", "مدرسه الاحياء"),
    ("ar", "إلى المكتبة", "الي المكتبه"),
    ("ur", "ہمارے ہوٹل میں", "همارے ہوٹل ميں"),
    ("hi", "बाज़ार में सम्पर्क", "बाजार में संपर्क"),
    ("hi", "यहाँ", "यहां"),
]


@pytest.mark.parametrize(("language", "said", "heard"), EQUAL)
def test_word_error_rate_accepts_spellings_of_one_utterance(language: str, said: str, heard: str) -> None:
    assert word_error_rate(said, heard, language) == 0


@pytest.mark.parametrize(
    ("language", "said", "heard"),
    [
        ("en", "twenty dollars", "thirty dollars"),
        ("en", "the hotel is open", "the hotel was open"),
        ("en", "nineteen dollars and ninety-nine cents", "$19.95"),
        ("en", "call five five five one two three four", "call 555-1235"),
        ("es", "el año nuevo", "el ano nuevo"),
        ("es", "mil doscientos euros", "1.300 €"),
        ("ur", "ہے", "ہی"),
        ("ar", "قلب", "كلب"),
        ("hi", "दिन", "दीन"),
    ],
)
def test_word_error_rate_counts_other_words(language: str, said: str, heard: str) -> None:
    assert word_error_rate(said, heard, language) > 0


def test_error_rates_count_substitutions_deletions_and_insertions() -> None:
    assert word_error_rate("a quick brown fox", "a quick brown box", "en") == pytest.approx(1 / 4)
    assert word_error_rate("a quick brown fox", "a quick fox", "en") == pytest.approx(1 / 4)
    assert word_error_rate("a quick brown fox", "a very quick brown fox", "en") == pytest.approx(1 / 4)
    assert character_error_rate("كتاب", "كباب", "ar") == pytest.approx(1 / 4)


def test_word_error_rate_of_a_runaway_is_one_and_a_half() -> None:
    assert word_error_rate("hello there", "no " * 50, "en") == 1.5


def test_word_error_rate_of_silence_is_one() -> None:
    assert word_error_rate("hello there", "", "en") == 1


def test_score_words_uses_the_nearest_reference() -> None:
    score = score_words(["room twelve oh four", "room one two zero four"], "Room 1 2 0 5", "en")
    assert (score.errors, score.length) == (1, 2)


def test_word_error_rate_refuses_a_reference_without_words() -> None:
    with pytest.raises(ValueError, match="nothing to compare"):
        word_error_rate("...", "hello", "en")


def test_character_error_rate_normalizes_digits_of_other_scripts() -> None:
    def normalise(text: str) -> str:
        return text.replace("20%", "بیس فیصد")

    assert character_error_rate("بیس فیصد رعایت", "20% رعایت", "ur", normalise) == 0
    assert character_error_rate("بیس فیصد رعایت", "20% رعایت", "ur") > 0


def test_word_error_rate_joins_words_only_to_match() -> None:
    assert word_error_rate("the seaside", "the sea side", "en") == 0
    assert word_error_rate("a sea breeze", "a sea bree ze now", "en") == pytest.approx(1 / 3)


def test_fold_splits_a_long_number_into_digits() -> None:
    assert fold("0300 1234567", "en") == " ".join("03001234567")
    assert fold("in 2026", "en") == "in 2026"


@pytest.mark.parametrize(
    ("language", "said", "heard"),
    [
        ("fr", "à vingt-deux heures trente", "à 22h30"),
        ("fr", "avant vingt heures", "avant 20:00"),
        ("fr", "trois virgule cinq kilomètres", "3,5 km"),
        ("fr", "dix pour cent de remise, zéro quatre, quatre-vingt-onze", "10 % de remise, 04 91"),
        ("fr", "mille deux cent cinquante", "1 250"),
        ("it", "alle ventidue e trenta, duemilaventisei", "alle 22.30, 2026".replace(".", ":")),
        ("pt", "trezentos e cinquenta reais", "R$ 350"),
        ("pt", "vinte e oito graus", "28°C"),
    ],
)
def test_fold_writes_numbers_and_signs_out(language: str, said: str, heard: str) -> None:
    assert word_error_rate(said, heard, language) == 0


def test_fold_keeps_words_apart_that_differ() -> None:
    assert word_error_rate("trois chats", "quatre chats", "fr") == 0.5
