"""Segments: short first, within the limit, at the best border, and never inside a word."""

import time

import pytest

from tts_app.language.split import LONGEST_GRAPHEME, LONGEST_SENTENCE, Sentences, sentences, split

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
    being_written = Sentences()
    text = "Dr. Smith is here. He has come a long way! Ask him in.\n\nGood"
    cut = [sentence for character in text for sentence in being_written.push(character)]
    assert cut == ["Dr. Smith is here. He has come a long way! "]
    assert being_written.end() == ["Ask him in.\n\nGood"]
    assert being_written.end() == []


@pytest.mark.parametrize("text", ["القارب في الميناء الكبير الآن؟ نعم", "नाव बंदरगाह में खड़ी है आज भी। हाँ"])
def test_sentences_end_as_their_script_ends_them(text: str) -> None:
    being_written = Sentences()
    (first,) = being_written.push(text)
    assert [first, *being_written.end()] == [text[: len(first)], text[len(first) :]]
    assert first.rstrip()[-1] in "؟।"


@pytest.mark.parametrize("mark", ["، ", ", ", "; ", "。", " "])
def test_a_sentence_without_end_is_cut_at_the_last_good_place(mark: str) -> None:
    text = ("word" * 20 + mark) * 100
    parts = list(sentences(text))
    assert "".join(parts) == text
    assert all(len(part) <= LONGEST_SENTENCE and part.endswith(mark) for part in parts)
    assert len(parts) == -(-len(text) // (LONGEST_SENTENCE // len(f"{'word' * 20}{mark}") * (80 + len(mark))))


def test_a_cut_prefers_words_to_the_unit_of_a_number() -> None:
    text = "costs 12 € for 5 km and " * 200
    parts = list(sentences(text))
    assert len(parts) == 3
    assert all(part.endswith((" and ", " costs ", " for ")) for part in parts)


def test_a_cut_is_before_a_sign_rather_than_between_it_and_its_number() -> None:
    assert {part[:2] for part in sentences("-1" * 3000)} == {"-1"}


@pytest.mark.parametrize("grapheme", ["👩\u200d👧", "क्षि", "e\u0301\u0327", "🇪🇸", "👍🏽"])
def test_a_cut_is_between_graphemes(grapheme: str) -> None:
    text = grapheme * 2000
    assert {len(part) % len(grapheme) for part in sentences(text)} == {0}


@pytest.mark.parametrize("text", ["👩\u200d" * 30_000, "\u0301" * 5000, " " * 5000, "1" * 5000, "日" * 5000])
def test_what_has_no_place_at_all_is_cut_too(text: str) -> None:
    parts = list(sentences(text))
    assert "".join(parts) == text
    assert {LONGEST_SENTENCE - len(part) < LONGEST_GRAPHEME for part in parts[:-1]} == {True}
    assert max(map(len, parts)) <= LONGEST_SENTENCE


def test_sentences_that_have_an_end_stay_whole() -> None:
    long = f"{'word, ' * 300}end. "
    assert list(sentences(f"One. {long}Three?\n\nFour")) == ["One. ", long, "Three?\n\n", "Four"]


@pytest.mark.parametrize("step", [1, 7, 5000])
def test_a_sentence_without_end_is_not_waited_for(step: int) -> None:
    text = "and so on " * 500
    being_written = Sentences()
    pushed = [part for at in range(0, len(text), step) for part in being_written.push(text[at : at + step])]
    assert len(pushed) == 2
    assert "".join([*pushed, *being_written.end()]) == text
    assert all(len(part) <= LONGEST_SENTENCE and part.endswith(" ") for part in pushed)


def test_how_a_text_arrives_does_not_change_its_sentences() -> None:
    text = "Is it? Yes.  It is\n\n\nso. 3.5 and… more!\n A longer sentence of many words. Short. And the rest"
    ways = []
    for step in range(1, len(text) + 1):
        being_written = Sentences()
        cut = [part for at in range(0, len(text), step) for part in being_written.push(text[at : at + step])]
        ways.append([*cut, *being_written.end()])
    assert all(way == ways[0] for way in ways)
    assert len(ways[0]) > 2
