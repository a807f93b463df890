"""How OmniVoice is told what a voice is like: a few fixed words, at most one of each kind."""

from tts_app.engines.base import EngineError

_KINDS = (
    ("male", "female"),
    ("child", "teenager", "young adult", "middle-aged", "elderly"),
    ("very low pitch", "low pitch", "moderate pitch", "high pitch", "very high pitch"),
    ("whisper",),
    (
        "american accent",
        "australian accent",
        "british accent",
        "canadian accent",
        "chinese accent",
        "indian accent",
        "japanese accent",
        "korean accent",
        "portuguese accent",
        "russian accent",
    ),
)
WORDS = tuple(word for kind in _KINDS for word in kind)
"""All that the model was trained on, but for Chinese dialects."""
_KIND_OF = {word: number for number, kind in enumerate(_KINDS) for word in kind}
_ACCENT = _KIND_OF["american accent"]
_ACCENTS = {
    "en-US": "american accent",
    "en-GB": "british accent",
    "en-AU": "australian accent",
    "en-CA": "canadian accent",
    "en-IN": "indian accent",
}
"""The accent of a locale; only English has such words."""


def described(description: str, instructions: str, locale: str, cloned: bool) -> str | None:
    """Return the description of a segment's voice as the model takes it; None where there is nothing to say.

    `instructions` replace words of the same kind in `description`. An English voice without an accent gets
    that of its locale, unless it is `cloned`: a clip has its own.

    Raises:
        EngineError: a word is unknown, or there are two of a kind.
    """
    words = _read(description, "description") | _read(instructions, "instructions")
    if not cloned and locale in _ACCENTS:
        words.setdefault(_ACCENT, _ACCENTS[locale])
    if _ACCENT in words and locale.partition("-")[0] != "en":
        raise EngineError(f"OmniVoice has accents in English alone: remove {words[_ACCENT]!r} for {locale}.")
    return ", ".join(words[kind] for kind in sorted(words)) or None


def check_description(description: str) -> None:
    """Raise EngineError unless the model understands the description."""
    _read(description, "description")


def _read(text: str, what: str) -> dict[int, str]:
    """Return the words of a text by their kind; `what` is what the text is."""
    found: dict[int, str] = {}
    for part in text.split(","):
        word = " ".join(part.lower().split())
        if not word:
            continue
        if word not in _KIND_OF:
            # Without the word itself: instructions are a caller's, and errors are logged.
            raise EngineError(
                f"OmniVoice does not know a word of the {what}. "
                f"Give some of these, with commas: {', '.join(WORDS)}."
            )
        kind = _KIND_OF[word]
        if found.setdefault(kind, word) != word:
            raise EngineError(f"The {what} has both {found[kind]!r} and {word!r}: give one of them.")
    return found
