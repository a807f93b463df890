"""Writes words of other scripts in Latin letters, so that a language written in these can say them."""

import regex
from anyascii import anyascii

_FOREIGN = regex.compile(
    r"[[\p{L}\p{M}]--[\p{Latin}\p{Inherited}]]++\p{M}*+[\p{L}\p{M}--\p{Latin}]*+", regex.V1
)
_ABJAD = regex.compile(r"[\p{Arabic}\p{Hebrew}]")
_BARE_CLUSTER = regex.compile(r"([bcdfghjklmnpqrstvwxz])(?=[bcdfghjklmnpqrstvwxz])")
_LOOSE = regex.compile(r"(?<! ) ++(?=[.,;:?!])")
_SPACES = regex.compile(r" {2,}+")
_NOT_A_LETTER = regex.compile(r"[^a-z]++")


def romanise(text: str) -> str:
    """Return `text` with the words of every other script in lower-case Latin letters.

    The letters are those of the `anyascii` tables. In scripts that leave vowels unwritten, an `a` goes
    between consonants, to make the words pronounceable.
    """
    if text.isascii():
        return text
    latin = _FOREIGN.sub(lambda match: f" {_word(match[0])} ", text)
    return _SPACES.sub(" ", _LOOSE.sub("", latin)).strip()


def without_accents(word: str) -> str:
    """Return a Latin word in the letters of English: café as cafe."""
    return anyascii(word)


def _word(word: str) -> str:
    latin = _NOT_A_LETTER.sub(" ", anyascii(word).lower())
    return _BARE_CLUSTER.sub(r"\1a", latin) if _ABJAD.search(word) else latin
