"""Markup of a text that is still being written: hidden parts are dropped, and nothing is cut apart.

A fence of code, a thought or a comment may go on for pages, and its end may not have come yet. So what is
inside is dropped at once, not kept until its end.
"""

import regex

from tts_app.language.markup.plain import HIDDEN_TAGS

_OPENING = regex.compile(
    rf"""
      <(?P<tag>{HIDDEN_TAGS})\b[^<>]{{0,200}}+>
    | <(?P<reasoning>details)\s[^<>]{{0,100}}?type=["']reasoning["'][^<>]{{0,200}}+>
    | (?P<comment><!--)
    | (?P<fence>`{{3,40}}+|^[ \t>]{{0,20}}+\K~{{3,40}}+)[^`\n]{{0,200}}+\n
    """,
    regex.VERBOSE | regex.MULTILINE | regex.IGNORECASE,
)
_MAY_OPEN = regex.compile(
    r"""
      <(?:/?[a-z!][^<>]{0,200}+|!?-?)\Z
    | (?:`{3,40}+|^[ \t>]{0,20}+~{1,40}+)[^`\n]{0,200}+\Z
    | `{1,2}+\Z
    """,
    regex.VERBOSE | regex.MULTILINE | regex.IGNORECASE,
)
"""The end of a text that what comes next may make the beginning of something hidden."""
_LONGEST_END = 60
"""Characters of the longest end of what is hidden."""

_CLOSED = regex.compile(
    r"""
      `{1,9}+[^`\n]{1,500}?`++
    | \[(?:[^\[\]]|\[[^\[\]]{0,200}+\]){1,500}+\]
      (?:\([^()\s]{0,2000}+(?:\s[^()\n]{0,300}+)?\)|(?=[^(\[])|\[[^\[\]\n]{0,200}+\])
    | \$\$[^$]{1,2000}+\$\$
    | \\\[(?s:[^\\]|\\(?![\[\]])){1,2000}+\\\]
    | \\\((?:[^\\\n]|\\(?![()])){1,500}+\\\)
    | \$(?![\s\d$])[^$\n]{1,300}+\$
    | <[^<>\n]{1,200}+>
    """,
    regex.VERBOSE,
)
_BEGUN = regex.compile(
    r"\[(?:[^\[\]]|\[[^\[\]]{0,200}+\]){0,500}+"
    r"(?:\[[^\[\]]{0,200}+|\](?:\([^()\s]{0,2000}+(?:\s[^()\n]{0,300}+)?|\[[^\[\]\n]{0,200}+)?)?"
    r"|\$\$[^$]{0,2000}+|\\[\[(](?s:[^\\]|\\(?![\]\[()])){0,2000}+\\?"
    r"|\$(?![\s\d$])[^$\n]{0,300}+"
    r"|`{1,9}+[^`\n]{0,500}+|<(?=[a-z/!])[^<>\n]{0,200}+",
    regex.IGNORECASE,
)
"""Markup as far as it goes without its end: it is open at each place of what is found."""


def open_at(text: str, start: int, end: int) -> tuple[int, int] | None:
    """Return where markup begins that may end only after `end`, and up to where it is open.

    None: at `end` nothing is open. What is before `start` is known to be closed. Up to where it is open
    nobody need ask again, so that the time is linear in the text however many places are asked about.
    """
    while found := _HINT.search(text, start, end):
        place = found.start()
        closed = _CLOSED.match(text, place)
        if closed and closed.end() <= end:
            start = closed.end()
            continue
        begun = _BEGUN.match(text, place)
        if begun and begun.end() >= end:
            return place, min(begun.end(), closed.end() - 1) if closed else begun.end()
        start = found.end()
    return None


_HINT = regex.compile(r"`{1,9}+|[\[<]|\$|\\[\[(]")


class Listened:
    """Drops what listeners are not to hear from a text that comes in pieces."""

    def __init__(self) -> None:
        self._held = ""
        self._end: regex.Pattern[str] | None = None
        """What ends the hidden part that the text is in."""

    def push(self, text: str) -> str:
        """Return what of `text`, and of what was held back before, is to be heard."""
        self._held += text
        heard: list[str] = []
        while self._held:
            if self._end is not None:
                ended = self._end.search(self._held)
                if ended is None:
                    self._held = self._held[-_LONGEST_END:]
                    break
                self._held, self._end = self._held[ended.end() :], None
                heard.append("\n")
                continue
            opened = _OPENING.search(self._held)
            if opened is None:
                unclear = _MAY_OPEN.search(self._held)
                place = unclear.start() if unclear else len(self._held)
                heard.append(self._held[:place])
                self._held = self._held[place:]
                break
            heard += [self._held[: opened.start()], "\n"]
            self._held = "\n" + self._held[opened.end() :]
            self._end = _ending(opened)
        return "".join(heard)

    def end(self) -> str:
        """Return what was held back, when nothing more is written."""
        held = self._held if self._end is None else ""
        self._held, self._end = "", None
        return held


def _ending(opened: "regex.Match[str]") -> "regex.Pattern[str]":
    if opened["fence"]:
        fence = regex.escape(opened["fence"])
        return regex.compile(rf"\n[ \t>]{{0,20}}{fence}[`~]{{0,40}}+(?=[ \t\n])")
    tag = opened["tag"] or opened["reasoning"]
    return regex.compile("-->" if not tag else rf"</{tag}\s*+>", regex.IGNORECASE)
