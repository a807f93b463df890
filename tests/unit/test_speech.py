"""The pipeline with a simulated engine: what it asks for, and what it gives up when its caller leaves."""

import asyncio
import io
import threading
from collections.abc import Awaitable, Callable, Sequence

import av
import numpy as np
import pytest

from tts_app import speech
from tts_app.audio.formats import FORMATS
from tts_app.audio.samples import Audio
from tts_app.catalogue import Catalogue, CatalogueVoice
from tts_app.engines.base import Capabilities, Segment
from tts_app.language.split import LONGEST_SENTENCE
from tts_app.manifests import load_voice_models
from tts_app.speech import (
    FIRST_SEGMENT,
    PLANNERS,
    PORTION,
    SEGMENT,
    SILENCE,
    SpeechOptions,
    TextError,
    Utterance,
    plan,
    speak,
)

Until = Callable[[Callable[[], bool]], Awaitable[None]]

RATE = 24_000
CAPABILITIES = Capabilities(
    sample_rate=RATE,
    takes="phonemes",
    max_input=510,
    speeds=(0.5, 2.0),
)
LONG = "The quiet rooms overlook the old harbour and breakfast is served on the terrace until eleven. " * 20


class SimulatedEngine:
    """Hums for 50 ms a word, and remembers what it was asked."""

    def __init__(self, delay: float = 0.0) -> None:
        self.segments: list[Segment] = []
        self.begun = asyncio.Event()
        self.running = 0
        self.cancelled = 0
        self.delay = delay

    async def synthesise(self, segment: Segment) -> Audio:
        self.running += 1
        try:
            await asyncio.sleep(self.delay)
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        finally:
            self.running -= 1
        self.segments.append(segment)
        return self.hum(len(segment.text.split()) / segment.speed)

    @staticmethod
    def hum(words: float) -> Audio:
        t = np.arange(int(RATE * 0.05 * max(words, 2))) / RATE
        return (0.3 * np.sin(2 * np.pi * 160 * t) * np.hanning(len(t)) ** 0.2).astype(np.float32)


@pytest.fixture(scope="module")
def voice() -> CatalogueVoice:
    return Catalogue(load_voice_models()).find("female_en-US")


async def whole(utterance: Utterance, engine: SimulatedEngine) -> tuple[bytes, float]:
    chunks = [c async for c in speak(utterance, CAPABILITIES, engine.synthesise)]
    return b"".join(c.data for c in chunks), sum(c.seconds for c in chunks)


def test_plan_makes_short_first_segments_and_loses_no_word(voice: CatalogueVoice) -> None:
    segments = list(plan(Utterance(LONG, voice), CAPABILITIES))
    assert len(segments[0].text) <= FIRST_SEGMENT
    assert max(len(s.text) for s in segments) <= SEGMENT
    spoken = " ".join(s.text for s in segments).split()
    assert [w.strip(".,").lower() for w in spoken] == [w.strip(".").lower() for w in LONG.split()]
    assert all(s.phonemes and s.speaker == "af_heart" and s.locale == "en-US" for s in segments)


def test_plan_halves_a_segment_with_too_many_phonemes(voice: CatalogueVoice) -> None:
    tight = Capabilities(**{f: getattr(CAPABILITIES, f) for f in CAPABILITIES.__slots__} | {"max_input": 40})
    segments = list(plan(Utterance(LONG, voice), tight))
    assert max(len(s.phonemes) for s in segments) <= 40
    assert len(" ".join(s.text for s in segments).split()) == len(LONG.split())


@pytest.mark.parametrize("text", ["", "   \n", "😀🎉", "\x00\x07", "... !!! ???", "\u200b\u200e"])
async def test_speak_refuses_a_text_with_nothing_to_speak(voice: CatalogueVoice, text: str) -> None:
    with pytest.raises(TextError, match="at least one word"):
        await whole(Utterance(text, voice), SimulatedEngine())


@pytest.mark.parametrize("name", list(FORMATS))
async def test_a_caller_may_want_silence_where_nothing_can_be_spoken(
    voice: CatalogueVoice, name: str
) -> None:
    engine = SimulatedEngine()
    options = SpeechOptions(name, sample_rate=16_000)
    data, seconds = await whole(Utterance("😀 ...", voice, options, or_silence=True), engine)
    assert (seconds, engine.segments) == (SILENCE, [])
    if name == "pcm":
        assert data == bytes(2 * 4_000)
        return
    with av.open(io.BytesIO(data)) as container:
        decoded = sum(frame.samples / frame.sample_rate for frame in container.decode(audio=0))
    assert decoded == pytest.approx(SILENCE, abs=0.1)


async def test_a_sample_rate_is_the_files(voice: CatalogueVoice) -> None:
    usual, _ = await whole(Utterance(LONG, voice, SpeechOptions("pcm")), SimulatedEngine())
    wanted, _ = await whole(
        Utterance(LONG, voice, SpeechOptions("pcm", sample_rate=8_000)), SimulatedEngine()
    )
    assert len(wanted) == pytest.approx(len(usual) / 3, abs=8)


async def test_speak_makes_a_whole_file_that_is_the_same_every_time(voice: CatalogueVoice) -> None:
    utterance = Utterance(LONG, voice)
    first, seconds = await whole(utterance, SimulatedEngine())
    second, _ = await whole(utterance, SimulatedEngine(0.001))
    assert first == second
    with av.open(io.BytesIO(first)) as container:
        decoded = sum(frame.samples / frame.sample_rate for frame in container.decode(audio=0))
    assert decoded == pytest.approx(seconds, abs=0.15)


async def test_speak_stops_synthesis_when_the_caller_leaves(voice: CatalogueVoice) -> None:
    class SlowAfterTheFirst(SimulatedEngine):
        async def synthesise(self, segment: Segment) -> Audio:
            self.delay, delay = 60, self.delay
            if not delay:
                return self.hum(5)
            self.begun.set()
            return await super().synthesise(segment)

    engine = SlowAfterTheFirst()
    chunks = speak(Utterance(LONG, voice), CAPABILITIES, engine.synthesise)
    await anext(chunks)
    rest = asyncio.ensure_future(anext(chunks))
    await engine.begun.wait()
    rest.cancel()
    await asyncio.gather(rest, return_exceptions=True)
    assert (engine.running, engine.cancelled, engine.segments) == (0, 1, [])


async def test_speak_passes_on_an_error_of_the_engine(voice: CatalogueVoice) -> None:
    class Failing(SimulatedEngine):
        async def synthesise(self, segment: Segment) -> Audio:
            if len(self.segments) == 2:
                raise RuntimeError("the model broke")
            return await super().synthesise(segment)

    with pytest.raises(RuntimeError, match="the model broke"):
        await whole(Utterance(LONG, voice), Failing())


@pytest.mark.parametrize(("speed", "model_speed"), [(0.25, 0.5), (0.8, 0.8), (4.0, 2.0)])
async def test_speak_splits_the_tempo_between_model_and_audio_stage(
    voice: CatalogueVoice, speed: float, model_speed: float
) -> None:
    engine = SimulatedEngine()
    _, seconds = await whole(Utterance(LONG, voice, SpeechOptions("pcm", speed)), engine)
    _, plain = await whole(Utterance(LONG, voice, SpeechOptions("pcm")), SimulatedEngine())
    assert {s.speed for s in engine.segments} == {model_speed}
    assert seconds < plain if speed > 1 else seconds > plain


class CountingFront:
    """A front-end that counts what it reads, and can be held up in its thread."""

    locale = "en-US"

    def __init__(self, spoken: str) -> None:
        self.spoken = spoken
        self.read: list[str] = []
        self.threads: set[str] = set()
        self.pause = threading.Event()
        self.pause.set()

    def words(self, text: str) -> str:
        self.threads.add(threading.current_thread().name)
        self.read.append(text)
        self.pause.wait(10)
        return self.spoken

    def phonemise(self, texts: Sequence[str]) -> list[str]:
        return list(texts)


@pytest.fixture
def silent(monkeypatch: pytest.MonkeyPatch) -> CountingFront:
    """The front-end of a text in which nothing can be spoken."""
    front = CountingFront("")
    monkeypatch.setattr(speech, "front_end", lambda _locale: front)
    return front


@pytest.mark.parametrize("way", ["check", "speak"])
async def test_a_caller_who_leaves_ends_the_planning_at_the_next_block(
    voice: CatalogueVoice, silent: CountingFront, until: Until, way: str
) -> None:
    utterance = Utterance("()" * 50_000, voice)
    silent.pause.clear()
    work = speech.check(utterance, CAPABILITIES) if way == "check" else whole(utterance, SimulatedEngine())
    task = asyncio.create_task(work)
    await until(lambda: len(silent.read) == 1)
    task.cancel()
    silent.pause.set()
    await asyncio.gather(task, return_exceptions=True)
    await asyncio.sleep(0.1)
    assert task.cancelled()
    assert len(silent.read) == 1, "the block in hand, and none of the other forty-nine"


async def test_planning_is_in_threads_of_its_own(voice: CatalogueVoice, silent: CountingFront) -> None:
    with pytest.raises(TextError):
        await speech.check(Utterance("()" * 5000, voice), CAPABILITIES)
    with pytest.raises(TextError):
        await whole(Utterance("()" * 5000, voice), SimulatedEngine())
    assert len(silent.read) == 10
    assert all(name.startswith("planner") for name in silent.threads)


async def test_held_up_planning_leaves_the_other_threads_free(
    voice: CatalogueVoice, silent: CountingFront, until: Until
) -> None:
    silent.pause.clear()
    checks = [
        asyncio.create_task(speech.check(Utterance("()", voice), CAPABILITIES)) for _ in range(2 * PLANNERS)
    ]
    await until(lambda: len(silent.read) == PLANNERS)
    async with asyncio.timeout(5):
        assert await asyncio.to_thread(lambda: "a file") == "a file"
    silent.pause.set()
    assert {type(error) for error in await asyncio.gather(*checks, return_exceptions=True)} == {TextError}


async def test_a_check_reads_no_further_than_the_first_segment(
    voice: CatalogueVoice, monkeypatch: pytest.MonkeyPatch
) -> None:
    front = CountingFront("one two three four. " * 40)
    phonemised: list[str] = []
    monkeypatch.setattr(front, "phonemise", lambda texts: phonemised.extend(texts) or list(texts))
    monkeypatch.setattr(speech, "front_end", lambda _locale: front)
    await speech.check(Utterance(LONG, voice), CAPABILITIES)
    assert len(front.read) == len(phonemised) == 1


def test_a_long_block_is_phonemised_in_portions(
    voice: CatalogueVoice, monkeypatch: pytest.MonkeyPatch
) -> None:
    front = CountingFront("one two three four. " * 200)
    portions: list[int] = []
    monkeypatch.setattr(front, "phonemise", lambda texts: portions.append(len(texts)) or list(texts))
    monkeypatch.setattr(speech, "front_end", lambda _locale: front)
    segments = list(plan(Utterance("one", voice), CAPABILITIES))
    assert portions[0] == 1
    assert sum(portions) == len(segments) > 2 * PORTION
    assert set(portions[1:-1]) == {PORTION}


def test_an_endless_sentence_is_planned_in_parts(voice: CatalogueVoice, silent: CountingFront) -> None:
    text = "and so on " * 1000
    with pytest.raises(TextError):
        list(plan(Utterance(text, voice), CAPABILITIES))
    assert "".join(silent.read) == text
    assert max(map(len, silent.read)) <= LONGEST_SENTENCE


def test_segments_carry_what_the_request_says_to_the_engine(voice: CatalogueVoice) -> None:
    options = SpeechOptions(parameters={"speed": 1.25}, instructions="Calmly.")
    segments = list(plan(Utterance("One sentence. " * 20, voice, options), CAPABILITIES))
    assert {one.instructions for one in segments} == {"Calmly."}
    assert [one.parameters["speed"] for one in segments] == [1.25] * len(segments)


@pytest.mark.parametrize("waits", [True, False])
def test_only_the_first_segment_of_a_caller_who_waits_is_marked_first(
    voice: CatalogueVoice, waits: bool
) -> None:
    segments = list(plan(Utterance(LONG, voice, low_latency=waits), CAPABILITIES))
    assert len(segments) > 2
    assert [one.first for one in segments] == [waits] + [False] * (len(segments) - 1)
