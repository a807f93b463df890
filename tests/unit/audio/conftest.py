"""Signals that behave as speech does: voiced syllables with a moving pitch, fricatives, silence around."""

from collections.abc import Callable

import numpy as np
import pytest

from tts_app.audio.samples import Audio

RATE = 24_000

Speech = Callable[..., Audio]


def _speech(
    seconds: float = 2.0, f0: float = 140.0, peak: float = 0.5, seed: int = 0, rate: int = RATE
) -> Audio:
    random = np.random.default_rng(seed)
    time = np.arange(round(seconds * rate)) / rate
    pitch = f0 * (1 + 0.03 * np.sin(2 * np.pi * 1.3 * time))
    phase = 2 * np.pi * np.cumsum(pitch) / rate
    voiced = sum(np.sin(k * phase) / k**1.2 for k in range(1, min(30, int(rate / 2 / f0))))
    syllables = np.clip(np.sin(2 * np.pi * 3.5 * time) + 0.5, 0, None) ** 0.7
    noise = random.standard_normal(time.size)
    fricatives = 0.05 * (noise - np.roll(noise, 1)) * (syllables < 0.05)
    signal = voiced * syllables + fricatives
    return (signal / np.abs(signal).max() * peak).astype(np.float32)


@pytest.fixture
def speech() -> Speech:
    """Return the maker of speech-like signals: `speech(seconds, f0, peak, seed, rate)`."""
    return _speech


@pytest.fixture
def cut() -> Callable[[Audio, int], list[Audio]]:
    """Return what cuts a signal into pieces of uneven length, empty ones among them."""

    def _cut(audio: Audio, seed: int) -> list[Audio]:
        random = np.random.default_rng(seed)
        borders = np.sort(random.integers(0, audio.size + 1, 20))
        return [*np.split(audio, [0, *borders]), audio[:0]]

    return _cut
