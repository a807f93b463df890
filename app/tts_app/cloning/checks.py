"""Whether a recording is fit to be imitated, and the clip that is made of it. Pure.

What is measured: length, level, clipping, noise, and whether there is speech in it: a voiced sound whose
loudness moves. Music that does the same is not told from speech here.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tts_app.audio.loudness import level
from tts_app.audio.resample import resample
from tts_app.audio.samples import Audio
from tts_app.cloning.recordings import RecordingError

SHORTEST, LONGEST = 3.0, 30.0
"""Seconds of a clip, without the silence at its ends."""
LEAST_SNR = 15.0
"""Decibels between speech and what is heard in its pauses."""
MOST_CLIPPED = 0.002
"""Share of the samples that may be cut off at the top."""

_FRAME, _HOP = 0.030, 0.010
_SILENT_DB = -55.0
"""Loudest frame, relative to full scale, of a recording that counts as silent."""
_BELOW_LOUDEST_DB = 40.0
"""Frames so much quieter than the loudest are silence at the ends."""
_MARGIN = 0.10
"""Seconds that are left before and after the speech."""
_PITCHES = (60.0, 420.0)
"""Hz of voices."""
_VOICED = 0.55
"""Least normalised autocorrelation of a voiced frame."""
_LEAST_VOICED = 0.15
"""Share of a clip that is voiced at least where somebody speaks."""
_LEAST_MOVEMENT_DB = 3.0
"""Standard deviation of the level of speech's frames; a tone or a hum has none."""
_PITCH_RATE = 8_000
_FEMALE_ABOVE = 165.0
"""Hz: between the usual pitch of men and of women."""
_FULL_SCALE_RUN = 3
"""Samples in a row at the highest value that count as cut off."""


@dataclass(frozen=True, slots=True)
class Checked:
    """A clip that is fit to be imitated, and what was measured of it."""

    audio: Audio
    """Mono, trimmed, at -16 LUFS."""
    seconds: float
    snr: float
    """Decibels."""
    clipped: float
    """Share of the samples."""
    pitch: float
    """Median fundamental frequency of its voiced parts, in Hz."""

    @property
    def gender(self) -> str:
        """The gender of most voices of this pitch: a guess, where nobody said it."""
        return "female" if self.pitch >= _FEMALE_ABOVE else "male"


def check_recording(audio: Audio, rate: int, what: str = "The recording") -> Checked:
    """Return the clip of a recording, shape (n,), of `rate` Hz. `what` begins the messages.

    Raises:
        RecordingError: it is not fit; the message says what was found and what would be right.
    """
    levels = _levels(audio, rate)
    if not levels.size or levels.max() < _SILENT_DB:
        raise RecordingError(f"{what} is silent. Record {SHORTEST:g} to {LONGEST:g} s of speech.")
    spoken = _trimmed(audio, levels, rate)
    seconds = spoken.size / rate
    if not SHORTEST <= seconds <= LONGEST:
        wrong = "short" if seconds < SHORTEST else "long"
        raise RecordingError(
            f"{what} is too {wrong}: {seconds:.1f} s without the silence at its ends, and "
            f"{SHORTEST:g} to {LONGEST:g} s are needed."
        )
    clipped = _clipped(spoken)
    if clipped > MOST_CLIPPED:
        raise RecordingError(
            f"{what} is clipped: {clipped:.1%} of its samples are cut off, and {MOST_CLIPPED:.1%} may be. "
            "Record it again with less gain."
        )
    pitch = _pitch(spoken, rate, what)
    snr = _snr(_levels(spoken, rate))
    if snr < LEAST_SNR:
        raise RecordingError(
            f"{what} is too noisy: speech is {snr:.0f} dB above the noise, and {LEAST_SNR:g} dB are needed. "
            "Record it in a quiet room, near the microphone."
        )
    return Checked(level(spoken, rate), round(seconds, 2), round(snr, 1), round(clipped, 5), round(pitch, 1))


def _frames(audio: Audio, rate: int) -> NDArray[np.float32]:
    """Return frames of 30 ms every 10 ms, shape (frames, samples)."""
    size = round(_FRAME * rate)
    if audio.size < size:
        return np.zeros((0, size), np.float32)
    return np.lib.stride_tricks.sliding_window_view(audio, size)[:: round(_HOP * rate)]


def _levels(audio: Audio, rate: int) -> NDArray[np.float64]:
    """Return the level of each frame in dB of full scale."""
    power = np.square(_frames(audio, rate), dtype=np.float64).mean(axis=1)
    levels: NDArray[np.float64] = 10 * np.log10(power + 1e-12)
    return levels


def _trimmed(audio: Audio, levels: NDArray[np.float64], rate: int) -> Audio:
    heard = np.flatnonzero(levels > levels.max() - _BELOW_LOUDEST_DB)
    begin = heard[0] * _HOP - _MARGIN
    end = heard[-1] * _HOP + _FRAME + _MARGIN
    return audio[max(0, round(begin * rate)) : round(end * rate)]


def _clipped(audio: Audio) -> float:
    """Return the share of samples in runs at the highest or lowest value that occurs."""
    highest = np.abs(audio).max()
    at_top = np.abs(audio) >= 0.999 * highest
    edges = np.flatnonzero(np.diff(np.concatenate([[0], at_top.astype(np.int8), [0]])))
    runs = edges[1::2] - edges[::2]
    return float(runs[runs >= _FULL_SCALE_RUN].sum() / audio.size)


def _snr(levels: NDArray[np.float64]) -> float:
    """Return the level of speech above that of its pauses: the loud frames against the quietest twentieth."""
    floor, speech = np.percentile(levels, [5, 85])
    return float(speech - floor)


def _pitch(audio: Audio, rate: int, what: str) -> float:
    """Return the median pitch of the voiced frames in Hz, by autocorrelation.

    Raises:
        RecordingError: nobody speaks.
    """
    frames = _frames(resample(audio, rate, _PITCH_RATE), _PITCH_RATE)
    frames = frames - frames.mean(axis=1, keepdims=True)
    size = frames.shape[1]
    spectrum = np.abs(np.fft.rfft(frames, 2 * size, axis=1)) ** 2
    correlation = np.fft.irfft(spectrum, axis=1)[:, :size]
    # A lag has fewer products than none has: divide by the share that it has.
    correlation /= 1 - np.arange(size) / size
    shortest, longest = (round(_PITCH_RATE / hz) for hz in reversed(_PITCHES))
    within = correlation[:, shortest : longest + 1]
    lags = within.argmax(axis=1)
    energy = correlation[:, 0]
    strength = within.max(axis=1) / np.maximum(energy, 1e-9)
    loud = energy > energy.max() * 10 ** (-_BELOW_LOUDEST_DB / 10)
    voiced = loud & (strength > _VOICED)
    levels = 10 * np.log10(np.maximum(energy, 1e-12))
    if voiced.mean() < _LEAST_VOICED or levels[loud].std() < _LEAST_MOVEMENT_DB:
        raise RecordingError(f"{what} has no speech in it that could be heard. Record somebody who speaks.")
    return float(np.median(_PITCH_RATE / (lags[voiced] + shortest)))
