"""The audio formats that a caller can choose, and what each of them allows."""

from dataclasses import dataclass
from types import MappingProxyType

from tts_app.audio.samples import AudioError


@dataclass(frozen=True, slots=True)
class Format:
    """An output format: its name, and how it is sent and stored."""

    name: str
    """The `response_format` of the API."""
    media_type: str
    extension: str
    """Of a stored file, without the dot."""
    bitrates: tuple[int, ...] = ()
    """Bits a second that a caller may choose, lowest first; empty where the format has no choice."""
    default_bitrate: int | None = None
    rates: tuple[int, ...] = ()
    """Sample rates in Hz that the format carries, lowest first; empty where it carries any."""
    says_length: bool = False
    """Whether the first bytes of a file say how long it is, which a stream cannot know."""
    usual_rate: int | None = None
    """The sample rate in Hz where none is chosen; None: that of the source, or the next higher one."""

    def bitrate(self, wanted: int | None) -> int | None:
        """Return `wanted` or, when it is None, the default, in bits a second.

        Raises:
            AudioError: the format does not allow it; the message lists what it allows.
        """
        if wanted is None:
            return self.default_bitrate
        if wanted not in self.bitrates:
            allowed = ", ".join(map(str, self.bitrates)) or f"none, {self.name} has no bit rate to choose"
            raise AudioError(f"Bit rate {wanted} is not one of {self.name}'s. Allowed: {allowed}.")
        return wanted

    def rate(self, source: int) -> int:
        """Return the rate in Hz that audio of `source` Hz is encoded at where a caller chooses none."""
        if self.usual_rate is not None:
            return self.usual_rate
        if not self.rates or source in self.rates:
            return source
        return next((rate for rate in self.rates if rate > source), self.rates[-1])

    def sample_rate(self, wanted: int | None) -> int | None:
        """Return the rate in Hz that a caller chose; None: none is chosen.

        Raises:
            AudioError: the format does not have it; the message lists those that it has.
        """
        if wanted is None:
            return None
        allowed = [rate for rate in SAMPLE_RATES if not self.rates or rate in self.rates]
        if wanted not in allowed:
            listed = ", ".join(map(str, allowed))
            raise AudioError(f"Sample rate {wanted} is not one of {self.name}'s. Allowed: {listed}.")
        return wanted


SAMPLE_RATES = (8_000, 12_000, 16_000, 22_050, 24_000, 44_100, 48_000)
"""Sample rates in Hz that a caller may choose, where the format has them."""

_KBIT = 1_000
# In the MPEG-2 half of these lists layer III and AAC have speech rates such as 24 kHz.
_MPEG_RATES = (8_000, 11_025, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000)

FORMATS = MappingProxyType(
    {
        audio.name: audio
        for audio in (
            # Every bit rate here exists in both MPEG-1 and MPEG-2 layer III, so any sample rate can have it.
            Format(
                "mp3",
                "audio/mpeg",
                "mp3",
                tuple(k * _KBIT for k in (64, 80, 96, 112, 128)),
                96 * _KBIT,
                tuple(rate for rate in _MPEG_RATES if rate >= 16_000),
            ),
            Format(
                "opus",
                "audio/ogg",
                "opus",
                tuple(k * _KBIT for k in (24, 32, 48, 64, 96, 128)),
                48 * _KBIT,
                (8_000, 12_000, 16_000, 24_000, 48_000),
            ),
            Format(
                "aac",
                "audio/aac",
                "aac",
                tuple(k * _KBIT for k in (48, 64, 80, 96, 128)),
                64 * _KBIT,
                tuple(rate for rate in _MPEG_RATES if rate >= 16_000),
            ),
            Format("flac", "audio/flac", "flac", says_length=True),
            Format("wav", "audio/wav", "wav", says_length=True),
            # OpenAI's: raw 16-bit signed little-endian samples, at 24 kHz where no other rate is asked for.
            Format("pcm", "audio/pcm", "pcm", usual_rate=24_000),
        )
    }
)
"""The formats by name, the default first."""


def find_format(name: str) -> Format:
    """Return the format called `name`.

    Raises:
        AudioError: there is none; the message lists the formats that exist.
    """
    try:
        return FORMATS[name]
    except KeyError:
        raise AudioError(f"Unknown audio format {name!r}. Allowed: {', '.join(FORMATS)}.") from None
