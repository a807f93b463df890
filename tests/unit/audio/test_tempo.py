import librosa
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
def test_duration(factor, speech):
    audio = speech(4.0)
    assert run([audio], factor).size == pytest.approx(audio.size / factor, rel=0.03)


@pytest.mark.parametrize("factor", [0.25, 0.8, 1.7, 4.0])
@pytest.mark.parametrize("f0", [110.0, 220.0])
def test_pitch_stays(factor, f0, speech):
    pitch, voiced, _ = librosa.pyin(run([speech(3.0, f0=f0)], factor), fmin=60, fmax=400, sr=RATE)
    assert np.median(pitch[voiced]) == pytest.approx(f0, rel=0.03)


@pytest.mark.parametrize("factor", FACTORS)
def test_pushes_do_not_matter(factor, speech, cut):
    audio = speech(2.0)
    whole = run([audio], factor)
    for seed in (1, 2):
        assert np.array_equal(run(cut(audio, seed), factor), whole)


def test_factor_one_changes_nothing(speech):
    audio = speech(0.5)
    assert np.array_equal(run([audio], 1.0), audio)


@pytest.mark.parametrize("factor", FACTORS)
def test_nothing_grows_louder(factor, speech):
    assert np.abs(run([speech(2.0, peak=0.9)], factor)).max() < 1.0


@pytest.mark.parametrize("factor", [0.5, 1.0, 2.0])
def test_no_audio(factor):
    assert run([np.zeros(0, np.float32)], factor).size == 0
    assert np.isfinite(run([np.ones(1, np.float32)], factor)).all()


@pytest.mark.parametrize("factor", [0.0, -1.0, 0.24, 4.01, float("nan"), float("inf")])
def test_impossible_factors(factor):
    with pytest.raises(AudioError, match="Allowed"):
        Tempo(RATE, factor)


def test_samples_that_are_no_numbers():
    for factor in (1.0, 2.0):
        with pytest.raises(AudioError, match="finite"):
            Tempo(RATE, factor).push(np.array([0.0, np.nan], np.float32))


def test_a_stream_ends_once(speech):
    for factor in (1.0, 2.0):
        tempo = Tempo(RATE, factor)
        tempo.flush()
        with pytest.raises(AudioError, match="ended"):
            tempo.push(speech(0.1))
        with pytest.raises(AudioError, match="ended"):
            tempo.flush()
