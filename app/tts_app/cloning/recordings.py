"""The file formats of recordings, told by how a file begins. libav never guesses one: it is told which."""

from dataclasses import dataclass


class RecordingError(ValueError):
    """A recording cannot be used; the message says why, and what would be right."""


@dataclass(frozen=True, slots=True)
class Format:
    """A format that is decoded."""

    name: str
    demuxer: str
    """libav's name of what reads the file."""
    codecs: tuple[str, ...]
    """libav's names of the decoders that may read what is in it."""


WAV = Format(
    "wav", "wav", ("pcm_u8", "pcm_s16le", "pcm_s24le", "pcm_s32le", "pcm_f32le", "pcm_f64le", "pcm_alaw")
)
FLAC = Format("flac", "flac", ("flac",))
MP3 = Format("mp3", "mp3", ("mp3", "mp3float"))
OGG = Format("ogg", "ogg", ("opus", "libopus", "vorbis", "flac"))
M4A = Format("m4a", "mp4", ("aac", "alac"))
FORMATS = {known.name: known for known in (WAV, FLAC, MP3, OGG, M4A)}
"""By name."""
_TAG_HEADER = 10
"""Bytes of the header of an ID3 tag."""


def format_of(data: bytes) -> Format:
    """Return the format of a file by its signature.

    Raises:
        RecordingError: it is none of those that are decoded.
    """
    if data[:4] == b"RIFF" and data[8:12] == b"WAVE":
        return WAV
    if data[:4] == b"fLaC":
        return FLAC
    if data[:4] == b"OggS":
        return OGG
    if data[4:8] == b"ftyp":
        return M4A
    start = _after_tag(data) if data[:3] == b"ID3" else 0
    if _is_mp3_frame(data[start : start + 3]):
        return MP3
    if not data:
        raise RecordingError("The recording is empty. Send a file of wav, flac, mp3, ogg, opus or m4a.")
    raise RecordingError(
        "The recording is of no format that is read here, by how it begins, whatever it is called. "
        "Send wav, flac, mp3, ogg, opus or m4a."
    )


def _after_tag(data: bytes) -> int:
    """Return where an ID3v2 tag ends: its size is four bytes of seven bits each."""
    size = 0
    for byte in data[6:_TAG_HEADER]:
        size = size << 7 | byte & 0x7F
    return _TAG_HEADER + size


def _is_mp3_frame(header: bytes) -> bool:
    """Whether these bytes begin a frame of MPEG audio, layer III, with a bit rate and a sample rate."""
    if len(header) < 3 or header[0] != 0xFF or header[1] & 0xE0 != 0xE0:
        return False
    version, layer = header[1] >> 3 & 3, header[1] >> 1 & 3
    return version != 1 and layer == 1 and header[2] >> 4 not in (0, 15) and header[2] >> 2 & 3 != 3
