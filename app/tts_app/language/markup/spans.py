"""What parsers of markup return: spans of text, each with how it is spoken. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Literal, NamedTuple

import regex

InputFormat = Literal["text", "markdown", "ssml"]
Urls = Literal["say", "domain", "skip"]

LONGEST_PAUSE = 10.0
"""Seconds of the longest pause; a longer one is shortened to it, with a warning. Neighbours count as one."""
MOST_PAUSES = 600.0
"""Seconds of all pauses of a text; what is over is left out, with a warning."""
NATURAL_PAUSE = 0.5
"""Seconds of `[pause]` and of a break that gives no time."""

_SPOKEN = regex.compile(r"[\p{L}\p{N}\p{Sc}\p{Sm}%&@]")
"""What has words: pauses with nothing of it between them are neighbours."""


class MarkupError(ValueError):
    """The markup is not of its format, or not allowed; the message says where, what, and what is right."""


class Warned(NamedTuple):
    """Something in the markup that is not followed as written."""

    code: str
    """One of `warnings.CODES`."""
    place: int
    """The character of the text at which it stands, from 0."""


@dataclass(frozen=True, slots=True)
class SayAs:
    """How a text is to be interpreted, whatever it looks like: SSML's `say-as`."""

    kind: str
    """One of `say_as.KINDS`."""
    format: str = ""
    """Of a date, the order of its parts: `dmy`, `md`, ..."""


@dataclass(frozen=True, slots=True)
class Manner:
    """How a span is spoken."""

    locale: str = ""
    """Language or locale of the words; empty: the voice's own."""
    rate: float = 1.0
    """Tempo, in times of the request's."""
    volume: float = 0.0
    """Gain in dB, on top of the request's."""


PLAIN = Manner()


@dataclass(frozen=True, slots=True)
class Span:
    """A run of text that is spoken in one manner, or a pause."""

    text: str
    """Without markup. Empty for a pause."""
    place: int = 0
    """The character of the source at which it begins, from 0."""
    manner: Manner = PLAIN
    phonemes: str = ""
    """IPA that is spoken in place of the text's own pronunciation."""
    say_as: SayAs | None = None
    mathematics: bool = False
    """Whether the text is a formula in LaTeX."""
    pause: float | None = None
    """Seconds of silence; None: the span is text."""

    @property
    def is_words(self) -> bool:
        """Whether the text is read as any other: it has no interpretation of its own."""
        return self.pause is None and not (self.phonemes or self.say_as or self.mathematics)


@dataclass(frozen=True, slots=True)
class Marked:
    """A text whose markup was read."""

    spans: tuple[Span, ...]
    warnings: tuple[Warned, ...] = field(default=())


def merged(spans: Iterable[Span]) -> tuple[Span, ...]:
    """Return the spans with neighbours of plain words in one manner joined, and without empty ones."""
    out: list[Span] = []
    pending: list[str] = []
    first: Span | None = None
    for span in spans:
        if first is not None and span.is_words and span.manner == first.manner:
            pending.append(span.text)
            continue
        if first is not None:
            out.append(Span("".join(pending), first.place, first.manner))
            first, pending = None, []
        if span.is_words:
            first, pending = span, [span.text]
        elif span.pause is not None or span.text.strip():
            out.append(span)
    if first is not None:
        out.append(Span("".join(pending), first.place, first.manner))
    return tuple(span for span in out if span.pause is not None or span.text)


def bounded_pause(seconds: float, place: int, warnings: list[Warned]) -> float:
    """Return a pause of at most LONGEST_PAUSE seconds; add a warning where it was longer."""
    if seconds > LONGEST_PAUSE:
        warnings.append(Warned("pause-shortened", place))
        return LONGEST_PAUSE
    return seconds


def with_bounded_pauses(marked: Marked) -> Marked:
    """Return a text with neighbouring pauses of at most LONGEST_PAUSE together, and all of MOST_PAUSES."""
    spans: list[Span] = []
    warnings = list(marked.warnings)
    beside = total = 0.0
    for span in marked.spans:
        if span.pause is None:
            beside = 0.0 if _SPOKEN.search(span.text) else beside
            spans.append(span)
            continue
        seconds = min(span.pause, LONGEST_PAUSE - beside, MOST_PAUSES - total)
        if seconds < span.pause:
            warnings.append(Warned("pause-shortened", span.place))
        beside, total = beside + seconds, total + seconds
        # Where nothing is left of a pause, it is as if none was asked for: 0 would close the text's own.
        kept = seconds > 0 or not span.pause
        spans.append(replace(span, pause=seconds) if kept else Span(" ", span.place, span.manner))
    return Marked(tuple(spans), tuple(warnings))
