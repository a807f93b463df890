"""Recordings of a simulated speaker: pulses of a voice through resonances, in syllables, with pauses."""

from io import BytesIO

import av
import numpy as np
from scipy.signal import lfilter

from tts_app.audio.encode import Encoder, completed
from tts_app.audio.frames import to_frame
from tts_app.audio.samples import Audio

RATE = 24_000
_SYLLABLE, _PAUSE_EVERY = 0.22, 7
"""Seconds of a syllable; so many of them, then a pause of one."""


def speech(seconds: float, pitch: float = 120.0, noise: float = 1e-4, rate: int = RATE) -> Audio:
    """A voice of about `pitch` Hz, shape (n,), peaks at 0.5, with `noise` of that amplitude."""
    random = np.random.default_rng(7)
    time = np.arange(round(seconds * rate)) / rate
    phase = np.cumsum(pitch * (1 + 0.15 * np.sin(2 * np.pi * 0.7 * time)) / rate)
    voice = np.diff(np.floor(phase), prepend=0.0)
    for formant, width in ((600.0, 90.0), (1400.0, 120.0), (2600.0, 160.0)):
        radius = np.exp(-np.pi * width / rate)
        voice = lfilter([1.0], [1.0, -2 * radius * np.cos(2 * np.pi * formant / rate), radius**2], voice)
    syllable = np.floor(time / _SYLLABLE)
    loudness = np.sin(np.pi * (time / _SYLLABLE - syllable)) ** 2
    voice *= loudness * (syllable % _PAUSE_EVERY != _PAUSE_EVERY - 1)
    voice *= 0.5 / np.abs(voice).max()
    return (voice + noise * random.standard_normal(time.size)).astype(np.float32)


def encoded(audio: Audio, rate: int, kind: str) -> bytes:
    """A file of mono audio: wav, flac, mp3, opus, aac, or m4a."""
    if kind == "m4a":
        return _m4a(audio, rate)
    encoder = Encoder(kind, rate)
    return completed(encoder.push(audio) + encoder.flush(), kind)


def _m4a(audio: Audio, rate: int) -> bytes:
    file = BytesIO()
    with av.open(file, "w", format="mp4") as container:
        stream = container.add_stream("aac", rate=rate, layout="mono")
        for start in range(0, audio.size - 1024, 1024):
            for packet in stream.encode(to_frame(audio[start : start + 1024], rate, start)):
                container.mux(packet)
        for packet in stream.encode(None):
            container.mux(packet)
    return file.getvalue()
