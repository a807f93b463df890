"""What contract tests share: no network, and the ways in which every engine is held to the Protocol."""

import inspect
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import offline
import pytest

from tts_app.engines.base import Clip, EngineError, Segment, SpeechEngine
from tts_app.engines.clips import ComputedOfClips

offline.refuse()


@pytest.fixture(autouse=True)
def no_network() -> Iterator[None]:
    """Fail a test that tried to connect, even where the package got over the refusal."""
    yield
    tried, offline.attempts[:] = list(offline.attempts), []
    assert not tried


@pytest.fixture
def clip() -> Clip:
    """Three seconds of a made-up voice: a tone with overtones that swells and fades, above faint noise."""
    rate = 24_000
    time = np.arange(3 * rate) / rate
    tone = sum(np.sin(2 * np.pi * 140 * n * time) / n for n in range(1, 12))
    audio = 0.2 * tone * np.abs(np.sin(2 * np.pi * 2 * time)) + np.random.default_rng(0).normal(
        0, 1e-3, time.size
    )
    return Clip("0" * 64, audio.astype(np.float32), rate, "Good morning, and welcome.")


@pytest.fixture
def takes() -> Callable[..., None]:
    """Check that a function of an engine's package still has the parameters by which the adapter calls it.

    Parameters that only `**options` would take do not count: they would be passed on, or dropped.
    """

    def check(function: Callable[..., Any], *names: str) -> None:
        parameters = inspect.signature(function).parameters
        named = {name for name, it in parameters.items() if it.kind is not inspect.Parameter.VAR_KEYWORD}
        assert set(names) <= named, f"{function.__qualname__} has lost {', '.join(set(names) - named)}"

    return check


@pytest.fixture
def speaks() -> Callable[..., list[np.ndarray]]:
    """Speak segments; check what the Protocol says of the sounds, and return them."""

    def speak(engine: SpeechEngine, *segments: Segment) -> list[np.ndarray]:
        sounds = engine.synthesise(segments)
        assert len(sounds) == len(segments)
        for sound in sounds:
            assert sound.dtype == np.float32
            assert sound.ndim == 1
            assert sound.size > 0
            assert np.isfinite(sound).all()
        return sounds

    return speak


@pytest.fixture
def batch_is_exact(speaks: Callable[..., list[np.ndarray]]) -> Callable[..., None]:
    """Check that segments sound in one call as each does alone, but for rounding."""

    def check(engine: SpeechEngine, segments: Sequence[Segment], most: float = 1e-4) -> None:
        together = speaks(engine, *segments)
        for segment, sound in zip(segments, together, strict=True):
            (alone,) = speaks(engine, segment)
            assert sound.shape == alone.shape
            assert np.abs(sound - alone).max() <= most * np.abs(alone).max()

    return check


@pytest.fixture
def fails_for_lack_of_memory(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Check that a call says so when `name` of `owner`, a part of an engine's package, finds no memory."""

    def check(call: Callable[[], Any], owner: Any, name: str) -> None:
        import torch

        def fail(*given: Any, **options: Any) -> Any:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")

        with monkeypatch.context() as patch:
            patch.setattr(owner, name, fail)
            with pytest.raises(EngineError, match=r"out of memory\. Tried to allocate"):
                call()

    return check


@pytest.fixture
def is_closed() -> Callable[[SpeechEngine, Segment], None]:
    """Close an engine that has spoken, twice; check that it then says so, and keeps nothing of clips."""

    def check(engine: SpeechEngine, segment: Segment) -> None:
        engine.synthesise([segment])
        engine.close()
        engine.close()
        assert not [it for it in vars(engine).values() if isinstance(it, ComputedOfClips) and it._values]
        with pytest.raises(EngineError, match="closed"):
            engine.synthesise([segment])

    return check
