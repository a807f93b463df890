"""Brings speech to one loudness: -16 LUFS, true peaks under -1 dBTP. For streams and for whole files."""

import numpy as np

from tts_app.audio.limiter import Limiter
from tts_app.audio.meter import Meter, lufs, measure
from tts_app.audio.samples import Audio, AudioError, amplitude, checked, joined

__all__ = ["CEILING_DBTP", "TARGET_LUFS", "Leveller", "level", "measure"]

TARGET_LUFS = -16.0
"""The integrated loudness of everything that the playground speaks."""
CEILING_DBTP = -1.0
"""The highest true peak."""

_MOST_DB = 40.0
"""A higher gain would amplify noise, not speech."""
_RAMP_S = 0.030
"""Time in which the gain changes from one piece's to the next one's."""
_EXACT_LU = 0.05
_PASSES = 8
"""Corrections of a whole file; each makes up for what the limiter took after the last one."""


class Leveller:
    """Levels a stream of pieces, each a clause or so, that it sees one at a time.

    A piece gets the gain that brings all speech so far, this piece included, to the target. The gain changes
    only where a piece begins, along a short ramp, so nothing pumps within a clause. It makes up for what the
    limiter takes away. The output is as long as the input; about 21 ms are held back.
    """

    def __init__(self, rate: int, gain_db: float = 0.0) -> None:
        """Level audio of `rate` Hz. `gain_db` is the measured gain that this voice needs.

        It decides alone while nothing was loud enough to measure. It weighs a half at the first block of
        400 ms, and a twentieth or less after a word or two.

        Raises:
            AudioError: the rate is out of range or the gain is not a finite number.
        """
        if not np.isfinite(gain_db):
            raise AudioError(f"Gain {gain_db} dB is not a finite number.")
        self._rate = rate
        self._meter = Meter(rate)
        self._limiter = Limiter(rate, CEILING_DBTP)
        self._prior_db = gain_db
        self._gain_db: float | None = None

    def push(self, audio: Audio, volume_db: float = 0.0) -> Audio:
        """Take a piece, shape (n,), and return the levelled samples that are ready.

        `volume_db` is how much louder than the target the piece is to be, up to the ceiling.

        Raises:
            AudioError: a sample is not a finite number.
        """
        piece = checked(audio)
        if not piece.size:
            return piece
        self._meter.push(piece)
        gain_db = self._compensated(piece, self._wanted()) + volume_db
        before = gain_db if self._gain_db is None else self._gain_db
        self._gain_db = gain_db
        return self._limiter.push(piece * _ramp(before, gain_db, piece.size, round(self._rate * _RAMP_S)))

    def flush(self) -> Audio:
        """Return the samples that were held back."""
        return self._limiter.flush()

    def _wanted(self) -> float:
        """Return the gain in dB for all that was pushed so far."""
        blocks = self._meter.blocks()
        if not blocks.size:
            return self._prior_db
        trust = 1 / (1 + blocks.size**2)
        measured_db = TARGET_LUFS - lufs(float(blocks.mean()))
        gain_db = trust * self._prior_db + (1 - trust) * measured_db
        return float(np.clip(gain_db, -_MOST_DB, _MOST_DB))

    def _compensated(self, piece: Audio, gain_db: float) -> float:
        """Return `gain_db` plus what the limiter would take from the piece at that gain."""
        loud = piece * np.float32(amplitude(gain_db))
        limited = _limited(loud, self._rate)
        loss = measure(loud, self._rate) - measure(limited, self._rate)
        return gain_db + (loss if np.isfinite(loss) else 0.0)


def level(audio: Audio, rate: int) -> Audio:
    """Return a whole signal, shape (n,), at -16 LUFS and at most -1 dBTP, exact to 0.1 LU.

    Silence, which has no loudness, comes back unchanged. A signal whose peaks are very far above its
    loudness may stay quieter: the ceiling takes priority.

    Raises:
        AudioError: a sample is not a finite number, or the rate is out of range.
    """
    samples = checked(audio)
    gain_db = 0.0
    levelled = samples
    for _ in range(_PASSES):
        missing = TARGET_LUFS - measure(levelled, rate)
        if not np.isfinite(missing) or abs(missing) < _EXACT_LU:
            break
        gain_db = min(gain_db + missing, _MOST_DB)
        levelled = _limited(samples * np.float32(amplitude(gain_db)), rate)
    return levelled


def _limited(audio: Audio, rate: int) -> Audio:
    limiter = Limiter(rate, CEILING_DBTP)
    return joined([limiter.push(audio), limiter.flush()])


def _ramp(before_db: float, after_db: float, size: int, length: int) -> Audio:
    """Return gains, shape (size,): from one to the other within `length` samples, then constant."""
    gains = np.full(size, amplitude(after_db), np.float32)
    if before_db != after_db:
        length = min(length, size)
        phase = (np.arange(1, length + 1) / length - 1) * np.pi
        blend = (1 + np.cos(phase)) / 2
        gains[:length] = amplitude(before_db) + (amplitude(after_db) - amplitude(before_db)) * blend
    return gains
