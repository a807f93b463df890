"""The last step of normalising: removes what is never said, and tidies punctuation."""

from itertools import zip_longest

import regex

_UNSPEAKABLE = regex.compile(r"[^\p{L}\p{M}'\u200c\u200d\s.,;:?!]")
_UNREADABLE = regex.compile(
    r"[^\p{L}\p{M}0-9&@+=#%°€$£'\u200c\u200d\s.,;:?!-]|-(?![\p{L}0-9])|(?<![\p{L}\p{M}])-(?![0-9])"
)
_STRAY_APOSTROPHE = regex.compile(r"(?<![\p{L}\p{M}])'+|'+(?![\p{L}\p{M}])")
_MARKS = regex.compile(r"(?!(?<=[0-9])[.,:][0-9])\s*+[.,;:?!](?:\s*+[.,;:?!])*+\s*+")
"""Marks between words; those inside a number stay."""


def tidy(text: str, leave_signs: bool = False) -> str:
    """Return the text on one line, with one mark where there were several, and a space after each.

    `leave_signs` keeps digits, the signs that espeak-ng reads, and hyphens inside words.
    """
    text = (_UNREADABLE if leave_signs else _UNSPEAKABLE).sub(" ", text)
    text = "\n".join(_STRAY_APOSTROPHE.sub(" ", line) for line in text.split("\n"))
    lines = [line for line in (" ".join(line.split()) for line in text.split("\n")) if line]
    parts = []
    for line, following in zip_longest(lines, lines[1:]):
        soft = not following or following[0].islower()
        parts.append(line if soft else f"{line}.")
    return _LEADING.sub("", _MARKS.sub(_one_mark, " ".join(parts)).strip())


_LEADING = regex.compile(r"^[\s.,;:?!]++")


def _one_mark(match: "regex.Match[str]") -> str:
    """Return the strongest of a run of marks."""
    marks = match[0]
    for mark in "?!.;:,":
        if mark in marks:
            return f"{mark} "
    return " "
