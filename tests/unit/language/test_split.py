"""Segments: short first, within the limit, at the best border, and never inside a word."""

import time

import pytest

from tts_app.language.split import Sentences, split

POST = (
    "Hi. Book your spa day now, and enjoy a free massage with every booking! Call us today; "
    "we are open until late: see you soon."
)


def test_split_makes_a_short_first_segment():
    assert split(POST, 36, 140) == [
        "Hi. Book your spa day now,",
        "and enjoy a free massage with every booking! Call us today; we are open until late: see you soon.",
    ]


def test_split_keeps_a_short_text_in_one_segment():
    assert split("Hello there.", 36, 140) == ["Hello there."]


@pytest.mark.parametrize("text", ["", "   ", "...", " . , ; ", "?"])
def test_split_of_nothing_to_say_is_empty(text):
    assert split(text, 36, 140) == []


def test_split_cuts_text_without_punctuation_between_words():
    words = ("we are delighted to welcome you to our beach resort where every room has a view " * 70)[:5000]
    segments = split(words, 36, 140)
    assert " ".join(segments).split() == words.split()
    assert len(segments[0]) <= 36
    assert all(50 < len(segment) <= 140 for segment in segments[1:-1])


@pytest.mark.parametrize("mark", ["،", "؛", "؟", "۔", "।", ";", ":", "—"])
def test_split_cuts_at_punctuation_of_every_script(mark):
    text = f"{'अब ' * 9}अब{mark} {'तब ' * 30}".strip()
    assert split(text, 40, 140)[0].endswith(mark)


def test_split_cuts_an_endless_word_between_graphemes():
    segments = split("क्षि" * 100, 36, 50)
    assert "".join(segments) == "क्षि" * 100
    assert all(len(segment) <= 50 and segment[0] != "्" for segment in segments)


def test_split_keeps_a_long_first_word_whole():
    assert split(f"{'x' * 60} and more", 36, 140)[0] == "x" * 60


@pytest.mark.parametrize("run", ["a", "a ", ".", ". ", "!. ", "a, ", ", ", "अच्छा, ", " a b c d", "आप "])
def test_split_cuts_any_run_within_the_limit_in_linear_time(run):
    text = run * (100_000 // len(run))
    started = time.process_time()
    segments = split(text, 36, 140)
    assert time.process_time() - started < 20
    assert all(len(segment) <= 140 and any(c.isalpha() for c in segment) for segment in segments)
    assert "".join("".join(segments).split()).replace(".", "").replace(",", "") == "".join(
        text.split()
    ).replace(".", "").replace(",", "").replace("!", "")


def test_sentences_cuts_growing_text_into_whole_sentences() -> None:
    sentences = Sentences()
    text = "Dr. Smith is here. He has come a long way! Ask him in.\n\nGood"
    cut = [sentence for character in text for sentence in sentences.push(character)]
    assert cut == ["Dr. Smith is here. He has come a long way! "]
    assert sentences.end() == ["Ask him in.\n\nGood"]
    assert sentences.end() == []


@pytest.mark.parametrize("text", ["القارب في الميناء الكبير الآن؟ نعم", "नाव बंदरगाह में खड़ी है आज भी। हाँ"])
def test_sentences_end_as_their_script_ends_them(text: str) -> None:
    sentences = Sentences()
    (first,) = sentences.push(text)
    assert [first, *sentences.end()] == [text[: len(first)], text[len(first) :]]
    assert first.rstrip()[-1] in "؟।"
