"""Markdown (CommonMark with tables), parsed by markdown-it-py: headings, lists and tables are read too."""

from collections.abc import Iterator
from dataclasses import replace
from functools import cache

from markdown_it import MarkdownIt
from markdown_it.token import Token

from tts_app.language.markup.plain import parse_plain
from tts_app.language.markup.spans import Marked, Span, Urls, Warned, merged

_HIDDEN = frozenset({"fence", "code_block", "html_block"})
_ENDS = frozenset({"paragraph_close", "heading_close", "tr_close", "hr"})
_CELL_ENDS = frozenset({"th_close", "td_close"})


@cache
def _parser() -> MarkdownIt:
    return MarkdownIt("commonmark", {"maxNesting": 20}).enable(["table", "strikethrough"])


def parse_markdown(text: str, urls: Urls = "say") -> Marked:
    """Return the spans of a Markdown document.

    Markdown decides what is a heading, an item, a cell and code; what is inside a line is read as in plain
    texts, with the same formulas, pauses and pronunciations. A heading and an item end with a pause, and so
    does a row of a table; its cells are separated by short ones.
    """
    spans: list[Span] = []
    warnings: list[Warned] = []
    lines = [0]
    for line in text.split("\n"):
        lines.append(lines[-1] + len(line) + 1)
    number = ""
    for token in _tokens(text):
        if token.type == "inline":
            place = lines[token.map[0]] if token.map else 0
            marked = parse_plain(number + token.content, urls)
            number = ""
            spans += [replace(span, place=place) for span in marked.spans]
            warnings += [Warned(code, place) for code, _ in marked.warnings]
        elif token.type == "list_item_open" and token.info:
            number = f"{token.info}. "
        elif token.type in _ENDS:
            spans.append(Span(".\n"))
        elif token.type in _CELL_ENDS:
            spans.append(Span(", "))
    return Marked(merged(spans), tuple(warnings))


def _tokens(text: str) -> Iterator[Token]:
    yield from (token for token in _parser().parse(text) if token.type not in _HIDDEN)
