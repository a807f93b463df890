import numpy as np
import pytest

from tts_app.audio.samples import AudioError
from tts_app.audio.tempo import Tempo

RATE = 24_000
FACTORS = [0.25, 0.3, 0.5, 0.8, 1.0, 1.25, 1.7, 2.0, 3.0, 4.0]


def run(pieces, factor):
    tempo = Tempo(RATE, factor)
    return np.concatenate([*map(tempo.push, pieces), tempo.flush()])


@pytest.mark.parametrize("factor", FACTORS)
def test_tempo_changes_the_duration_by_its_factor(factor, speech):
    audio = speech(4.0)
    assert run([audio], factor).size == pytest.approx(audio.size / factor, rel=0.03)


@pytest.mark.parametrize("factor", [0.25, 0.8, 1.7, 4.0])
@pytest.mark.parametrize("f0", [110.0, 220.0])
def test_tempo_keeps_the_pitch(factor, f0, speech):
    assert pitch(run([speech(3.0, f0=f0)], factor)) == pytest.approx(f0, rel=0.03)


def pitch(audio):
    """The pitch in Hz, between 60 and 400: the median over frames of 50 ms that are not quiet of the lag at
    which the normalised autocorrelation is greatest, the shortest of lags that are nearly as good."""
    frames = audio[: audio.size // 1200 * 1200].astype(np.float64).reshape(-1, 1200)
    loud = frames[np.sqrt((frames**2).mean(1)) > 0.3 * np.sqrt((audio**2).mean())]
    lags = np.arange(RATE // 400, RATE // 60 + 1)
    found = []
    for frame in loud:
        early = np.array([frame[:-lag] @ frame[:-lag] for lag in lags])
        late = np.array([frame[lag:] @ frame[lag:] for lag in lags])
        likeness = np.array([frame[:-lag] @ frame[lag:] for lag in lags]) / np.sqrt(early * late)
        good = likeness >= 0.95 * likeness.max()
        first = int(np.argmax(good))  # a period of the octave below is as good
        last = first + int(np.argmin(np.append(good[first:], False)))
        found.append(RATE / lags[first + int(np.argmax(likeness[first:last]))])
    return np.median(found)


@pytest.mark.parametrize("factor", FACTORS)
def test_tempo_does_not_depend_on_the_pushes(factor, speech, cut):
    audio = speech(2.0)
    whole = run([audio], factor)
    for seed in (1, 2):
        assert np.array_equal(run(cut(audio, seed), factor), whole)


def test_tempo_of_one_changes_nothing(speech):
    audio = speech(0.5)
    assert np.array_equal(run([audio], 1.0), audio)


@pytest.mark.parametrize("factor", FACTORS)
def test_tempo_makes_nothing_louder(factor, speech):
    assert np.abs(run([speech(2.0, peak=0.9)], factor)).max() < 1.0


@pytest.mark.parametrize("factor", [0.5, 1.0, 2.0])
def test_tempo_accepts_no_audio_and_a_single_sample(factor):
    assert run([np.zeros(0, np.float32)], factor).size == 0
    assert np.isfinite(run([np.ones(1, np.float32)], factor)).all()


@pytest.mark.parametrize("factor", [0.0, -1.0, 0.24, 4.01, float("nan"), float("inf")])
def test_tempo_refuses_impossible_factors(factor):
    with pytest.raises(AudioError, match="Allowed"):
        Tempo(RATE, factor)


def test_tempo_refuses_samples_that_are_not_finite():
    for factor in (1.0, 2.0):
        with pytest.raises(AudioError, match="finite"):
            Tempo(RATE, factor).push(np.array([0.0, np.nan], np.float32))


def test_tempo_ends_once(speech):
    for factor in (1.0, 2.0):
        tempo = Tempo(RATE, factor)
        tempo.flush()
        with pytest.raises(AudioError, match="ended"):
            tempo.push(speech(0.1))
        with pytest.raises(AudioError, match="ended"):
            tempo.flush()
