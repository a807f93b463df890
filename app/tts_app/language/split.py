"""Cuts normalised text into segments: where a speaker would breathe, and never inside a word.

The first segment is short, because the listener waits for it; the others are as long as the limit allows,
because a model phrases long pieces better. It takes time linear in the text: each cut reads one segment's
length of it.
"""

import math
from collections.abc import Iterator

import regex

from tts_app.language.markup.writing import Listened, open_at

LONGEST_SENTENCE = 2000
"""Most characters of a sentence as written: what has no end by then is cut, so that no text is read whole."""
LONGEST_GRAPHEME = 128
"""Most characters of a grapheme: one that is longer is decoration, and may be cut."""
SHORT_SENTENCE = 24
"""Fewest characters of a sentence in a text that is still being written: `Dr.` and `1.` are not sentences."""

_SENTENCE_END = regex.compile(r"[.!?؟۔।…]\s+|\n+")
"""What ends a sentence as written, with the space after it."""
_PLACES = tuple(
    map(
        regex.compile,
        (
            r"(?r)[.!?؟۔।॥…,;:،؛—–]['\"’”»)\]]*+\s(?=\S)",  # after a clause
            r"(?r)[。！？、，；：](?=.)",
            r"(?r)(?<!\p{N})\s(?=[^\p{N}\s])",  # between words, but not beside a number: it may have a unit
            r"(?r)\s(?=\S)",
            r"(?r)[\p{L}\p{M}\p{N}](?=[^\p{L}\p{M}\p{N}\p{Cf}\p{Sk}\s.,'’_])",  # after a word
        ),
    )
)
"""Where a sentence without end is cut: the last of the best such places."""
_JOINTS = (
    *("and but or so that which while when where because with for from to in on at by",),
    *("y e o u pero que para con en de por donde cuando",),
    *("और या लेकिन कि में के से पर",),
    *("اور یا لیکن کہ میں کے سے پر",),
    *("في من إلى على مع عن أو لكن ثم",),
)
"""Words before which a clause may be split; one language per line."""
_BORDER = regex.compile(
    r"(?P<sentence>[.!?؟۔।॥…。！？]['\")\]]?(?=\s))"
    r"|(?P<clause>[,;:،؛、—–](?=\s))"
    rf"|(?P<joint>\s(?=(?:{'|'.join(word for line in _JOINTS for word in line.split())})\s))"
    r"|(?P<word>\s)"
)
_WORD_BORDER = regex.compile(r"\s")
_GRAPHEME = regex.compile(r"\X")
_SOUNDED = regex.compile(r"[\p{L}\p{N}]")
_LONGEST_JOINT = 10
_SHORTEST_PART = 0.35
"""A cut is not worth its pause if the part before it fills less than this share of the room."""


def split(text: str, first: int, limit: int) -> list[str]:
    """Return the segments of `text`, in order; none is empty or only punctuation.

    None is longer than `limit` characters; the first has at most `first` where a border allows it. A
    sentence's end is the best border, then a clause's, then the space before a word that joins clauses,
    then any space. A word of more than `limit` characters, which no language has, is cut between
    graphemes.
    """
    text = " ".join(text.split())
    segments: list[str] = []
    start = 0
    while start < len(text):
        room = limit if segments else min(first, limit)
        end = _cut(text, start, room, limit)
        segment = text[start:end].strip()
        if _SOUNDED.search(segment):
            segments.append(segment)
        start = end
    return segments


def _cut(text: str, start: int, room: int, limit: int) -> int:
    """Return where the segment that starts at `start` ends."""
    if text[start : start + 1] == " ":
        start += 1
    if len(text) - start <= room:
        return len(text)
    ends: dict[str, list[int]] = {"sentence": [], "clause": [], "joint": [], "word": []}
    for border in _BORDER.finditer(text, start, start + room + _LONGEST_JOINT):
        kind = border.lastgroup or "word"
        end = border.start() if kind in {"joint", "word"} else border.end()
        if end <= start + room:
            ends[kind].append(end)
    worth = start + room * _SHORTEST_PART
    for kind in ("sentence", "clause"):
        if ends[kind] and ends[kind][-1] >= worth:
            return ends[kind][-1]
    # No place to breathe: parts of equal length sound better than a long one and a short rest.
    even = start + _even_part(text, start, room, limit)
    for kind in ("joint", "word"):
        fitting = [end for end in ends[kind] if end >= worth]
        if fitting:
            return min(fitting, key=lambda end: (abs(end - even), end))
    return _next_border(text, start, limit)


def _even_part(text: str, start: int, room: int, limit: int) -> int:
    """Return the length of each part when the text before the next pause is cut into as few as fit."""
    stretch = limit + room
    found = next(
        (b for b in _BORDER.finditer(text, start, start + stretch) if b.lastgroup in {"sentence", "clause"}),
        None,
    )
    length = (found.end() if found else min(len(text), start + stretch)) - start
    return math.ceil(length / math.ceil(length / room)) if length else room


def _next_border(text: str, start: int, limit: int) -> int:
    """Return the end of the first word, or of the part of it that fits the limit."""
    found = _WORD_BORDER.search(text, start, start + limit + 1)
    if found:
        return found.start()
    if len(text) - start <= limit:
        return len(text)
    return _last_grapheme(text, start, start + limit)


def sentences(text: str) -> Iterator[str]:
    """Yield the sentences of a text as written, each with the space after it; together they are the text.

    One of more than LONGEST_SENTENCE characters comes in parts, which takes no longer than its length.
    """
    start = 0
    while start < len(text):
        found = _SENTENCE_END.search(text, start + 1)
        end = found.end() if found else len(text)
        while end - start > LONGEST_SENTENCE:
            part = _part_end(text, start)
            yield text[start:part]
            start = part
        yield text[start:end]
        start = end


def _part_end(text: str, start: int) -> int:
    """Return where to cut the sentence that starts at `start`, which is too long."""
    end = start + LONGEST_SENTENCE
    for place in _PLACES:
        if found := place.search(text, start + LONGEST_SENTENCE // 2, end):
            return found.end()
    return _last_grapheme(text, start, end)


def _last_grapheme(text: str, start: int, limit: int) -> int:
    """Return where the last grapheme ends that is whole before `limit`; `limit`, if the first one is not."""
    end = start
    while end < limit:
        # Only this grapheme's text: the pattern counts flags from the start of what it gets.
        grapheme = _GRAPHEME.match(text[end : min(end + LONGEST_GRAPHEME, limit + 1)])
        if grapheme is None or end + grapheme.end() > limit:
            break
        end += grapheme.end()
    return end if end > start else limit


class Sentences:
    """Cuts a text that is still being written into whole sentences.

    What listeners are not to hear (fences of code, thoughts) is dropped as it comes, and no sentence ends
    inside a link, a formula or a tag: each can be read by itself.
    """

    def __init__(self) -> None:
        self._listened = Listened()
        self._rest = ""
        self._unread = 1
        """Where the next sentence's end may begin in the rest: what is before was looked at."""
        self._closed = 0
        """Up to where no markup is open in the rest."""
        self._open_to = 0
        """Up to where the markup is open that begins there; not after it: none is known to begin there."""

    def push(self, text: str) -> list[str]:
        """Return the sentences that `text` completes; a short one comes with the next.

        One that is longer than LONGEST_SENTENCE is not waited for: its parts are returned.
        """
        return self._cut(self._listened.push(text))

    def _cut(self, text: str) -> list[str]:
        rest = self._rest + text
        whole: list[str] = []
        start = 0
        while found := _SENTENCE_END.search(rest, self._unread):
            if found.end() == len(rest):
                self._unread = found.start()
                break  # more space may follow, or the sentence may continue
            self._unread = found.end() + 1
            if found.end() - start >= SHORT_SENTENCE and self._is_closed(rest, found.end()):
                whole.append(rest[start : found.end()])
                start = found.end()
        else:
            self._unread = max(self._unread, len(rest) - 1)
        while len(rest) - start > LONGEST_SENTENCE:
            part = _part_end(rest, start)
            if not self._is_closed(rest, part) and self._closed > start:
                part = self._closed
            whole.append(rest[start:part])
            start = part
        self._rest = rest[start:]
        self._unread = max(self._unread - start, 1)
        self._closed = max(self._closed - start, 0)
        self._open_to = max(self._open_to - start, 0)
        return whole

    def _is_closed(self, rest: str, end: int) -> bool:
        """Whether no markup is open at `end`."""
        if self._closed < end <= self._open_to:
            return False
        opened = open_at(rest, self._closed, end)
        self._closed, self._open_to = opened or (end, end)
        return opened is None

    def end(self) -> list[str]:
        """Return the rest, when nothing more is written."""
        whole = self._cut(self._listened.end())
        rest, self._rest, self._unread, self._closed, self._open_to = self._rest, "", 1, 0, 0
        return [*whole, rest] if rest.strip() else whole
