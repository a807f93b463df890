"""The rules for the words of a post before it is published. Pure.

A batch speaks any post; these rules are for those who write posts.
"""

import re
from collections.abc import Iterable, Iterator

import regex

from tts_app.batch.post_record import Fault
from tts_app.resources.locales import language_of, letters_of, parts_words, script_of
from tts_app.resources.tts_job import Post

WORDS = range(15, 61)
"""How many words a text may have."""
_LONGEST_WORD = 40
"""Most letters of a word: hashtags are long, and what a failing model repeats is longer."""
_SCRIPT_SHARE = 0.75
"""Smallest share of a text's letters that must be of its language; the rest are names and hashtags."""
_PLACEHOLDER = re.compile(r"\[[^\[\]]*\]|\{[^{}]*\}|<[^<>]+>|\bX{2,}\b|\bTBD\b|\blorem\b", re.IGNORECASE)
_SPOKEN = regex.compile(r"[\p{L}\p{M}\p{N}]")


def text_faults(language: str, text: str) -> Iterator[str]:
    """Yield what is wrong with a text in `language`, a language or locale."""
    letters = [character for character in text if character.isalpha()]
    if not letters:
        yield "it has no words"
        return
    if parts_words(language):
        yield from _word_faults(text)
    own = regex.compile(letters_of(language))
    share = sum(own.match(letter) is not None for letter in letters) / len(letters)
    if share < _SCRIPT_SHARE:
        yield f"only {share:.0%} of its letters are {script_of(language)}"
    spoken = language_of(language)
    foreign = sorted(set(text) & set(spoken.foreign_letters))
    if foreign:
        yield f"it has letters that are {spoken.script} and not {spoken.name}: {' '.join(foreign)}"
    placeholder = _PLACEHOLDER.search(text)
    if placeholder:
        yield f"it has a placeholder: {placeholder[0][:40]}"
    if text != " ".join(text.split()):
        yield "it has line breaks or loose white space"


def _word_faults(text: str) -> Iterator[str]:
    """Yield what is wrong with the words of a text in a language that puts spaces between words."""
    words = text.split()
    if len(words) not in WORDS:
        yield f"it has {len(words)} words, not {WORDS.start} to {WORDS.stop - 1}"
    longest = max(map(len, words))
    if longest > _LONGEST_WORD:
        yield f"it has a word of {longest} letters"


class Review:
    """Remembers good texts, so that no two are the same."""

    def __init__(self) -> None:
        self._known: dict[str, str] = {}

    def faults(self, language: str, text: str) -> list[str]:
        """Return what is wrong with a text, by itself and compared with those before it."""
        found = list(text_faults(language, text))
        like = self._known.get(_essence(text))
        return [*found, f"it is the same as {like}"] if like else found

    def keep(self, where: str, text: str) -> None:
        """Remember a text that is called `where`."""
        self._known.setdefault(_essence(text), where)


def review_posts(posts: Iterable[Post | Fault]) -> Iterator[Fault]:
    """Yield everything that is wrong with `posts`, including records that are not posts."""
    review = Review()
    ids: set[int] = set()
    for post in posts:
        if isinstance(post, Fault):
            yield post
            continue
        if post.id in ids:
            yield Fault(f"post {post.id}", "its id is given twice")
        ids.add(post.id)
        for language, text in post.text.items():
            where = f"post {post.id} in {language}"
            yield from (Fault(where, fault) for fault in review.faults(language, text))
            review.keep(where, text)


def _essence(text: str) -> str:
    """Return the text without what does not count: case, white space, punctuation, emoji."""
    return "".join(_SPOKEN.findall(text)).casefold()
