"""Unicode clean-up: decoration goes, what belongs to the spelling stays, and time stays linear."""

import time

import pytest

from tts_app.language.text import ascii_digits, clean


@pytest.mark.parametrize(
    ("written", "cleaned"),
    [
        ("𝗕𝗼𝗹𝗱 ｆｕｌｌ ⓒⓐⓑ", "Bold full cab"),
        ("🅑🅞🅞🅚 🅱🅾🅾🅺 ʙᴏᴏᴋ", "BOOK BOOK book"),
        ("50 m² of ﬁne ㎞", "50 m^2 of fine km"),
        ("1️⃣Book 5️⃣0️⃣", "1 Book 50"),
        ("a\u200bb\u202ec\x00d\u00ade", "abcde"),
        ("lone \ud800 surrogate", "lone surrogate"),
        ("“Hi” ‘there’ — it’s", "\"Hi\" 'there' — it's"),
        ("wow!!! really?!?! wait... what", "wow! really? wait, what"),
        ("The end...", "The end."),
        ("one\r\n\r\n two\u2028three", "one\ntwo\nthree"),
        ("1\u202f250 €", "1250 €"),
        ("&amp; &lt;3 <br/> 3 < 5", "& <3 3 < 5"),
        ("Z̷a̷l̷g̷o̷", "Zalgo"),
        ("e\u0301", "é"),
        ("Brand™ №5", "Brand No. 5"),
    ],
)
def test_clean_removes_decoration(written, cleaned):
    assert clean(written) == cleaned


def test_clean_keeps_joiners_that_the_spelling_needs():
    assert clean("می\u200cروم") == "می\u200cروم"
    assert clean("क्\u200dष") == "क्\u200dष"
    assert clean("👨‍👩‍👧") == "👨‍👩‍👧"
    assert clean("a\u200db\u200cc") == "abc"


def test_ascii_digits_reads_every_script():
    assert ascii_digits("٣٤٥ ۳۴ ३४ 12") == "345 34 34 12"


@pytest.mark.parametrize(
    "run",
    ["1", "a", " ", ".", "!", "?!", "a.", "<a", "&", "\u0301", ". ", "❤️", "-", "\u200d", "🅑", "ᴀ", "\n"],
)
def test_clean_takes_linear_time_on_long_runs(run):
    started = time.process_time()
    clean(run * (100_000 // len(run)))
    assert time.process_time() - started < 2


@pytest.mark.parametrize("between", ["", "\u200d", "\u00ad"])
def test_a_letter_keeps_few_of_its_marks(between):
    assert len(clean("o" + f"\u0327{between}" * 5000)) <= 7


def test_the_marks_of_a_script_stay():
    assert clean("a\u0301\u0327 بِّ कि्") == "á\u0327 بِّ कि्"
