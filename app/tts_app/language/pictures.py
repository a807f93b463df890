"""Finds emoji in text, by the emoji library, and rows of stars that are ratings."""

from collections.abc import Iterator

import emoji
import regex

_STAR_ROW = regex.compile(r"(\d ?)?((?:[⭐🌟★☆]\ufe0f?){1,9}+)")
_EMOJI = r"\p{Emoji}[\ufe0e\ufe0f\u20e3\p{Emoji_Modifier}\p{Regional_Indicator}\U000e0020-\U000e007f]{0,31}+"
_SEQUENCES = regex.compile(rf"(?:{_EMOJI}(?:\u200d{_EMOJI}){{0,12}}+\u200d?+){{1,8}}+")
"""Some emoji, each of at most 13 that are joined. Real ones have 4; the library takes quadratic time."""
_PICTURE = regex.compile(r"[\p{Extended_Pictographic}\p{Regional_Indicator}\p{Emoji_Modifier}]")


def count_stars(text: str) -> str:
    """Write rows of stars as a number and one ★; a star after a number belongs to that number."""
    return _STAR_ROW.sub(_counted, text)


def _counted(match: "regex.Match[str]") -> str:
    filled = sum(match[2].count(star) for star in "⭐🌟★")
    if match[1]:
        return f"{match[1].strip()}★ "
    return f" {filled}★ " if filled > 1 else " "


def picture_runs(text: str) -> Iterator[tuple[int, int, frozenset[str]]]:
    """Yield start, end and first characters of each run of emoji, the spaces inside it included."""
    if not _PICTURE.search(text):
        return
    start = end = -1
    pictures: set[str] = set()
    for first, last, picture in _pictures(text):
        if start >= 0 and not text[end:first].strip(" "):
            end = last
        else:
            if start >= 0:
                yield start, end, frozenset(pictures)
            start, end, pictures = first, last, set()
        pictures.add(picture[0])
    if start >= 0:
        yield start, end, frozenset(pictures)


def _pictures(text: str) -> Iterator[tuple[int, int, str]]:
    """Yield start and end of each emoji, and itself."""
    for some in _SEQUENCES.finditer(text):
        if not some[0].isascii():  # digits begin keycaps, and are no emoji alone
            for found in emoji.emoji_list(some[0]):
                yield some.start() + found["match_start"], some.start() + found["match_end"], found["emoji"]
