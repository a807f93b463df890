import re

import av
import numpy as np
import pytest
from av.filter import Graph
from scipy.signal import resample_poly

from tts_app.audio import meter
from tts_app.audio.decode import decode
from tts_app.audio.encode import encode
from tts_app.audio.frames import to_frame
from tts_app.audio.limiter import Limiter, true_peak
from tts_app.audio.loudness import CEILING_DBTP, TARGET_LUFS, Leveller, level, measure
from tts_app.audio.meter import Meter
from tts_app.audio.samples import AudioError

RATE = 24_000
CEILING = 10 ** (CEILING_DBTP / 20)


def sine(db, seconds=5.0, frequency=997.0, rate=48_000):
    return (10 ** (db / 20) * np.sin(2 * np.pi * frequency * np.arange(seconds * rate) / rate)).astype(
        np.float32
    )


def levelled(pieces, gain_db=0.0):
    leveller = Leveller(RATE, gain_db)
    return np.concatenate([*map(leveller.push, pieces), leveller.flush()])


def peak_between_samples(audio):
    """Return the true peak by a method that is not the limiter's: scipy's 16 times oversampling."""
    return np.abs(resample_poly(audio.astype(np.float64), 16, 1, window=("kaiser", 12.0))).max()


def test_meter_coefficients_are_those_of_the_standard():
    zeros, poles = meter._k_filter(48_000)
    shelf = [1.53512485958697, -2.69169618940638, 1.19839281085285]
    assert zeros == pytest.approx(np.convolve(shelf, [1, -2, 1]), abs=1e-12)
    first, second = [1, -1.69065929318241, 0.73248077421585], [1, -1.99004745483398, 0.99007225036621]
    assert poles == pytest.approx(np.convolve(first, second), abs=1e-12)


@pytest.mark.parametrize("rate", [16_000, 22_050, 24_000, 48_000])
def test_measure_of_a_full_scale_sine_is_minus_three(rate):
    assert measure(sine(0, rate=rate), rate) == pytest.approx(-3.01, abs=0.08)


def test_measure_gates_as_in_ebu_tech_3341():
    # Its cases 3 and 4, for one channel instead of two (3.01 LU less).
    case_3 = [sine(-36, 10), sine(-23, 60), sine(-36, 10)]
    case_4 = [sine(-72, 10), *case_3, sine(-72, 10)]
    for case in (case_3, case_4):
        assert measure(np.concatenate(case), 48_000) == pytest.approx(-26.01, abs=0.1)


def libavs_loudness(audio):
    """Return what FFmpeg's `ebur128` filter, written by others from the same standard, measures."""
    graph = Graph()
    source = graph.add(
        "abuffer", f"sample_rate={RATE}:sample_fmt=fltp:channel_layout=mono:time_base=1/{RATE}"
    )
    graph.link_nodes(source, graph.add("ebur128", "framelog=quiet"), graph.add("abuffersink")).configure()
    before = av.logging.get_level()
    av.logging.set_level(av.logging.INFO)
    try:
        with av.logging.Capture() as logged:
            graph.push(to_frame(audio, RATE, 0))
            graph.push(None)
            with pytest.raises(av.EOFError):
                while True:
                    graph.pull()
            del graph, source  # the filter reports when it is freed
    finally:
        av.logging.set_level(before)
    report = "".join(text for _, _, text in logged)
    return float(re.search(r"I:\s+(\S+) LUFS", report)[1])


@pytest.mark.parametrize("quieter", [1, 2, 4, 8])
@pytest.mark.parametrize("f0", [110.0, 220.0])
def test_measure_agrees_with_libav(quieter, f0, speech):
    pause = np.zeros(RATE, np.float32)
    audio = np.concatenate([speech(4.0, f0, 0.4), pause, speech(2.0, f0, 0.4 / quieter)])
    assert measure(audio, RATE) == pytest.approx(libavs_loudness(audio), abs=0.06)  # it rounds to 0.1


def test_meter_does_not_depend_on_the_pushes(speech, cut):
    audio = speech(3.0)
    running = Meter(RATE)
    for piece in cut(audio, 5):
        running.push(piece)
    assert running.loudness() == pytest.approx(measure(audio, RATE), abs=1e-9)


def test_measure_of_silence_is_minus_infinity():
    assert measure(np.zeros(RATE, np.float32), RATE) == -np.inf
    assert measure(np.zeros(0, np.float32), RATE) == -np.inf


def test_measure_works_on_audio_shorter_than_a_block():
    assert measure(sine(-20, 0.2, rate=RATE), RATE) == pytest.approx(
        measure(sine(-20, 3, rate=RATE), RATE), abs=0.3
    )


@pytest.mark.parametrize("peak", [0.01, 0.1, 0.5, 1.0])
@pytest.mark.parametrize("prior_error", [-6.0, 0.0, 6.0])
@pytest.mark.parametrize("seconds", [0.8, 1.5, 4.0])
def test_leveller_brings_one_clause_to_the_target(peak, prior_error, seconds, speech):
    clause = speech(seconds, peak=peak)
    right = TARGET_LUFS - measure(clause, RATE)
    audio = levelled([clause], right + prior_error)
    assert measure(audio, RATE) == pytest.approx(TARGET_LUFS, abs=1.0)
    assert audio.size == clause.size


@pytest.mark.parametrize("seed", range(5))
def test_leveller_brings_uneven_clauses_to_the_target_together(seed, speech):
    random = np.random.default_rng(seed)
    clauses = [
        speech(random.uniform(0.6, 4.0), 120.0, 0.2 * 10 ** (random.uniform(-2, 2) / 20), seed)
        for _ in range(6)
    ]
    audio = levelled(clauses, 3.0)
    assert measure(audio, RATE) == pytest.approx(TARGET_LUFS, abs=1.0)
    assert peak_between_samples(audio) <= CEILING


def test_leveller_gives_quiet_audio_the_gain_of_the_voice():
    hush = np.full(RATE, 1e-5, np.float32)
    assert np.allclose(levelled([hush], 6.0), hush * 10 ** (6 / 20), rtol=1e-4)


def test_leveller_gain_moves_only_where_a_piece_begins(speech):
    first, second = speech(2.0, peak=0.05), speech(2.0, peak=0.02)
    audio = levelled([first, second], 10.0)
    loud = np.abs(second) > 0.003
    ratio = audio[first.size :][loud] / second[loud]
    settled = np.flatnonzero(loud) > 0.03 * RATE
    assert ratio[settled].max() == pytest.approx(ratio[settled].min(), rel=1e-3)
    assert ratio[settled][0] > audio[RATE // 4] / first[RATE // 4]
    # One step of gain adds no click: nowhere does the output move faster than the input at either gain.
    assert (
        np.abs(np.diff(audio)).max()
        <= max(
            np.abs(np.diff(first)).max() * np.abs(audio[: first.size]).max() / np.abs(first).max(),
            np.abs(np.diff(second)).max() * ratio.max(),
        )
        * 1.05
    )


def test_leveller_is_deterministic(speech):
    pieces = [speech(1.0, seed=1), speech(2.0, seed=2, peak=0.9)]
    assert levelled(pieces, 4.0).tobytes() == levelled([np.copy(p) for p in pieces], 4.0).tobytes()


@pytest.mark.parametrize("peak", [0.001, 0.1, 1.0])
def test_level_brings_a_whole_file_to_the_target(peak, speech):
    audio = level(speech(3.0, peak=peak), RATE)
    if peak > 0.002:  # beyond 40 dB of gain there is no speech to bring forward
        assert measure(audio, RATE) == pytest.approx(TARGET_LUFS, abs=0.1)
    assert peak_between_samples(audio) <= CEILING


def test_level_keeps_silence_silent():
    assert not level(np.zeros(RATE, np.float32), RATE).any()
    assert level(np.zeros(0, np.float32), RATE).size == 0


@pytest.mark.parametrize("gain", [1.0, 2.0, 8.0])
@pytest.mark.parametrize("kind", ["speech", "clicks", "noise", "between"])
def test_limiter_keeps_true_peaks_under_the_ceiling(gain, kind, speech):
    audio = {
        "speech": lambda: speech(2.0, peak=1.0),
        "clicks": lambda: (np.arange(RATE) % 1_999 == 7).astype(np.float32),
        "noise": lambda: np.random.default_rng(0).uniform(-1, 1, RATE).astype(np.float32),
        # A quarter of the rate, 45 degrees off: its peaks all lie between the samples, 3 dB above them.
        "between": lambda: (
            np.sin(np.pi / 2 * np.arange(RATE) + np.pi / 4).astype(np.float32) * np.hanning(RATE)
        ),
    }[kind]() * np.float32(gain)
    audio[:240] *= np.linspace(0, 1, 240)  # a signal that starts or ends at full swing rings there
    audio[-240:] *= np.linspace(1, 0, 240)
    limiter = Limiter(RATE, CEILING_DBTP)
    limited = np.concatenate([limiter.push(audio), limiter.flush()])
    assert limited.size == audio.size
    assert peak_between_samples(limited) <= CEILING
    assert true_peak(limited) <= CEILING


def test_limiter_leaves_quiet_audio_untouched(speech):
    audio = speech(1.0, peak=0.5)
    limiter = Limiter(RATE)
    assert np.array_equal(np.concatenate([limiter.push(audio), limiter.flush()]), audio)
    alone = np.zeros(2 * RATE, np.float32)
    alone[: audio.size] = audio
    alone[-100] = 4.0
    limited = np.concatenate([limiter.push(alone), limiter.flush()])
    assert np.array_equal(limited[:-1_000], alone[:-1_000])


def test_limiter_does_not_depend_on_the_pushes(speech, cut):
    audio = speech(2.0, peak=2.0)
    whole, pieces = Limiter(RATE), Limiter(RATE)
    expected = np.concatenate([whole.push(audio), whole.flush()])
    found = np.concatenate([*map(pieces.push, cut(audio, 9)), pieces.flush()])
    assert found == pytest.approx(expected, abs=1e-6)


def test_limiter_holds_little_back(speech):
    assert speech(1.0).size - Limiter(RATE).push(speech(1.0)).size < 0.025 * RATE


def test_limiter_gain_moves_smoothly():
    tone = sine(6, 1.0, 200.0, RATE)
    tone[: RATE // 2] *= 0.2
    limiter = Limiter(RATE)
    limited = np.concatenate([limiter.push(tone), limiter.flush()])
    gain = limited[np.abs(tone) > 0.1] / tone[np.abs(tone) > 0.1]
    assert np.abs(np.diff(gain)).max() < 0.03


@pytest.mark.parametrize("name", ["mp3", "opus", "aac"])
def test_encode_does_not_clip_leveled_audio(name, speech):
    decoded, _ = decode(encode(levelled([speech(3.0, peak=0.9)]), RATE, name))
    assert np.abs(decoded).max() < 1.0


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_loudness_functions_refuse_samples_that_are_not_finite(bad):
    audio = np.array([0.1, bad], np.float32)
    for take in (Leveller(RATE).push, Limiter(RATE).push, Meter(RATE).push, true_peak):
        with pytest.raises(AudioError, match="finite"):
            take(audio)
    for whole in (measure, level):
        with pytest.raises(AudioError, match="finite"):
            whole(audio, RATE)
    with pytest.raises(AudioError, match="finite"):
        Leveller(RATE, bad)


def test_leveller_and_true_peak_accept_no_audio():
    assert levelled([np.zeros(0, np.float32)]).size == 0
    assert true_peak(np.zeros(0, np.float32)) == 0
