"""From spans of markup to passages, each of which one front-end reads."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tts_app.language import front_end
from tts_app.language.markup.reader import written_out
from tts_app.language.markup.spans import Span
from tts_app.language.scripts import runs
from tts_app.resources.locales import default_locale


@dataclass(frozen=True, slots=True)
class Passage:
    """Text that one front-end reads, or a pronunciation that is given."""

    text: str
    locale: str
    phonemes: str = ""
    """IPA; empty: the front-end finds it."""


def passages(spans: Sequence[Span], locale: str, takes_phonemes: bool) -> list[Passage]:
    """Return what speaks spans of words with a voice of `locale`; neighbours of one locale are joined.

    Words of another script are read by the front-end of their language, if the engine `takes_phonemes`; else
    the voice's own front-end romanises them.
    """
    out: list[Passage] = []
    texts: list[str] = []
    of = locale

    def flush() -> None:
        if texts:
            out.append(Passage("".join(texts), of))
            texts.clear()

    for span in spans:
        own = span_locale(span, locale)
        if span.phonemes and takes_phonemes:
            flush()
            out.append(Passage(span.text, own, span.phonemes))
            continue
        for text, reader in _readers(written_out(span, front_end(own).verbaliser), own, takes_phonemes):
            if reader != of:
                flush()
                of = reader
            texts.append(text)
    flush()
    return out


def span_locale(span: Span, locale: str) -> str:
    """Return the locale in which a span is read by a voice of `locale`."""
    asked = span.manner.locale
    if not asked or asked == locale.partition("-")[0]:
        return locale
    return asked if "-" in asked else default_locale(asked, ()) or asked


def _readers(text: str, locale: str, takes_phonemes: bool) -> Iterator[tuple[str, str]]:
    if takes_phonemes:
        yield from runs(text, locale)
    else:
        yield text, locale
