"""The measures of audio, on signals whose figures are known."""

import numpy as np
import pytest

from tts_app.audio.samples import Audio
from tts_app.evaluate.metrics import (
    clicks,
    clipped,
    dnsmos_overall,
    loudness,
    measure,
    median_f0,
    recurs,
    silences,
    true_peak,
)

RATE = 24_000


def tone(hertz: float, seconds: float, level: float = 0.5) -> Audio:
    return (level * np.sin(2 * np.pi * hertz * np.arange(int(seconds * RATE)) / RATE)).astype(np.float32)


def voice(hertz: float, seconds: float) -> Audio:
    """Return a train of damped pulses with breath: a rough vowel."""
    time = np.arange(int(0.02 * RATE)) / RATE
    shape = np.exp(-time * 250) * (np.sin(2 * np.pi * 600 * time) + 0.5 * np.sin(2 * np.pi * 1500 * time))
    train = np.zeros(int(seconds * RATE))
    train[:: int(RATE / hertz)] = 1
    breath = np.random.default_rng(1).normal(0, 0.003, len(train))
    return (0.3 * np.convolve(train, shape)[: len(train)] + breath).astype(np.float32)


def phrase() -> Audio:
    """Return vowels that fade in and out, with pauses and a hiss, as speech has them."""
    vowel = voice(120, 0.5) * np.hanning(RATE // 2).astype(np.float32)
    hiss = np.random.default_rng(2).normal(0, 0.03, RATE // 5).astype(np.float32)
    hiss *= np.hanning(len(hiss)).astype(np.float32)
    pause = np.random.default_rng(3).normal(0, 0.0005, RATE // 4).astype(np.float32)
    return np.concatenate([pause, vowel, hiss, vowel, pause, vowel, hiss, pause])


@pytest.mark.parametrize("hertz", [80, 110, 165, 210, 300])
def test_median_f0_of_a_voice(hertz: float) -> None:
    assert median_f0(voice(hertz, 1.0), RATE) == pytest.approx(hertz, rel=0.02)


def test_median_f0_of_noise_and_silence_is_zero() -> None:
    noise = np.random.default_rng(0).normal(0, 0.1, RATE).astype(np.float32)
    assert median_f0(noise, RATE) == 0
    assert median_f0(np.zeros(100, np.float32), RATE) == 0


def test_loudness_of_the_standard_tone() -> None:
    # BS.1770: a 997 Hz sine of full scale in one channel reads -3.01 LUFS.
    assert loudness(tone(997, 3, 1.0), RATE) == pytest.approx(-3.01, abs=0.1)
    assert loudness(tone(997, 3, 0.1), RATE) == pytest.approx(-23.01, abs=0.1)


def test_true_peak_sees_between_the_samples() -> None:
    # A quarter of the rate, sampled at 45 degrees: the samples reach only 0.707 of the wave.
    wave = np.sin(2 * np.pi * np.arange(4 * RATE // 10) / 4 + np.pi / 4).astype(np.float32) * 0.9
    assert np.abs(wave).max() < 0.65
    assert true_peak(wave) == pytest.approx(20 * np.log10(0.9), abs=0.2)


def test_clipped_samples_are_counted() -> None:
    wave = np.array([0.0, 0.99, 1.0, -1.0, 1.2], np.float32)
    assert clipped(wave) == 3


def test_silences_at_both_ends_are_measured() -> None:
    quiet = np.random.default_rng(0).normal(0, 1e-4, RATE).astype(np.float32)
    audio = np.concatenate([quiet[: int(0.2 * RATE)], tone(200, 1), quiet[: int(0.35 * RATE)]])
    assert silences(audio, RATE) == pytest.approx((0.2, 0.35), abs=0.011)


def test_clicks_finds_none_in_clean_speech() -> None:
    assert clicks(phrase(), RATE) == []
    assert clicks(voice(90, 2), RATE) == []


@pytest.mark.parametrize("at", [0.1, 0.95, 1.6])
def test_clicks_finds_a_jump(at: float) -> None:
    (found,) = clicks(jump(phrase(), at), RATE)
    assert found == pytest.approx(at, abs=0.002)


def test_clicks_finds_a_hard_join_in_a_pause_and_no_faded_one() -> None:
    vowel, pause = voice(120, 0.3), np.zeros(RATE // 4, np.float32)
    cut = vowel[: int(np.argmax(np.abs(vowel[: RATE // 5]))) + 1]
    faded = cut.copy()
    faded[-240:] *= np.linspace(1, 0, 240, dtype=np.float32)
    assert len(clicks(np.concatenate([cut, pause]), RATE)) == 1
    assert clicks(np.concatenate([faded, pause]), RATE) == []


def jump(audio: Audio, at: float) -> Audio:
    """Return a copy with a jump of a tenth of full scale, that dies away in 10 ms, at `at` seconds."""
    place = int(at * RATE)
    ramp = 0.1 * np.linspace(1, 0, 240, dtype=np.float32)
    return np.concatenate([audio[:place], audio[place : place + 240] + ramp, audio[place + 240 :]])


def test_recurs_finds_a_click_of_the_engine_after_moving_and_leveling() -> None:
    engine = jump(phrase(), 0.95)
    levelled = 1.9 * engine[int(0.3 * RATE) :]
    (found,) = clicks(levelled, RATE)
    assert recurs(found, levelled, engine, RATE)


@pytest.mark.parametrize("elsewhere", [None, 1.6])
def test_recurs_rejects_a_click_of_a_join(elsewhere: float | None) -> None:
    engine = phrase() if elsewhere is None else jump(phrase(), elsewhere)
    joined = jump(engine, 0.95)
    assert recurs(0.95, joined, engine, RATE) is False


def test_measure_counts_clicks_of_joins_and_of_the_engine_apart() -> None:
    engine = jump(phrase(), 0.95)
    joined = jump(engine, 1.6)
    figures = measure(joined, RATE, joined, RATE, engine)
    assert (figures.clicks, figures.bursts) == (1, 1)


def test_dnsmos_ranks_noise_below_a_cleaner_signal() -> None:
    noise = np.random.default_rng(0).normal(0, 0.2, 2 * RATE).astype(np.float32)
    clean, noisy = dnsmos_overall(phrase(), RATE), dnsmos_overall(noise, RATE)
    assert 1 <= noisy < clean <= 5
