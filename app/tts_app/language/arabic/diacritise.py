"""Adds short vowels to unvowelled Arabic by text2tashkeel's bundled model, and keeps the writer's marks."""

import os
import re
from functools import lru_cache
from typing import Any

from tts_app.language.arabic.phonemes import FATHATAN, MARKS, SHADDA

THREADS_VARIABLE = "TT_ORT_THREADS"
"""text2tashkeel reads its session's thread count here, when the session is made."""


@lru_cache(maxsize=1)
def _model() -> Any:
    """Load the model once per process: one thread, 5 MB; many threads may run its session at once."""
    os.environ.setdefault(THREADS_VARIABLE, "1")
    from text2tashkeel import Diacritizer  # noqa: PLC0415 - loaded only where Arabic is spoken

    model = Diacritizer()
    model.diacritize("سلام")  # the session is made on first use
    return model


def load() -> None:
    """Load the model now, so that the first sentence does not wait for it."""
    _model()


def bare(text: str) -> str:
    """Return `text` without vowel marks and tatweel."""
    return "".join(char for char in text if char not in MARKS and char != "ـ")


def vowelled(word: str) -> bool:
    """Return whether the writer has marked the word's vowels: at least half of its letters have a mark.

    A lone shadda or the -an of an adverb (شكرًا) is common in unvowelled text and determines no vowel.
    """
    marks = sum(char in MARKS and char not in {SHADDA, FATHATAN} for char in word)
    return marks * 2 >= len(bare(word)) - 1 and marks > 0


def diacritise(words: list[str]) -> list[str]:
    """Return the words of one sentence with their vowels.

    The model sees the sentence without marks. Words that are `vowelled` are returned as written, and the
    writer's single marks (a shadda, a tanwin) take priority over the model's. Where all are `vowelled`, as
    in a row of numbers, the model is not asked.
    """
    if all(map(vowelled, words)):
        return words
    found = str(_model().diacritize(" ".join(bare(word) for word in words))).split(" ")
    if len(found) != len(words):
        raise ValueError("the words of a sentence must be neither empty nor hold spaces")
    return [word if vowelled(word) else _merge(word, guess) for word, guess in zip(words, found, strict=True)]


def _merge(word: str, guess: str) -> str:
    """Put the model's marks on the letters that have none from the writer."""
    written, guessed = _clusters(word), _clusters(guess)
    if len(written) != len(guessed):
        return guess
    return "".join(
        letter + (_prefer(own, marks)) for (letter, own), (_, marks) in zip(written, guessed, strict=True)
    )


def _prefer(own: str, guessed: str) -> str:
    """Join the marks of one letter: the writer's vowel, or the model's beside the writer's shadda."""
    if own == SHADDA:
        return SHADDA + guessed.replace(SHADDA, "")
    return own or guessed


def _clusters(word: str) -> list[tuple[str, str]]:
    """Split a word into letters, each with its marks."""
    return [(cluster[1], cluster[2]) for cluster in _CLUSTER.finditer(word.replace("ـ", ""))]


_CLUSTER = re.compile(rf"(.)([{''.join(MARKS)}]*)", re.DOTALL)
