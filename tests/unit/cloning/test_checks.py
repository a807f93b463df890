"""Which recordings are fit to be imitated, and what the others are told."""

import numpy as np
import pytest
from simulated_speaker import RATE, speech

from tts_app.audio.loudness import measure
from tts_app.audio.samples import Audio
from tts_app.cloning.checks import check_recording
from tts_app.cloning.recordings import RecordingError


def silence(seconds: float) -> Audio:
    return np.zeros(round(seconds * RATE), np.float32)


def noise(seconds: float, level: float) -> Audio:
    random = np.random.default_rng(3)
    return (level * random.standard_normal(round(seconds * RATE))).astype(np.float32)


def tone(seconds: float) -> Audio:
    return (0.5 * np.sin(np.arange(round(seconds * RATE)) * 2 * np.pi * 220 / RATE)).astype(np.float32)


def test_speech_is_trimmed_levelled_and_measured() -> None:
    padded = np.concatenate([silence(2), speech(6.0) * 0.1, silence(3)])
    checked = check_recording(padded, RATE)
    assert checked.seconds == pytest.approx(6.2, abs=0.4)
    assert checked.audio.size == pytest.approx(checked.seconds * RATE, abs=0.01 * RATE)
    assert measure(checked.audio, RATE) == pytest.approx(-16.0, abs=0.3)
    assert checked.snr > 40
    assert checked.clipped == 0


@pytest.mark.parametrize(("pitch", "gender"), [(110.0, "male"), (210.0, "female")])
def test_pitch_is_found_and_gender_guessed_by_it(pitch: float, gender: str) -> None:
    checked = check_recording(speech(5.0, pitch), RATE)
    assert checked.pitch == pytest.approx(pitch, rel=0.15)
    assert checked.gender == gender


@pytest.mark.parametrize(
    ("recording", "message"),
    [
        (silence(0), "is silent"),
        (silence(5), "is silent"),
        (noise(5, 1e-4), "is silent"),
        (speech(2.0), r"too short: 2\.\d s"),
        (np.concatenate([silence(5), speech(1.5), silence(5)]), "too short: 1."),
        (speech(33.0), "too long: 3"),
        (np.clip(6 * speech(5.0), -0.9, 0.9), r"is clipped: [\d.]+% of its samples"),
        (speech(5.0, noise=0.08), "too noisy: speech is"),
        (np.concatenate([silence(3), speech(5.0, noise=0.08), silence(3)]), "too noisy: speech is"),
        (noise(5, 0.2), "no speech in it"),
        (tone(5), "no speech in it"),
    ],
)
def test_unfit_recording_is_refused(recording: Audio, message: str) -> None:
    with pytest.raises(RecordingError, match=message):
        check_recording(recording, RATE)


def test_message_says_which_recording() -> None:
    with pytest.raises(RecordingError, match="The consent is silent"):
        check_recording(silence(5), RATE, "The consent")
