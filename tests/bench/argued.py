"""Kinds of writing that a peer's pairs read otherwise than we do, and why ours is right for the locale.

A rule is about a kind, by what is written or by how the peer says it, never about one pair.
"""

from dataclasses import dataclass

import regex


@dataclass(frozen=True)
class Argued:
    """One kind of difference."""

    language: str
    kind: str
    """The class of the pairs: `money`."""
    why: str
    """What we do and why, as docs/reading.md says it."""
    written: str = ""
    """A pattern that is found in what is written."""
    spoken: str = ""
    """A pattern that is found in what the peer says."""

    def covers(self, language: str, kind: str, written: str, spoken: str) -> bool:
        """Return whether a pair that does not agree is of this kind."""
        if (language, kind) != (self.language, self.kind):
            return False
        return bool(regex.search(self.written, written) and regex.search(self.spoken, spoken))


ARGUED: tuple[Argued, ...] = ()
