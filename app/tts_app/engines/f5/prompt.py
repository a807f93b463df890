"""What F5 is asked: the clip's words and the new ones as one text, and how long their sound is. Pure."""

from collections.abc import Mapping
from typing import NamedTuple
from unicodedata import combining

from tts_app.engines.base import EngineError

RATE = 24_000
"""Samples a second."""
HOP = 256
"""Samples a frame of the mel spectrogram."""
SHORT = 10
"""Bytes below which a text is spoken slowly: the estimate by its length would leave no room for it."""
SHORT_SPEED = 0.3
UNKNOWN = 0
"""Token of a character that is not in the vocabulary. It is that of the space too."""
MARKS = {
    "UNK": "⓪",
    "MSA": "①",
    "SAU": "②",
    "UAE": "③",
    "ALG": "④",
    "IRQ": "⑤",
    "EGY": "⑥",
    "MAR": "⑦",
    "OMN": "⑧",
    "TUN": "⑨",
    "LEV": "⑩",
    "SDN": "⑪",
    "LBY": "⑫",
}
"""By dialect, the mark that Habibi was trained with (package habibi-tts, `dialect_id_map`)."""
_ENDS = (".", "!", "?", "؟", "،", "…", "。")


class Sampling(NamedTuple):
    """How noise becomes sound. All items of a call share it."""

    steps: int
    cfg_strength: float
    sway: float
    seed: int


class Prompt(NamedTuple):
    """A text for the model."""

    tokens: tuple[int, ...]
    frames: int
    """Frames of the clip and of the new speech together."""


def clip_words(transcript: str) -> str:
    """Return the words of a clip as they stand before a new text: ended, and with a space behind."""
    words = transcript.strip()
    return f"{words} " if words.endswith(_ENDS) else f"{words}. "


def prompt(
    words: str, text: str, dialect: str | None, vocabulary: Mapping[str, int], clip_frames: int, speed: float
) -> Prompt:
    """Return the prompt that speaks `text` in the voice of a clip.

    Args:
        words: what the clip says, by `clip_words`.
        text: what is to be spoken.
        dialect: a key of MARKS; None: the checkpoint reads no marks.
        vocabulary: the token of each character.
        clip_frames: frames of the clip.
        speed: tempo; 2 is twice as fast as the clip.

    Raises:
        EngineError: the vocabulary has no letter of the text.
    """
    if not any(vocabulary.get(letter, UNKNOWN) != UNKNOWN for letter in text):
        # Without the text itself: it is a user's, and errors are logged.
        raise EngineError(
            f"Nothing to speak: none of {len(text)} characters is in the checkpoint's vocabulary. "
            "Is the voice's locale one of its languages?"
        )
    whole = words + text if dialect is None else f"{MARKS[dialect]}〈{words}{text}〉"
    pace = SHORT_SPEED if _length(text) < SHORT else speed
    frames = clip_frames + int(clip_frames / _length(words) * _length(text) / pace)
    # The model itself makes no fewer: each token needs a frame, and something has to be new.
    least = max(len(whole), clip_frames) + 1
    return Prompt(tuple(vocabulary.get(letter, UNKNOWN) for letter in whole), max(frames, least))


def _length(text: str) -> int:
    """Return how long a text is spoken, in bytes of UTF-8, by which F5 and Habibi estimate it.

    Diacritics do not count: they may be on the text and not on the clip's transcript, or the reverse.
    """
    return sum(len(letter.encode()) for letter in text if not combining(letter))
