"""The speakers of clip and consent are compared where that can be done; the encoder is simulated here."""

from typing import Any

import numpy as np
import pytest
from simulated_speaker import RATE, speech

from tts_app.audio.samples import Audio
from tts_app.cloning import speakers
from tts_app.cloning.recordings import RecordingError
from tts_app.cloning.speakers import compare_speakers


class SimulatedEncoder:
    """Tells speakers apart by the loudest frequency: above and below 160 Hz are two directions."""

    def embed_utterance(self, audio: Audio) -> Any:
        spectrum = np.abs(np.fft.rfft(audio))[: audio.size // 40]
        hertz = spectrum.argmax() * 16_000 / audio.size
        angle = 0 if hertz < 160 else np.pi / 2
        return np.array([np.cos(angle), np.sin(angle)], np.float32)


@pytest.fixture
def _encoder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(speakers, "can_compare", lambda: True)
    monkeypatch.setattr(speakers, "_encoder", SimulatedEncoder)


def test_without_torch_nothing_is_compared_and_the_record_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(speakers, "find_spec", lambda _name: None)
    found = compare_speakers(tone(110), tone(220), RATE)
    assert (found.checked, found.similarity) == (False, None)
    assert "tts-playground[clone]" in found.reason


def tone(hertz: float, seconds: float = 4.0) -> Audio:
    return np.sin(np.arange(round(seconds * RATE)) * 2 * np.pi * hertz / RATE).astype(np.float32)


@pytest.mark.usefixtures("_encoder")
def test_same_speaker_is_found_alike() -> None:
    found = compare_speakers(tone(110), tone(115), RATE)
    assert found.checked
    assert found.similarity == pytest.approx(1.0)
    assert found.written() == {"checked": True, "similarity": 1.0, "reason": ""}


@pytest.mark.usefixtures("_encoder")
def test_consent_of_somebody_else_is_refused() -> None:
    with pytest.raises(RecordingError, match=r"not spoken by the speaker .* alike to 0\.00"):
        compare_speakers(tone(110), tone(220), RATE)


@pytest.mark.usefixtures("_encoder")
def test_recording_of_two_speakers_is_refused() -> None:
    with pytest.raises(RecordingError, match="several speakers"):
        compare_speakers(np.concatenate([tone(110, 6), tone(220, 6)]), tone(110), RATE)


def test_vectors_are_of_parts_of_about_three_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(speakers, "_encoder", SimulatedEncoder)
    for seconds, parts in ((2.0, 1), (4.0, 1), (5.0, 2), (30.0, 10)):
        assert speakers._vectors(speech(seconds), RATE).shape == (parts, 2)
