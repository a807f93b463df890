"""Recordings of a simulated speaker: pulses through formants, in syllables, with pauses."""

import pytest
from simulated_speaker import RATE, encoded, speech

from tts_app.audio.samples import Audio


@pytest.fixture(scope="session")
def spoken() -> Audio:
    return speech(6.0)


@pytest.fixture(scope="session")
def wav(spoken: Audio) -> bytes:
    return encoded(spoken, RATE, "wav")
