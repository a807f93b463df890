import numpy as np
import pytest

from tts_app.audio.samples import AudioError
from tts_app.audio.stitch import Stitcher, pause_after, trim

RATE = 24_000
MS = RATE // 1_000


def silence(ms):
    return np.zeros(ms * MS, np.float32)


def noise(ms, level, seed=0):
    return (np.random.default_rng(seed).standard_normal(ms * MS) * level).astype(np.float32)


def tone(ms, level=0.3):
    return (level * np.cos(2 * np.pi * 200 * np.arange(ms * MS) / RATE)).astype(np.float32)


def silences(audio, floor=0.003, least_ms=8):
    """Return (start, length) in ms of each stretch that stays under `floor`."""
    quiet = np.abs(audio) < floor
    edges = np.flatnonzero(np.diff(np.concatenate([[False], quiet, [False]]).astype(int)))
    spans = [(a / MS, (b - a) / MS) for a, b in zip(edges[::2], edges[1::2], strict=True)]
    return [span for span in spans if span[1] >= least_ms]


def stitched(*segments, pace=1.0):
    stitcher = Stitcher(RATE, pace)
    return np.concatenate([*(stitcher.add(audio, text) for audio, text in segments), stitcher.flush()])


def segment(ms=600, level=0.3):
    """A segment as Kokoro makes them: silence, breath noise, speech, breath noise, silence."""
    return np.concatenate(
        [silence(200), noise(100, 4e-4), tone(ms, level), noise(200, 4e-4, 1), silence(200)]
    )


def test_trim_removes_silence_and_breath():
    assert trim(segment(600), RATE).size == pytest.approx(650 * MS, abs=10 * MS)


def test_trim_keeps_soft_onsets_and_endings():
    soft = np.concatenate(
        [
            silence(300),
            noise(80, 0.0025),
            tone(500),
            silence(60),
            noise(40, 0.02),
            noise(60, 0.003),
            silence(300),
        ]
    )
    kept = trim(soft, RATE)
    assert kept.size >= (80 + 500 + 60 + 40 + 60) * MS
    assert kept.size <= (80 + 500 + 60 + 40 + 60 + 20 + 50) * MS


def test_trim_does_not_depend_on_the_level():
    assert trim(segment(), RATE).size == trim(segment() * np.float32(0.05), RATE).size


def test_trim_keeps_pauses_inside():
    audio = np.concatenate([silence(100), tone(200), silence(700), tone(200), silence(100)])
    assert trim(audio, RATE).size >= 1_100 * MS


@pytest.mark.parametrize("audio", [silence(0), silence(500), noise(500, 1e-4)], ids=["none", "zeros", "hiss"])
def test_trim_of_audio_without_speech_is_empty(audio):
    assert trim(audio, RATE).size == 0
    assert stitched((audio, "Hm."))[:1].size == 0


def test_trim_fades_speech_without_silence_around():
    kept = trim(tone(300), RATE)
    assert kept.size == 300 * MS
    assert abs(kept[0]) < 0.001
    assert abs(kept[-1]) < 0.001


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("and so,", 0.18),
        ("and so;", 0.24),
        ("and so:", 0.24),
        ("It is.", 0.42),
        ("Is it?", 0.42),
        ("It is!", 0.42),
        ("\u0643\u064a\u0641\u061f", 0.42),
        ("\u0939\u0948\u0964", 0.42),
        ('"It is."', 0.42),
        ("(it is,) ", 0.18),
        ("and so", 0.035),
        ("", 0.035),
    ],
)
def test_stitcher_pauses_by_punctuation(text, seconds):
    assert pause_after(text) == seconds
    audio = stitched((segment(), text), (segment(), "End."))
    inner = [length for start, length in silences(audio) if 400 < start < 900]
    assert sum(inner) == pytest.approx(seconds * 1_000, abs=30)


def test_stitcher_pace_shortens_pauses():
    slow, fast = (
        stitched((segment(), "One."), (segment(), "Two."), pace=pace).size / MS for pace in (1.0, 2.0)
    )
    assert slow - fast == pytest.approx(210, abs=2)


def test_stitcher_adds_silence_before_and_after():
    audio = stitched((segment(), "One."))
    spans = silences(audio)
    assert spans[0][0] == 0
    assert 10 <= spans[0][1] <= 50
    assert spans[-1][1] == pytest.approx(150, abs=25)
    assert audio.size / MS == pytest.approx(20 + 650 + 120, abs=12)


@pytest.mark.parametrize("text", ["mid clause", "clause,", "stop."])
def test_stitcher_joins_without_clicks(text):
    hard = tone(300, 0.5)  # starts and ends at full swing: the worst that an engine can return
    audio = stitched((hard, text), (hard, text), (hard, text))
    swing = np.abs(np.diff(tone(300, 0.5))).max()
    assert np.abs(np.diff(audio, prepend=0, append=0)).max() <= swing * 1.02
    assert np.abs(np.diff(audio, 2)).max() <= np.abs(np.diff(tone(300, 0.5), 2)).max() * 1.5


def test_stitcher_add_ends_in_silence_and_flush_resets():
    stitcher = Stitcher(RATE)
    first = stitcher.add(segment(), "One.")
    assert np.abs(first[-100 * MS :]).max() < 0.003
    assert stitcher.flush().size == 0
    again = stitcher.add(segment(), "One.")
    assert np.array_equal(first, again)  # flush leaves it as new


def test_stitcher_silent_segments_only_lengthen_the_pause():
    spoken = [(segment(), "One,"), (segment(), "two.")]
    with_silence = stitched(spoken[0], (silence(300), "..."), spoken[1])
    assert with_silence.size - stitched(*spoken).size == pytest.approx(240 * MS, abs=2)
    assert np.array_equal(stitched((silence(300), "..."), *spoken), stitched(*spoken))
    run_on = stitched((segment(), "one"), (silence(300), "..."), (segment(), "two."))
    assert run_on.size > stitched((segment(), "one"), (segment(), "two.")).size


def test_stitcher_is_deterministic():
    parts = [(segment(300), "One,"), (segment(200), "two"), (segment(400), "three.")]
    assert stitched(*parts).tobytes() == stitched(*parts).tobytes()


def test_stitcher_joins_very_short_segments():
    audio = stitched(*[(tone(5), "a")] * 20, (tone(5), "b."))
    assert np.isfinite(audio).all()
    assert np.abs(audio).max() < 1


@pytest.mark.parametrize("last", ["mid clause", "stop."])
@pytest.mark.parametrize("seconds", [0.0, 0.5, 3.0, 10.0])
def test_a_long_pause_comes_in_pieces_of_a_second(last, seconds):
    def spoken(pieces):
        stitcher = Stitcher(RATE)
        out = [stitcher.add(segment(), last)]
        stitcher.pause(seconds)
        out += stitcher.due() if pieces else []
        out.append(stitcher.add(segment(), "stop."))
        stitcher.pause(seconds)
        out += stitcher.due() if pieces else []
        return [*out, stitcher.flush()]

    pieces = spoken(True)
    assert np.array_equal(np.concatenate(pieces), np.concatenate(spoken(False)))
    assert max(piece.size for piece in pieces) <= 2 * RATE


def test_stitcher_of_nothing_is_empty():
    assert stitched().size == 0


def test_stitcher_refuses_bad_samples_and_pace():
    with pytest.raises(AudioError, match="finite"):
        Stitcher(RATE).add(np.array([np.nan], np.float32), "a")
    for pace in (0.0, -1.0, float("nan"), float("inf")):
        with pytest.raises(AudioError, match="Pace"):
            Stitcher(RATE, pace)
