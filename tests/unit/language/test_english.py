"""English: words in, plain IPA out, in three accents."""

import time
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal

import pytest

from tts_app.language import front_end
from tts_app.language.base import Date, FrontEnd, Time
from tts_app.language.english.accent import in_ipa
from tts_app.language.english.context import use_of
from tts_app.language.english.lexicon import restress
from tts_app.language.english.words import EnglishVerbaliser

IPA = set(" .,;:?!ˈˌː͡abcdefhijklmnoprstuvwzæðŋɐɑɒɔəɛɜɡɪɹɾʃʉʊʌʒʔθᵊᵻ")
"""Letters of English in IPA; no capital of the dictionaries is among them."""


@pytest.fixture(scope="module")
def us() -> FrontEnd:
    return front_end("en-US")


@pytest.fixture(scope="module")
def gb() -> FrontEnd:
    return front_end("en-GB")


@pytest.fixture(scope="module")
def au() -> FrontEnd:
    return front_end("en-AU")


def test_front_end_is_made_once(us):
    assert front_end("en-US") is us
    assert front_end("en-NZ") is not us


@pytest.mark.parametrize(
    ("text", "american", "british"),
    [
        ("The quick brown fox.", "ðə kwˈɪk bɹˈa͡ʊn fˈɑks.", "ðə kwˈɪk bɹˈa͡ʊn fˈɒks."),
        ("go to the office", "ɡˌo͡ʊ tə ði ˈɔfəs", "ɡˌə͡ʊ tə ði ˈɒfɪs"),
        ("Where to, an hour?", "wˌɛɹ tu, ɐn ˈa͡ʊəɹ?", "wˌɛː tuː, ɐn ˈa͡ʊə?"),
        ("water", "wˈɔɾəɹ", "wˈɔːtə"),
    ],
)
def test_phonemise_differs_in_american_and_british_english(us, gb, text, american, british):
    assert us.phonemise([text]) == [american]
    assert gb.phonemise([text]) == [british]


def test_phonemise_tells_spelled_letters_from_articles(us):
    letters, article, plural = us.phonemise(["the U A E", "a room. A room", "V I P's"])
    assert letters == "ðə jˌu ˌe͡ɪ ˈi"
    assert article == "ɐ ɹˈum. ɐ ɹˈum"
    assert plural == "vˌi ˌa͡ɪ pˈiz"


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("I live here", "lˈɪv"),
        ("live music", "lˈa͡ɪv"),
        ("Live like a king", "lˈɪv"),
        ("we close at nine", "klˈo͡ʊz"),
        ("it is close to you", "klˈo͡ʊs"),
        ("record your visit", "ɹəkˈɔɹd"),
        ("a new record", "ɹˈɛkəɹd"),
        ("I have read it", "ɹˈɛd"),
        ("please read it", "ɹˈid"),
        ("the use of it", "jˈus"),
        ("we used to swim", "jˈust"),
    ],
)
def test_phonemise_reads_homographs_by_context(us, text, wanted):
    assert wanted in us.phonemise([text])[0].split()


def test_lexicon_derives_inflected_forms_from_their_stems(us, gb):
    lexicon = us._lexicon
    assert lexicon.look_up("glamping", None) is None or lexicon.look_up("glamping", None).endswith("ɪŋ")
    assert lexicon._inflected("riyals", None) == "ɹiˈɑlz"
    assert lexicon._inflected("hashtagged", None) == "hˈæʃtˌæɡd"
    assert lexicon._inflected("hashtagging", None) == "hˈæʃtˌæɡɪŋ"
    assert gb._lexicon._inflected("brunches", None) == "bɹˈʌnʧɪz"
    assert lexicon._inflected("brunches", None) == "bɹˈʌnʧᵻz"
    assert lexicon._inflected("qwrtys", None) is None


def test_lexicon_guesses_unknown_words(us):
    guessed = us._lexicon.guess(["bluewaterlodge", "zorblat"])
    assert guessed["bluewaterlodge"] == "blˈuwˌɔɾəɹlˌɑʤ"
    assert guessed["zorblat"]
    assert set(in_ipa(guessed["zorblat"], "en-US")) <= IPA


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("SPA day, VIP, your UAE, NASA and FREE", "spa day, V I P, your U A E, NASA and free"),
        ("JOIN US NOW IN THE UK!", "join us now in the U K!"),
        ("St. Ives, Main St. is open", "Saint Ives, Main Street is open"),
        ("Москва, 北京 and café", "moskva, beijing and café"),
        ("مرحبا दुबई", "marahab dubi"),
    ],
)
def test_normalise_says_words_in_capitals_and_other_scripts(us, written, said):
    assert us.normalise(written) == said


@pytest.mark.parametrize("locale", ["en-US", "en-GB", "en-AU"])
def test_phonemise_gives_plain_ipa(locale):
    front = front_end(locale)
    post = (
        "Book now 👉 https://example.com/spa #LuxuryStay @grandhotel $1,299.50/night, 20% off, 03/04/2026 "
        "at 7:30pm! Call +971 4 123 4567. مرحبا 北京 naïve zxqj WhatsApp soooo B&B's"
    )
    (phonemes,) = front.phonemise([front.normalise(post)])
    assert set(phonemes) <= IPA, set(phonemes) - IPA
    assert len(phonemes) > 250


def test_in_ipa_gives_australian_vowels(au):
    assert in_ipa("dˈA nˈIt ɡˈQ nˈW", "en-AU") == "dˈæ͡ɪ nˈɑ͡ɪt ɡˈə͡ʉ nˈæ͡ɔ"
    assert au.phonemise(["our day"]) == ["ˌɑː dˈæ͡ɪ"]


def test_phonemise_keeps_texts_apart_and_is_the_same_in_threads(us):
    texts = ["One two.", "", "Three, four!"]
    alone = us.phonemise(texts)
    assert alone[1] == ""
    with ThreadPoolExecutor(4) as pool:
        assert all(answer == alone for answer in pool.map(lambda _: us.phonemise(texts), range(20)))


def test_restress_moves_and_removes_stress():
    assert restress("wˈɔtəɹ", -1) == "wˌɔtəɹ"
    assert restress("ænd", 0.5) == "ˌænd"
    assert restress("ænd", 2) == "ˈænd"
    assert restress("hˌOtˈɛl", -2) == "hOtɛl"


def test_use_of_tells_verb_noun_and_participle():
    assert use_of(["to", "really", "record"], 2) == "VERB"
    assert use_of(["a", "record"], 1) == "NOUN"
    assert use_of(["have", "read"], 1) == "VBN"


def test_english_verbaliser_says_numbers_money_dates_and_times():
    gb = EnglishVerbaliser("en-GB", lambda word, shouted: word)
    us = EnglishVerbaliser("en-US", lambda word, shouted: word)
    assert gb.number(Decimal("1250")) == "one thousand two hundred and fifty"
    assert us.number(Decimal("-1250.05")) == "minus one thousand two hundred fifty point zero five"
    assert us.number(Decimal(1_250_000)) == "one point two five million"
    assert [us.year(y) for y in (1900, 1905, 2005, 2026)] == [
        "nineteen hundred",
        "nineteen oh five",
        "two thousand five",
        "twenty twenty six",
    ]
    assert [us.decade(d) for d in (1990, 90, 2000, 2010)] == [
        "nineteen nineties",
        "nineties",
        "two thousands",
        "twenty tens",
    ]
    assert us.money(Decimal("1"), "USD") == "one dollar"
    assert gb.money(Decimal("1.01"), "AUD") == "one Australian dollar and one cent"
    assert EnglishVerbaliser("en-AU", us.capitals).money(Decimal(2), "AUD") == "two dollars"
    assert us.date(Date(weekday=4)) == "Friday"
    assert gb.date(Date(day=3)) == "the third"
    assert us.time(Time(0, 5, twelve=True)) == "twelve oh five A M"
    assert us.time(Time(14, 30, 15)) == "fourteen hours thirty minutes and fifteen seconds"
    assert us.measure(Decimal(1), "km") == "one kilometer"
    assert gb.measure(Decimal(2), "l") == "two litres"


def test_phonemise_of_a_long_text_is_quick(us):
    text = us.normalise("We are delighted to welcome you to our beach resort in Dubai. " * 200)
    started = time.process_time()
    us.phonemise([text])
    assert time.process_time() - started < 20
