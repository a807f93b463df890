"""Markup: what in a text says how it is spoken, or is not to be spoken at all.

`parse` reads a text in one of three formats and returns spans (`spans`), each with how it is spoken. `plain`
reads what people and chat models write, `markdown` whole documents, `ssml` a part of SSML; all are pure and
take time linear in the text. `reader` has a front-end say spans; `writing` is for texts still being written.
"""

from tts_app.language.markup.markdown import parse_markdown
from tts_app.language.markup.plain import parse_plain
from tts_app.language.markup.spans import (
    InputFormat,
    Marked,
    MarkupError,
    Span,
    Urls,
    with_bounded_pauses,
)
from tts_app.language.markup.ssml import parse_ssml

__all__ = ["InputFormat", "Marked", "MarkupError", "Span", "Urls", "parse"]


def parse(text: str, input_format: InputFormat = "text", urls: Urls = "say") -> Marked:
    """Return the spans of a text.

    Raises:
        MarkupError: it is no SSML that is read here; the message has line and column.
    """
    if input_format == "ssml":
        marked = parse_ssml(text)
    else:
        marked = parse_markdown(text, urls) if input_format == "markdown" else parse_plain(text, urls)
    return with_bounded_pauses(marked)
