"""No text costs more than its length: 16 times as much text takes about 16 times as long.

Ratios of processor time are measured, not seconds, and a ratio that fails is four times what it should be:
a busy machine stays far below that, and quadratic work is as far above.
"""

import gc
import time
from collections.abc import Callable, Iterator

import pytest
from endless import LOCALES, LONGEST, PIECES, endless, voice_of

from tts_app.batch.review import text_faults
from tts_app.engines.base import Capabilities
from tts_app.language import base, front_end
from tts_app.language.english.front_end import English
from tts_app.language.english.lexicon import Lexicon
from tts_app.language.espeak import Espeak
from tts_app.language.split import Sentences, split
from tts_app.language.urdu import script
from tts_app.speech import TextError, Utterance, plan

TIMES = 16
MOST = 64.0
"""Time for `TIMES` as much text, in times for the text: 16 is linear, 256 is quadratic."""
ENOUGH = 0.003
"""Seconds from which a measurement says something."""
SHORTEST = 1000
WORDS = [
    *("one letter", "capitals", "adverbs", "a compound", "accents", "tashkeel", "tashkeel to be sorted"),
    *("tatweel and marks", "tanwin", "izafat", "kasra", "conjuncts", "nasal signs", "Arabic", "Hindi"),
    *("Urdu", "one Urdu word", "mixed scripts", "apostrophes in a word", "commas"),
]
PIECES_OF_SPEECH = {**PIECES, "commas": "a, "}


def growth(work: Callable[[str], object], piece: str) -> float:
    """Return how much longer `work` takes for `TIMES` as much of `piece`: the best of five."""
    work(piece)  # what is read or made once
    first = seconds(work, endless(piece, SHORTEST))
    length = min(LONGEST // TIMES, max(SHORTEST, int(SHORTEST * ENOUGH / first)))
    once = often = float("inf")
    for _ in range(5):
        once = min(once, seconds(work, endless(piece, length)))
        often = min(often, seconds(work, endless(piece, TIMES * length)))
        if often < MOST * once:
            break
    return often / once


def seconds(work: Callable[[str], object], text: str) -> float:
    """Return the processor time without garbage collection, which takes longer the more tests ran before."""
    gc.disable()
    try:
        began = time.thread_time()
        work(text)
        return time.thread_time() - began
    finally:
        gc.enable()


def slow(work: Callable[[str], object], names: list[str]) -> dict[str, float]:
    """Return the growth of the pieces whose time grows faster than they do."""
    found = {name: round(growth(work, PIECES_OF_SPEECH[name]), 1) for name in names}
    return {name: ratio for name, ratio in found.items() if ratio >= MOST}


@pytest.fixture
def without_espeak(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """espeak-ng answers with what it is asked: its own time is not this process's, and waiting is uneven."""
    monkeypatch.setattr(Espeak, "_ask", lambda _self, clauses: list(clauses))
    script._heard.cache_clear()
    yield
    script._heard.cache_clear()


@pytest.mark.parametrize("locale", LOCALES)
def test_normalise(locale: str) -> None:
    assert slow(front_end(locale).normalise, list(PIECES)) == {}


@pytest.mark.parametrize("locale", LOCALES)
@pytest.mark.usefixtures("without_espeak")
def test_phonemise(locale: str) -> None:
    front: base.FrontEnd = front_end(locale)
    if locale == "en-US":
        front = English(locale, Lexicon(british=False))  # which would remember what was not espeak-ng's
    assert slow(lambda text: front.phonemise([text]), WORDS) == {}


def test_split() -> None:
    assert slow(lambda text: split(text, 36, 140), list(PIECES)) == {}


def test_a_text_that_is_being_written() -> None:
    def write(text: str) -> None:
        sentences = Sentences()
        for start in range(0, len(text), 4):
            sentences.push(text[start : start + 4])
        sentences.end()

    assert slow(write, list(PIECES)) == {}


def test_the_review_of_a_post() -> None:
    assert slow(lambda text: list(text_faults("en", f"a {text}")), list(PIECES)) == {}


@pytest.mark.parametrize("locale", LOCALES)
def test_plan(locale: str) -> None:
    capabilities = Capabilities(sample_rate=24_000, takes="text", max_input=510, speeds=(0.5, 2.0))
    voice = voice_of(locale)

    def planned(text: str) -> None:
        try:
            for _ in plan(Utterance(text, voice), capabilities):
                pass
        except TextError:
            pass  # it was read to its end to know that

    names = (
        list(PIECES) if locale == "en-US" else ["joined emoji", "marks to be sorted", "digits", "one letter"]
    )
    assert slow(planned, names) == {}
