"""The shared normaliser, heard through the English verbaliser: what stands in posts, and hostile input."""

import time
from decimal import Decimal

import pytest

from tts_app.language.english.words import EnglishVerbaliser
from tts_app.language.semiotics import UNITS, normalise, parse_number, words_of_tag


def capitals(word, shouted):
    return word.lower() if shouted or word == "SPA" else " ".join(word)


AMERICAN = EnglishVerbaliser("en-US", capitals)
BRITISH = EnglishVerbaliser("en-GB", capitals)


class Bare:
    """A verbaliser that offers what the Protocol demands and no more."""

    locale, day_first, decimal_mark = "xx", True, ","

    def __getattr__(self, name):
        if name not in {
            "number",
            "ordinal",
            "digits",
            "year",
            "percent",
            "date",
            "time",
            "measure",
            "money",
            "span",
        }:
            raise AttributeError(name)
        return lambda *things: f"<{name}>".strip("<>")

    def letters(self, letters):
        return " ".join(letters.lower())

    def symbol(self, symbol):
        return ""

    def abbreviation(self, written):
        return None


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("$1,299.50/night", "one thousand two hundred ninety nine dollars and fifty cents per night"),
        ("£45pp and €1.250,00", "forty five pounds per person and one thousand two hundred fifty euros"),
        (
            "₹1,25,000 or Rs. 12,500",
            "one hundred twenty five thousand rupees or twelve thousand five hundred rupees",
        ),
        ("AED 500, 50 د.إ, SAR 20", "five hundred dirhams, fifty dirhams, twenty Saudi riyals"),
        ("A$50, 10 ج.م, ₨ 200", "fifty Australian dollars, ten Egyptian pounds, two hundred rupees"),
        (
            "$5M, $2.5k, $1.2 million",
            "five million dollars, two thousand five hundred dollars, one point two million dollars",
        ),
        ("10K followers, a 4K screen", "ten thousand followers, a four K screen"),
        ("$10-$20, $10-20, 10-20€", "ten to twenty dollars, ten to twenty dollars, ten to twenty euros"),
        ("-$50 and £0.01", "minus fifty dollars and one penny"),
    ],
)
def test_normalise_says_money(written, said):
    assert normalise(written, AMERICAN) == said


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("on 03/04/2026", "on March fourth twenty twenty six"),
        (
            "on 12/25/2026 and 25/12/2026",
            "on December twenty fifth twenty twenty six and December twenty fifth twenty twenty six",
        ),
        ("2026-04-03", "April third twenty twenty six"),
        ("Friday, April 3rd, 2026", "Friday, April third twenty twenty six"),
        ("3 April, Apr 3, April 2026", "the third of April, April third, April twenty twenty six"),
        ("by 31/31/2026", "by thirty one slash thirty one slash twenty twenty six"),
        ("Mon–Fri 9am-5pm", "Monday to Friday nine A M to five P M"),
        ("5-7pm, 10:00–14:00", "five to seven P M, ten o'clock to fourteen hundred"),
        ("7:30pm, 7.30 p.m., 19:30, 12am", "seven thirty P M, seven thirty P M, nineteen thirty, twelve A M"),
        (
            "in 1999, the 1990s and the '90s",
            "in nineteen ninety nine, the nineteen nineties and the nineties",
        ),
        ("You may 5 times", "You may five times"),
    ],
)
def test_normalise_says_dates_and_times(written, said):
    assert normalise(written, AMERICAN) == said


def test_normalise_orders_day_and_month_by_locale():
    assert normalise("03/04/2026", BRITISH) == "the third of April twenty twenty six"
    assert normalise("2-3 April", BRITISH) == "the second to the third of April"


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("Call +971 4 123 4567.", "Call plus nine seven one, four, one two three, four five six seven."),
        ("(04) 123-4567", "zero four, one two three, four five six seven"),
        ("0501234567", "zero five zero, one two three, four five six seven"),
        ("555-1234", "five five five, one two three four"),
        (
            "1.5km, 25°C, 50m², 100 km/h",
            "one point five kilometers, twenty five degrees Celsius, fifty square meters, "
            "one hundred kilometers per hour",
        ),
        ("10–15 mins and 5 min. walk", "ten to fifteen minutes and five minutes walk"),
        ("5★, 5*, ⭐⭐⭐⭐⭐, ★★★★☆", "five star, five star, five star, four star"),
        ("3x faster, 10x20 cm", "three times faster, ten by twenty centimeters"),
        ("20% off, 20% - 30%, -5%", "twenty percent off, twenty to thirty percent, minus five percent"),
        ("1st, 2nd, 23rd", "first, second, twenty third"),
        ("24/7, 2-for-1, 50+", "twenty four seven, two for one, fifty plus"),
        (
            "1/2 price, 3/4, 9/10, 2½ hours",
            "one half price, three quarters, nine out of ten, two and a half hours",
        ),
        ("No. 5, #1, №2", "number five, number one, number two"),
        ("Room 1204 and 1204 guests", "Room one two zero four and one thousand two hundred four guests"),
        (
            "v2.0.1, 192.168.1.1, 007",
            "v two dot zero dot one, one hundred ninety two dot one hundred sixty eight dot one dot one, "
            "zero zero seven",
        ),
        ("COVID-19, MP3, A380", "C O V I D nineteen, M P three, A three eight zero"),
        ("3-1 win", "three one win"),
        ("٣٤٫٥ و ۲۰٪", "thirty four point five و twenty percent"),
    ],
)
def test_normalise_says_numbers(written, said):
    assert normalise(written, AMERICAN) == said


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("Book 👉 https://example.com/spa?x=1.", "Book, example dot com slash spa."),
        ("bit.ly/3xYz or www.grand-hotel.co.uk", "bit dot L Y or grand hotel dot co dot U K"),
        ("info@grand-hotel.com", "info at grand hotel dot com"),
        ("the end.Next one", "the end. Next one"),
        ("See #LuxuryStay #Dubai2026 #travel", "See, hashtag Luxury Stay, Dubai twenty twenty six, travel"),
        ("with @grand_hotel", "with at grand hotel"),
        ("I ❤️ Dubai", "I love Dubai"),
        ("We love 😍 this 🎉🎉", "We love this."),
        ("Great! 🎉 Come", "Great! Come"),
        ("B&B, T&Cs, VIPs, U.S.A.", "B and B, T and C's, V I P's, U S A."),
        ("BOOK YOUR SPA DAY NOW! Your UAE visa", "book your spa day now! Your U A E visa"),
        ("(free wifi) [terms*] \"quoted\" it's guests'", "free wifi, terms, quoted it's guests"),
        ("and/or check-in • yes — no", "and or check in, yes, no"),
        ("One\nTwo\nand three\n• four", "One. Two and three. four"),
        ("guest(s) w/ kids, e.g. 3", "guests with kids, for example three"),
        ("FREE WI-FI, a 5K run", "free wifi, a five K run"),
        ("¡Hola! ¿Qué؟ नमस्ते।", "Hola! Qué? नमस्ते."),
    ],
)
def test_normalise_says_web_addresses_and_marks(written, said):
    assert normalise(written, AMERICAN) == said


@pytest.mark.parametrize(
    ("written", "mark", "value"),
    [
        ("1,299.50", ".", "1299.50"),
        ("1.299,50", ",", "1299.50"),
        ("1.250", ",", "1250"),
        ("1,25,000", ".", "125000"),
        ("12,34,567", ",", "1234567"),
        ("2.5", ",", "2.5"),
        ("2,5", ".", "2.5"),
        ("0.125", ".", "0.125"),
        ("1.2.3", ".", None),
        ("1,2,3", ".", None),
    ],
)
def test_parse_number_reads_written_numbers(written, mark, value):
    assert parse_number(written, mark) == (None if value is None else Decimal(value))


def test_words_of_tag_splits_tags_into_words():
    assert words_of_tag("LuxuryStay2026") == ["Luxury", "Stay", "2026"]
    assert words_of_tag("DubaiNYE_party") == ["Dubai", "NYE", "party"]
    assert words_of_tag("دبي2026") == ["دبي", "2026"]


@pytest.mark.parametrize("unit", UNITS)
def test_english_verbaliser_says_every_unit(unit):
    assert AMERICAN.measure(Decimal(2), unit)


def test_normalise_works_with_a_bare_verbaliser():
    said = normalise("$5/night, 3/4, 90s, #Tag, room 1204, VIP, 50%", Bare())
    assert said == "money night, number number, number, Tag, room number, v i p, percent"


def test_normalise_leaves_only_words_and_six_marks():
    said = normalise("a^b ~ {c} <d> \\ `e` 10^6 ¶ § © 中文 ﷺ ₿ 5′ 6″", AMERICAN)
    assert all(char.isalpha() or char in " .,;:?!'" or ord(char) > 0x600 for char in said), said
    assert not any(char.isdigit() for char in said)


@pytest.mark.parametrize(
    "run",
    [
        *(
            "1",
            "a",
            "A",
            " ",
            ".",
            "a.",
            "a@",
            "@",
            "#",
            "a1",
            "1,",
            "1 ",
            "1-",
            "-",
            "/",
            "1/",
            "$1",
            "+1",
            "(1",
        ),
        *(
            "'",
            "❤",
            "★",
            "1:",
            "A&",
            "AB ",
            "a\n",
            "http://",
            "www.",
            "a-",
            "a_",
            "#a",
            "٣",
            "द",
            "1°",
            "3 May ",
        ),
        *("a.b", "1k ", "no. ", "ab.cd@", "01 02 ", "1½", "#a ", "10-"),
    ],
)
def test_normalise_takes_linear_time_on_long_runs(run):
    """16 times the length takes some 16 times the time, and 256 times where a pattern backtracks."""
    times = []
    for length in (500, 8_000):
        text = run * (length // len(run))
        started = time.process_time()
        normalise(text, AMERICAN)
        times.append(time.process_time() - started)
    assert times[1] < max(64 * times[0], 1)


def test_normalise_of_a_long_post_is_quick():
    post = (
        "Book 👉 https://example.com/spa #LuxuryStay $1,299.50/night until 03/04/2026 at 7:30pm! We love it. "
    )
    text = post * (100_000 // len(post))
    normalise("warm", AMERICAN)
    started = time.process_time()
    normalise(text, AMERICAN)
    assert time.process_time() - started < 20
