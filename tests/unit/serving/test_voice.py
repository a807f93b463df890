"""The voice deployment's class, without Ray around it."""

import asyncio
import json
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
import pytest

from tts_app.audio.samples import Audio
from tts_app.engines.base import Capabilities, EngineError, Segment
from tts_app.engines.pool import EnginePool
from tts_app.resources import Source
from tts_app.serving.voice_replica import Voice, VoiceArgs
from tts_app.telemetry.logs import set_up


class SimulatedEngine:
    """Speaks one sample a character, each call when it is allowed to."""

    def __init__(self, parameters: Mapping[str, Any]) -> None:
        self.parameters = parameters
        self.allowed = threading.Semaphore(0)
        self.started: list[str] = []
        self.entered = threading.Event()
        self.closed = False

    @classmethod
    def load(cls, files: Path, quantization: str, parameters: Mapping[str, Any]) -> Self:
        return cls(parameters)

    @staticmethod
    def hub_patterns(quantization: str) -> list[str]:
        return [quantization]

    @property
    def capabilities(self) -> Capabilities:
        return Capabilities(24_000, "text", 100, (1.0, 1.0))

    def check_speaker(self, speaker: str) -> None:
        if speaker != "known":
            raise EngineError(f"no speaker {speaker!r}; there is: known")

    def synthesise(self, segments: Sequence[Segment], alone: bool = False) -> list[Audio]:
        self.started.append(segments[0].text)
        self.entered.set()
        assert self.allowed.acquire(timeout=10)
        return [np.zeros(len(segment.text), np.float32) for segment in segments]

    def close(self) -> None:
        self.closed = True


@pytest.fixture
def voice(monkeypatch: pytest.MonkeyPatch) -> Iterator[Voice]:
    monkeypatch.setattr("tts_app.serving.voice_replica.speech_engine", lambda _name: SimulatedEngine)
    monkeypatch.setattr("tts_app.serving.voice_replica.fetch", lambda *_args: Path())
    monkeypatch.setattr(
        "tts_app.serving.voice_replica.EnginePool", lambda engine, watch: EnginePool(engine, 1, watch)
    )
    monkeypatch.delenv("TTSP_LOG_DIR", raising=False)
    made = Voice(
        VoiceArgs(
            model="m",
            engine="kokoro",
            source=Source(uri="file:///x"),
            quantization="none",
            parameters={"other": 2},
        )
    )
    yield made
    engine_of(made).allowed.release(100)
    made.__del__()


def engine_of(voice: Voice) -> SimulatedEngine:
    engine = voice._engine
    assert isinstance(engine, SimulatedEngine)
    return engine


def segment(text: str) -> Segment:
    return Segment(text=text, phonemes="", locale="en-US", speaker="known")


async def test_voice_replica_speaks_and_describes_itself(voice: Voice) -> None:
    engine_of(voice).allowed.release()
    (audio,) = await voice.synthesise([segment("four")])
    assert len(audio) == 4
    assert (await voice.describe()).sample_rate == 24_000


def test_voice_replica_passes_parameters_to_the_engine(voice: Voice) -> None:
    assert engine_of(voice).parameters == {"other": 2}


def test_voice_replica_refuses_an_unknown_speaker(voice: Voice) -> None:
    voice.reconfigure({"speakers": ["known"]})
    with pytest.raises(EngineError, match="there is: known"):
        voice.reconfigure({"speakers": ["known", "bob"]})


async def test_voice_replica_never_runs_a_call_canceled_before_its_turn(voice: Voice) -> None:
    engine = engine_of(voice)
    first = asyncio.create_task(voice.synthesise([segment("first")]))
    second = asyncio.create_task(voice.synthesise([segment("second")]))
    third = asyncio.create_task(voice.synthesise([segment("third")]))
    await asyncio.to_thread(engine.entered.wait, 10)
    second.cancel()
    await asyncio.wait([second])
    engine.allowed.release(2)
    await asyncio.gather(first, third)
    assert engine.started == ["first", "third"]


async def test_voice_replica_logs_what_its_caller_works_for(
    voice: Voice, capfd: pytest.CaptureFixture[str]
) -> None:
    set_up("voice-m", "INFO", None, model="m")
    engine_of(voice).allowed.release(2)
    work = {"request_id": "r", "tenant": "t", "batch": "b", "item": 2, "model": "writer"}
    await voice.synthesise([segment("one")], True, work)
    await voice.synthesise([segment("two")])
    first, second = (json.loads(line) for line in capfd.readouterr().err.splitlines())
    assert {**work, "model": "m", "event": "segments spoken"}.items() <= first.items()
    assert second.keys().isdisjoint(work.keys() - {"model"})
