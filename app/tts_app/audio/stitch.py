"""Joins the segments of an utterance: trims them, and puts the pauses between them that the text needs."""

from collections.abc import Iterator

import numpy as np

from tts_app.audio.samples import SILENCE, Audio, AudioError, amplitude, checked, checked_rate, joined

_FRAME_S = 0.010
_ONSET_DB = -37.0
"""Speech is what comes this close to the level of the segment's loudest frame ..."""
_SOFT_DB = -47.0
"""... and adjoining sound down to this level. Measured on Kokoro's voices: breath and noise around speech are
50 to 60 dB below the loudest frame, the softest onsets ("fish", "half") 28 to 42 dB."""
_SILENT_DBFS = -60.0
"""A segment that never exceeds this has no speech."""
_BEFORE_S = 0.020
_AFTER_S = 0.030
"""Audio that stays around the speech, faded: the quietest part of a breath or a closing consonant."""
_FADE_S = 0.015
_LEAD_S = 0.020
"""Silence at the beginning of an utterance: players drop the very first samples."""
_TAIL_S = 0.120
"""Silence at its end; together with the audio kept after the speech it makes 150 ms."""

_PIECE_S = 1.0
"""Silence is returned in pieces of this length: a pause may last for ten seconds, and costs no more."""

_CLAUSE_S = 0.180
_HALF_STOP_S = 0.240
_STOP_S = 0.420
_RUN_ON_S = _BEFORE_S + _AFTER_S - _FADE_S
"""Pause between two segments of one clause that was too long: only the closure of a consonant. At this pause
the faded edges overlap exactly, which is the cross-fade."""
_PAUSES = {
    **dict.fromkeys(",،、—–-", _CLAUSE_S),
    **dict.fromkeys(";:؛", _HALF_STOP_S),
    **dict.fromkeys(".!?…؟۔।॥", _STOP_S),
}
_CLOSERS = "\"'”’»)]}"


def pause_after(text: str) -> float:
    """Return the seconds between a segment that speaks `text` and the next one, by its last punctuation.

    They are about as long as Kokoro's own pauses inside a segment: at commas up to 260 ms, at full stops
    310 to 500 ms.
    """
    bare = text.rstrip().rstrip(_CLOSERS).rstrip()
    return _PAUSES.get(bare[-1:], _RUN_ON_S)


def trim(audio: Audio, rate: int) -> Audio:
    """Return the speech of a segment, shape (n,), without the silence around it, its edges faded.

    The gate has hysteresis: it opens at a level that only speech has, then extends over adjoining softer
    sound, so that soft consonants stay. Without speech it returns no samples.

    Raises:
        AudioError: a sample is not a finite number, or the rate is out of range.
    """
    samples = checked(audio)
    frame = round(checked_rate(rate) * _FRAME_S)
    padded = np.pad(samples, (0, -samples.size % frame))
    powers = np.square(padded.reshape(-1, frame)).mean(axis=1, dtype=np.float64)
    loudest = powers.max(initial=0.0)
    if loudest <= amplitude(_SILENT_DBFS) ** 2:
        return SILENCE
    loud = np.flatnonzero(powers >= loudest * amplitude(_ONSET_DB) ** 2)
    quiet = np.flatnonzero(powers < loudest * amplitude(_SOFT_DB) ** 2)
    first = int(quiet[quiet < loud[0]].max(initial=-1)) + 1
    end = int(quiet[quiet > loud[-1]].min(initial=powers.size))
    start = max(0, first * frame - round(rate * _BEFORE_S))
    stop = min(samples.size, end * frame + round(rate * _AFTER_S))
    return _faded(samples[start:stop], round(rate * _FADE_S))


def _faded(audio: Audio, length: int) -> Audio:
    """Return the audio with raised cosines at its edges; two edges that overlap fully sum to 1."""
    faded = audio.copy()
    length = min(length, faded.size)
    rise = ((1 - np.cos(np.arange(1, length + 1) / (length + 1) * np.pi)) / 2).astype(np.float32)
    faded[:length] *= rise
    faded[faded.size - length :] *= rise[::-1]
    return faded


class Stitcher:
    """Joins segments as they are spoken. Each is returned at once, with the beginning of its silence.

    Where the pause is shorter than the faded edges, as within a clause, the edges overlap: a cross-fade.
    """

    def __init__(self, rate: int, pace: float = 1.0) -> None:
        """Join audio of `rate` Hz. Pauses last 1/`pace`: pass the speed at which the engine itself spoke.

        Raises:
            AudioError: the rate is out of range, or the pace is not above 0.
        """
        if not 0 < pace < float("inf"):
            raise AudioError(f"Pace {pace} must be a number over 0.")
        self._rate = checked_rate(rate)
        self._pace = pace
        self._edges = self._samples(_AFTER_S) + self._samples(_BEFORE_S)
        self._tail = self._samples(_TAIL_S)
        self._started = False
        self._held = SILENCE
        """The end of the last segment, which the next one overlaps."""
        self._owed = self._samples(_LEAD_S)
        """Samples of silence due before the next segment."""
        self._silent = 0
        """Samples of silence already returned after the last segment."""
        self._asked = False
        """Whether a caller asked for the pause that is due, so that the text's own does not count."""

    def add(self, audio: Audio, text: str) -> Audio:
        """Take the segment that speaks `text`, shape (n,), and return what it adds to the utterance.

        A segment without speech adds only its pause, where that is longer than the one before.

        Raises:
            AudioError: a sample is not a finite number.
        """
        speech = trim(audio, self._rate)
        pause = self._samples(pause_after(text) / self._pace) - self._edges
        if not speech.size:
            self._owed = max(self._owed, pause - self._silent) if self._started else self._owed
            return SILENCE
        self._started, self._asked = True, False
        if self._owed:
            spoken = joined([self._held, np.zeros(self._owed, np.float32), speech])
        else:
            spoken = _overlapped(self._held, speech)
        cut = spoken.size - min(max(-pause, 0), speech.size // 2)
        self._held = spoken[cut:].copy()
        self._silent = min(max(pause, 0), self._tail)
        self._owed = max(pause, 0) - self._silent
        return joined([spoken[:cut], np.zeros(self._silent, np.float32)])

    def pause(self, seconds: float) -> None:
        """Have `seconds` of silence follow, in place of the pause that the text asks for; several add up."""
        samples = self._samples(seconds)
        if self._started and not self._asked:
            samples = max(samples - self._edges - self._silent, 0)
            self._owed = 0
        self._owed += samples
        self._asked = True

    def due(self) -> Iterator[Audio]:
        """Yield, in pieces, what of a long silence is due, but its last second: `add` or `flush` has that."""
        piece = self._samples(_PIECE_S)
        while self._owed > piece:
            held, self._held = self._held, SILENCE
            self._owed -= piece
            self._silent += piece
            yield joined([held, np.zeros(piece, np.float32)])

    def flush(self) -> Audio:
        """Return the end of the utterance: what was held back, and silence up to 150 ms after the speech.

        A pause that a caller asked for is silence to its end.
        """
        if not self._started:
            return SILENCE
        silent = max(self._tail - self._silent, self._owed if self._asked else 0)
        ending = joined([self._held, np.zeros(silent, np.float32)])
        self._held, self._silent, self._started, self._asked = SILENCE, 0, False, False
        self._owed = self._samples(_LEAD_S)
        return ending

    def _samples(self, seconds: float) -> int:
        return round(self._rate * seconds)


def _overlapped(first: Audio, second: Audio) -> Audio:
    """Return the sum of the two, which start at the same time."""
    total = np.zeros(max(first.size, second.size), np.float32)
    total[: first.size] += first
    total[: second.size] += second
    return total
