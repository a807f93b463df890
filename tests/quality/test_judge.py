"""The recogniser's front-end and loop guard; and, where its files are in the cache, its ears."""

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from tts_app.audio.decode import decode
from tts_app.evaluate.judge import Judge, byte_letters, log_mel, loop_period, mel_filters, windows
from tts_app.evaluate.scoring import word_error_rate

RATE = 16_000


def test_mel_filters_are_those_of_slaney() -> None:
    filters = mel_filters()
    assert filters.shape == (80, 201)
    # Every band of Slaney's has the area of 2 / (its edges' distance) * half that distance: 1.
    area = filters.sum(axis=1) * 40
    assert area[20:] == pytest.approx(1, abs=0.15)
    centres = filters.argmax(axis=1) * 40
    assert (np.diff(centres) >= 0).all()


def test_log_mel_of_a_tone_peaks_in_its_band() -> None:
    time = np.arange(RATE) / RATE
    bands = log_mel(np.sin(2 * np.pi * 1000 * time).astype(np.float32))
    assert bands.shape == (80, 3000)
    loudest = bands[:, 50].argmax()
    assert mel_filters()[loudest].argmax() * 40 == pytest.approx(1000, abs=60)
    assert bands[:, 200].max() < bands[:, 50].max()


def test_windows_cut_long_audio_where_it_is_quiet() -> None:
    rng = np.random.default_rng(0)
    speech = rng.normal(0, 0.1, 70 * RATE).astype(np.float32)
    for quiet in (25, 50):
        speech[quiet * RATE : quiet * RATE + RATE // 2] = 0
    pieces = windows(speech)
    assert [round(len(piece) / RATE) for piece in pieces] == [25, 25, 20]
    assert np.array_equal(np.concatenate(pieces), speech)


@pytest.mark.parametrize(
    ("tokens", "period"),
    [
        ([1, 2, 3], 0),
        ([9, 9, 9, 9], 0),
        ([5, *[7] * 12], 1),
        ([5, *[1, 2, 3, 4] * 4], 4),
        ([*[1, 2, 3, 4] * 3], 0),
    ],
)
def test_loop_period_finds_repeated_tokens(tokens: list[int], period: int) -> None:
    assert loop_period(tokens) == period


def test_byte_letters_give_every_byte_its_own_letter() -> None:
    letters = byte_letters()
    assert len(set(letters.values())) == 256
    assert (letters[ord("A")], letters[0x20]) == ("A", "Ġ")


def test_judge_transcribes_a_sentence(judge: Judge, tmp_path: Path) -> None:
    if not shutil.which("espeak-ng"):
        pytest.skip("espeak-ng is not installed")
    text = "Welcome to the hotel. Breakfast is served from seven to ten in the morning."
    subprocess.run(["espeak-ng", "-v", "en-us", "-w", str(tmp_path / "said.wav"), text], check=True)
    audio, rate = decode(tmp_path / "said.wav")
    assert word_error_rate(text, judge.transcribe(audio, rate, "en"), "en") <= 0.1
