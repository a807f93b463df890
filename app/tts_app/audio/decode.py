"""Decoding of audio files, by libav (PyAV)."""

from io import BytesIO
from pathlib import Path

import av
import numpy as np
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler

from tts_app.audio.frames import to_samples
from tts_app.audio.samples import Audio, AudioError, checked

_DEMUXERS = "aac,aiff,flac,matroska,webm,mov,mp4,m4a,3gp,3g2,mj2,mp3,ogg,wav"
"""Only plain audio and video files: playlists would make libav open other files and addresses."""
_OPTIONS = {"format_whitelist": _DEMUXERS, "protocol_whitelist": "file,crypto,data"}


def decode(source: bytes | Path) -> tuple[Audio, int]:
    """Return the first audio track of a file as mono samples, shape (n,), and its rate in Hz.

    `source` is the file itself or its path. Channels are averaged. Raw samples (`pcm`) have no
    header and cannot be decoded.

    Raises:
        AudioError: the file does not exist, is not an audio file, is damaged or holds no audio.
    """
    name = "the audio" if isinstance(source, bytes) else str(source)
    opened = BytesIO(source) if isinstance(source, bytes) else str(source)
    try:
        with av.open(opened, "r", options=_OPTIONS) as container:
            if not container.streams.audio:
                raise AudioError(f"Cannot decode {name}: it has no audio track.")
            return _mono(list(container.decode(audio=0)), name)
    except (av.FFmpegError, OSError, ValueError) as error:
        raise AudioError(f"Cannot decode {name}: {error}.") from error


def _mono(frames: list[AudioFrame], name: str) -> tuple[Audio, int]:
    if not frames:
        raise AudioError(f"Cannot decode {name}: it holds no audio.")
    rate = frames[0].sample_rate
    to_float = AudioResampler(format="fltp")
    planes = [to_samples(out) for frame in [*frames, None] for out in to_float.resample(frame)]
    return checked(np.concatenate(planes)), rate
