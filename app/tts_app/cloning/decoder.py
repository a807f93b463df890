"""The process that decodes a recording: `python -m tts_app.cloning.decoder FORMAT SECONDS CPU MEMORY`.

It reads the file from its standard input, and writes mono samples of `CLIP_RATE` Hz, float32, to its
standard output. Before it reads a byte it gives up what it does not need: it can open no file and no
connection, start no process, and has bounded memory, CPU time and output. `sandbox` runs it.
"""

import resource
import struct
import sys
from collections.abc import Iterator
from io import BytesIO

import av
import numpy as np
from av.audio.resampler import AudioResampler

from tts_app.audio.frames import to_samples
from tts_app.audio.samples import Audio
from tts_app.cloning.recordings import FORMATS, WAV, Format

CLIP_RATE = 24_000
"""Samples a second of every clip: what most engines that clone compute in."""
REFUSED = 3
"""Exit code: standard error says why, for the caller."""
OUT_OF_MEMORY = 4
"""Exit code."""
_SAMPLE = 4
_MESSAGES = 4096
"""Bytes that it may write beside the samples."""


class _RefusedError(Exception):
    """The recording cannot be decoded."""


def main() -> None:
    """Decode standard input."""
    name, seconds, cpu, memory = sys.argv[1:]
    most = int(float(seconds) * CLIP_RATE)
    _decode(_silence(), WAV, most)  # what av imports only when it is used
    _lock_down(int(cpu), int(memory), most * _SAMPLE + _MESSAGES)
    try:
        samples = _decode(sys.stdin.buffer.read(), FORMATS[name], most)
    except MemoryError:
        sys.exit(OUT_OF_MEMORY)
    except _RefusedError as error:
        sys.stderr.write(str(error))
        sys.exit(REFUSED)
    sys.stdout.buffer.write(samples.tobytes())


def _lock_down(cpu: int, memory: int, output: int) -> None:
    """Give up what decoding does not need. What is open stays open; nothing can be opened any more."""
    for limit, most in (
        (resource.RLIMIT_CPU, cpu),
        (resource.RLIMIT_AS, memory),
        (resource.RLIMIT_FSIZE, output),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_NPROC, 0),
        (resource.RLIMIT_NOFILE, 0),
    ):
        resource.setrlimit(limit, (most, most))


def _silence() -> bytes:
    """Return a wav file of a tenth of a second."""
    samples = bytes(2 * 800)
    layout = struct.pack("<IHHIIHH", 16, 1, 1, 8000, 16_000, 2, 16)
    body = b"WAVEfmt " + layout + b"data" + struct.pack("<I", len(samples)) + samples
    return b"RIFF" + struct.pack("<I", len(body)) + body


def _decode(data: bytes, known: Format, most: int) -> Audio:
    """Return the first audio track, at most `most` samples: one more is refused."""
    options = {"format_whitelist": known.demuxer, "protocol_whitelist": "none"}
    pieces: list[Audio] = []
    length = 0
    try:
        with av.open(BytesIO(data), "r", format=known.demuxer, options=options) as container:
            for piece in _pieces(container, known):
                pieces.append(piece)
                length += piece.size
                if length > most:
                    raise _RefusedError(f"it is longer than {most / CLIP_RATE:g} s")
    except (av.FFmpegError, ValueError) as error:
        if isinstance(error, MemoryError):
            raise
        raise _RefusedError(f"it is no sound {known.name} file, or a damaged one") from error
    if not length:
        raise _RefusedError("it holds no sound")
    return np.concatenate(pieces)


def _pieces(container: av.container.InputContainer, known: Format) -> Iterator[Audio]:
    """Yield the mono samples of the first audio track."""
    if not container.streams.audio:
        raise _RefusedError("it has no audio track")
    stream = container.streams.audio[0]
    codec = stream.codec_context.codec.name
    if codec not in known.codecs:
        raise _RefusedError(
            f"its sound is coded as {codec}; in {known.name} it may be {', '.join(known.codecs)}"
        )
    resampler = AudioResampler(format="fltp", rate=CLIP_RATE)
    for frame in container.decode(stream):
        for out in resampler.resample(frame):
            yield to_samples(out)
    for out in resampler.resample(None):
        yield to_samples(out)


if __name__ == "__main__":
    main()
