"""Streaming encoders: bytes come out while samples go in, by libav's codecs (PyAV).

The bytes depend neither on the clock, nor on chance, nor on how the audio was cut into pushes.
"""

import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from io import SEEK_END, BytesIO
from typing import IO, Protocol

import av
import numpy as np
from av.audio.stream import AudioStream

from tts_app.audio.formats import Format, find_format
from tts_app.audio.frames import Blocks, to_frame, to_pcm16
from tts_app.audio.resample import Resampler
from tts_app.audio.samples import Audio, AudioError, checked_rate

_UNKNOWN = 0xFFFFFFFF
"""The length in a WAV header while it is unknown; players then read to the end."""
_WAV_HEADER = struct.Struct("<4sI4s4sIHHIIHH4sI")
_FLAC_TOTAL = slice(21, 26)
"""Where a FLAC file has its number of samples: the low 36 bits of these five bytes of STREAMINFO."""


@dataclass(frozen=True, slots=True)
class _Codec:
    """How libav makes a format."""

    container: str
    encoder: str
    sample_format: str
    muxer: Mapping[str, str] = field(default_factory=dict)
    options: Mapping[str, str] = field(default_factory=dict)
    scale: float = 1.0
    """The factor that the encoder itself applies to every sample."""


_CODECS = {
    # Every player reads ID3v2.3. No Xing header: it holds the number of frames, which a stream cannot
    # know, and a constant bit rate needs none. LAME's level 7 halves the cost of level 3; on speech at
    # 96 kbit/s both give the same signal-to-noise ratio in every band. Its presets for constant bit rates
    # scale every sample down by 5% (0.45 dB).
    "mp3": _Codec(
        "mp3",
        "libmp3lame",
        "fltp",
        {"id3v2_version": "3", "write_xing": "0"},
        {"compression_level": "7"},
        scale=0.95,
    ),
    # Pages of 40 ms: the default is one second, and the muxer holds the latest page back.
    "opus": _Codec("ogg", "libopus", "flt", {"page_duration": "40000"}),
    # No tags: what is read as bare ADTS, as players of streams do, must begin with a frame.
    "aac": _Codec("adts", "aac", "fltp"),
    "flac": _Codec("flac", "flac", "s16", options={"frame_size": "1152"}),
}
# `flush_packets` writes every packet at once; `bitexact` leaves out versions, dates and random serials.
_MUXER = {"flush_packets": "1", "fflags": "+bitexact", "metadata_header_padding": "0"}
_ENCODER = {"flags": "+bitexact", "threads": "1"}


def wav_header(rate: int, samples: int | None = None) -> bytes:
    """Return the 44 bytes before 16-bit mono samples at `rate` Hz; None: their number is not known yet."""
    size = _UNKNOWN if samples is None else 2 * samples
    riff = _UNKNOWN if samples is None else 36 + size
    return _WAV_HEADER.pack(b"RIFF", riff, b"WAVE", b"fmt ", 16, 1, 1, rate, 2 * rate, 2, 16, b"data", size)


class _Sink:
    """The file that libav writes to: holds what was written since the last `take`. Not seekable."""

    def __init__(self) -> None:
        self.closed = False  # PyAV writes no trailer to a file that reports being closed
        self._written = bytearray()

    def write(self, data: bytes) -> int:
        self._written += data
        return len(data)

    def take(self) -> bytes:
        taken = bytes(self._written)
        self._written.clear()
        return taken


class _Writer(Protocol):
    def write(self, audio: Audio) -> bytes: ...
    def finish(self) -> bytes: ...
    def close(self) -> None: ...


class _PcmWriter:
    """Writes plain 16-bit samples, after a header where the format has one."""

    def __init__(self, header: bytes) -> None:
        self._header = header

    def write(self, audio: Audio) -> bytes:
        header, self._header = self._header, b""
        return header + to_pcm16(audio).tobytes()

    def finish(self) -> bytes:
        return b""

    def close(self) -> None:
        pass


class _CodecWriter:
    """One libav encoder and muxer, fed with frames of exactly the codec's size."""

    def __init__(self, codec: _Codec, rate: int, bitrate: int | None, tags: Mapping[str, str]) -> None:
        self._codec, self._rate = codec, rate
        self._position = 0
        self._sink = _Sink()
        self._container = av.open(
            self._sink, "w", format=codec.container, container_options={**_MUXER, **codec.muxer}
        )
        stream = self._container.add_stream(codec.encoder, rate=rate, options={**_ENCODER, **codec.options})
        assert isinstance(stream, AudioStream)  # noqa: S101 - which the codec's name implies
        self._stream = stream
        stream.layout = "mono"
        stream.format = codec.sample_format
        if bitrate is not None:
            stream.bit_rate = bitrate
        self._container.metadata.update(tags)
        self._container.start_encoding()
        self._blocks = Blocks(stream.codec_context.frame_size)

    def write(self, audio: Audio) -> bytes:
        self._encode(self._blocks.push(audio))
        return self._sink.take()

    def finish(self) -> bytes:
        self._encode(self._blocks.flush())
        self._container.mux(self._stream.encode(None))
        self._container.close()
        return self._sink.take()

    def close(self) -> None:
        self._sink.closed = True
        self._container.close()

    def _encode(self, blocks: list[Audio]) -> None:
        for block in blocks:
            samples = np.clip(block, -1.0, 1.0) / np.float32(self._codec.scale)
            frame = to_frame(samples, self._rate, self._position, self._codec.sample_format)
            self._position += block.size
            self._container.mux(self._stream.encode(frame))


def _writer(audio_format: Format, rate: int, bitrate: int | None, tags: Mapping[str, str]) -> _Writer:
    if audio_format.name == "pcm":
        return _PcmWriter(b"")
    if audio_format.name == "wav":
        return _PcmWriter(wav_header(rate))
    # Control characters end a C string early, and lone surrogates cannot be written as UTF-8.
    clean = {key: "".join(c for c in value if c.isprintable()) for key, value in tags.items()}
    return _CodecWriter(_CODECS[audio_format.name], rate, bitrate, clean)


class Encoder:
    """Encodes one utterance while it is made. Any thread may call it, but only one at a time.

    At most 90 ms of audio is held back (aac 85, opus 80, mp3 72, flac 48, wav and pcm none), by the codecs'
    look-ahead and whole frames. Header and tags come with the first push; aac, wav and pcm carry no tags.
    An encoder that is dropped before the end frees its codec at once.
    """

    def __init__(
        self,
        format: str,  # noqa: A002 - as the API calls it
        rate: int,
        *,
        bitrate: int | None = None,
        sample_rate: int | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> None:
        """Start a file in `format` (a key of `FORMATS`) of audio at `rate` Hz.

        `bitrate` is in bits a second, None the format's default; `sample_rate` is the file's in Hz, None as
        `Format.rate` has it; `tags` are those of `speech_tags`.

        Raises:
            AudioError: the format is unknown or does not allow the bit rate or the sample rate, or the rate
                is out of range.
        """
        self._open = False
        self.format = find_format(format)
        self.bitrate = self.format.bitrate(bitrate)
        self.rate = self.format.sample_rate(sample_rate) or self.format.rate(checked_rate(rate))
        """Of the encoded audio, in Hz: the codec may not support the source's."""
        self._resampler = Resampler(rate, self.rate)
        self._samples = 0
        try:
            self._writer = _writer(self.format, self.rate, self.bitrate, tags or {})
        except (av.FFmpegError, ValueError) as error:
            raise AudioError(f"Cannot start {format} at {self.rate} Hz: {error}.") from error
        self._open = True

    def __del__(self) -> None:
        self.close()  # libav's objects form cycles: only the collector would free them

    def push(self, audio: Audio) -> bytes:
        """Take samples, shape (n,), and return the bytes that are ready, perhaps none.

        Samples beyond ±1 saturate.

        Raises:
            AudioError: a sample is not a finite number, or the encoder was flushed or closed.
        """
        self._check_open()
        samples = self._resampler.push(audio)
        return self._write(samples) if samples.size else b""

    def flush(self) -> bytes:
        """Return the last bytes and end the file.

        Raises:
            AudioError: no audio was pushed (most players refuse a file without any), or the encoder was
                flushed or closed before.
        """
        self._check_open()
        try:
            last = self._resampler.flush()
            data = self._write(last) if last.size else b""
            if not self._samples:
                raise AudioError("There is no audio to encode.")
            return data + self._writer.finish()
        except av.FFmpegError as error:
            raise AudioError(f"Cannot end the {self.format.name} file: {error}.") from error
        finally:
            self.close()

    def close(self) -> None:
        """Free the codec without ending the file. Idempotent."""
        if self._open:
            self._open = False
            self._writer.close()
            del self._writer

    def _check_open(self) -> None:
        if not self._open:
            raise AudioError("This encoder has ended its file; every file needs an encoder of its own.")

    def _write(self, samples: Audio) -> bytes:
        self._samples += samples.size
        try:
            return self._writer.write(samples)
        except av.FFmpegError as error:
            raise AudioError(f"Cannot encode to {self.format.name}: {error}.") from error


def encode(
    audio: Audio,
    rate: int,
    format: str,  # noqa: A002 - as the API calls it
    *,
    bitrate: int | None = None,
    sample_rate: int | None = None,
    tags: Mapping[str, str] | None = None,
) -> bytes:
    """Return a whole signal of `rate` Hz, shape (n,), as a file in `format`, its header complete.

    Raises:
        AudioError: as `Encoder` does.
    """
    encoder = Encoder(format, rate, bitrate=bitrate, sample_rate=sample_rate, tags=tags)
    return completed(b"".join([encoder.push(audio), encoder.flush()]), format)


def completed(data: bytes, format: str) -> bytes:  # noqa: A002 - as the API calls it
    """Return a streamed file in `format`, with the lengths in its header that a stream cannot know.

    For files that are stored or sent whole. Only wav and flac have such lengths; others come back unchanged.

    Raises:
        AudioError: `data` is not a file that `Encoder` made in that format.
    """
    start = completed_start(BytesIO(data), format)
    return start + data[len(start) :] if start else data


def completed_start(file: IO[bytes], format: str) -> bytes:  # noqa: A002 - as the API calls it
    """Return what the first bytes of a streamed `file` in `format` must be, now that its length is known.

    Empty for formats whose first bytes say nothing of the length: all but wav and flac. The file is read
    block by block, so it may be long.

    Raises:
        AudioError: it is not a file that `Encoder` made in that format.
    """
    match find_format(format).name:
        case "wav":
            return _wav_start(file)
        case "flac":
            return _flac_start(file)
        case _:
            return b""


def _wav_start(file: IO[bytes]) -> bytes:
    header = file.read(_WAV_HEADER.size)
    if len(header) < _WAV_HEADER.size or not header.startswith(b"RIFF"):
        raise AudioError("This is not a WAV file of this playground's.")
    size = file.seek(0, SEEK_END)
    return wav_header(_WAV_HEADER.unpack(header)[7], (size - _WAV_HEADER.size) // 2)


def _flac_start(file: IO[bytes]) -> bytes:
    start = file.read(_FLAC_TOTAL.stop)
    if not start.startswith(b"fLaC"):
        raise AudioError("This is not a FLAC file.")
    file.seek(0)
    try:
        with av.open(file, "r", format="flac") as container:
            samples = sum(packet.duration or 0 for packet in container.demux(audio=0))
    except av.FFmpegError as error:
        raise AudioError(f"This FLAC file is damaged: {error}.") from error
    field_bits = int.from_bytes(start[_FLAC_TOTAL], "big") >> 36 << 36
    return start[: _FLAC_TOTAL.start] + (field_bits | samples).to_bytes(5, "big")
