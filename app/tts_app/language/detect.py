"""Finds the language of a text: by its script, and among the languages of one script by py3langid."""

from collections import Counter
from collections.abc import Collection
from functools import cache
from threading import Lock

import regex
from py3langid.langid import MODEL_FILE, LanguageIdentifier

from tts_app.resources.locales import language_of

_ENOUGH = 4000
"""Characters that are looked at: more say nothing new."""
_SURE = 0.5
"""Probability from which py3langid is believed: of `OK` and of numbers it knows nothing."""
_LETTER = regex.compile(r"[\p{L}--[\p{Inherited}\p{Common}]]", regex.V1)
_WORDS = regex.compile(r"[\p{L}\p{M}]++")
_one_at_a_time = Lock()


def find_language(text: str, languages: Collection[str]) -> str | None:
    """Return which of `languages` (codes such as `ar`) a text is in, or None where it cannot be told.

    The script with most letters decides first, so that a Spanish name in an Arabic text changes nothing.
    The first call loads py3langid's model, which takes a second or more: call it in a thread.
    """
    start = text[:_ENOUGH]
    scripts = Counter(_script_of(letter, languages) for letter in _LETTER.findall(start))
    if not scripts:
        return None
    script, _ = max(scripts.items(), key=lambda found: (found[1], found[0]))
    candidates = sorted(code for code in languages if language_of(code).script == script)
    if script != "Latin" and len(candidates) == 1:
        return candidates[0]
    with _one_at_a_time:
        identifier = _identifier()
        known = [code for code in candidates if code in _labels()]
        if not known:
            return None
        identifier.set_languages(known)
        code, probability = identifier.classify(" ".join(_WORDS.findall(start)))
    return str(code) if probability >= max(_SURE, 1.2 / len(known)) or len(known) == 1 else None


def _script_of(letter: str, languages: Collection[str]) -> str:
    scripts = {"Latin", *(language_of(code).script for code in languages)}
    return next((name for name in sorted(scripts) if name and _is_of(name).match(letter)), "")


@cache
def _is_of(script: str) -> "regex.Pattern[str]":
    return regex.compile(rf"\p{{{script}}}")


@cache
def _identifier() -> LanguageIdentifier:
    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)


@cache
def _labels() -> frozenset[str]:
    identifier = _identifier()
    identifier.set_languages(None)
    return frozenset(identifier.labels)
