"""What F5 is asked: pure, without its package."""

import pytest

from tts_app.engines.base import EngineError
from tts_app.engines.f5.prompt import MARKS, clip_words, prompt

VOCABULARY = {letter: token for token, letter in enumerate(" abc.①〈〉بَ")}


@pytest.mark.parametrize(
    ("transcript", "words"),
    [("abc", "abc. "), (" abc. ", "abc. "), ("abc؟", "abc؟ "), ("abc, a!", "abc, a! ")],
)
def test_words_of_a_clip_end_before_the_new_text(transcript: str, words: str) -> None:
    assert clip_words(transcript) == words


def test_tokens_are_the_clips_words_and_the_text() -> None:
    assert prompt("a. ", "bxb", None, VOCABULARY, 100, 1.0).tokens == (1, 4, 0, 2, 0, 2)


def test_mark_of_a_dialect_encloses_both() -> None:
    whole = [VOCABULARY[letter] for letter in "①〈a. b〉"]
    assert list(prompt("a. ", "b", "MSA", VOCABULARY, 100, 1.0).tokens) == whole


def test_new_speech_has_the_pace_of_the_clip() -> None:
    text = "abcabcabcabc"
    assert prompt("abcabcabcabc", text, None, VOCABULARY, 100, 1.0).frames == 200
    assert prompt("abcabcabcabc", text, None, VOCABULARY, 100, 2.0).frames == 150
    # Too short for an estimate: as slow as 0.3.
    assert prompt("abcabcabcabc", "abc", None, VOCABULARY, 100, 2.0).frames == 100 + int(25 / 0.3)


def test_diacritics_take_no_time() -> None:
    bare, marked = "ب" * 6, "بَ" * 6
    plain = prompt(bare, bare, None, VOCABULARY, 100, 1.0)
    assert prompt(bare, marked, None, VOCABULARY, 100, 1.0).frames == plain.frames == 200
    assert len(prompt(bare, marked, None, VOCABULARY, 100, 1.0).tokens) == 18


def test_each_token_has_a_frame() -> None:
    assert prompt("abc" * 100, "abc" * 100, None, VOCABULARY, 10, 1.0).frames == 601


def test_text_without_a_known_letter_is_refused() -> None:
    with pytest.raises(EngineError, match="none of 2 characters"):
        prompt("a. ", "xy", None, VOCABULARY, 100, 1.0)


def test_marks_are_different() -> None:
    assert len(set(MARKS.values())) == len(MARKS)
