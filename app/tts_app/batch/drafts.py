"""How a language model is asked for a post, and what its answer says. Pure."""

import json
from collections.abc import Mapping
from typing import Any

from tts_app.batch.review import WORDS
from tts_app.engines.text import TextRequest
from tts_app.resources import LANGUAGE_DEFAULTS, LOCALES

_NAMES = {
    "en": "English",
    "en-US": "American English",
    "en-GB": "British English",
    "en-AU": "Australian English",
    "ar": "Modern Standard Arabic (العربية الفصحى)",
    "ar-SA": "Saudi Arabic (اللهجة السعودية)",
    "ar-EG": "Egyptian Arabic (اللهجة المصرية)",
    "ar-AE": "Emirati Arabic (اللهجة الإماراتية)",
    "es": "Spanish (español)",
    "es-ES": "Spanish of Spain (español de España)",
    "hi": "Hindi (हिन्दी)",
    "hi-IN": "Hindi (हिन्दी)",
    "ur": "Urdu (اردو)",
    "ur-PK": "Urdu (اردو)",
}
SCHEMA: Mapping[str, Any] = {
    "type": "object",
    "properties": {"post": {"type": "string", "minLength": 60}},
    "required": ["post"],
    "additionalProperties": False,
}
"""What an answer is held to, where the engine can do that. No text of so many words is shorter."""
_TOKENS = {"en": 200, "es": 240}
_TOKENS_ELSEWHERE = 600
"""Of an answer. 60 words take 100 tokens in English, and far more in a script that the model hardly knows."""
_TEMPERATURE = 0.8


class DraftError(ValueError):
    """An answer holds no post; the message says why."""


def languages_of(given: str) -> tuple[str, ...]:
    """Return the languages and locales that `given` lists with commas, as a post's `text` has them.

    Raises:
        ValueError: one is unknown or is given twice, or there is none.
    """
    known = {name.lower(): name for name in (*LANGUAGE_DEFAULTS, *LOCALES)}
    allowed = f"Allowed: {', '.join(known.values())}."
    names = [name.strip().replace("_", "-").lower() for name in given.split(",") if name.strip()]
    unknown = [name for name in names if name not in known]
    if not names:
        raise ValueError(f"No language is named. {allowed}")
    if unknown:
        raise ValueError(f"Unknown language {unknown[0]!r}. {allowed}")
    if len(set(names)) < len(names):
        raise ValueError(f"A language is given twice: {given}.")
    return tuple(known[name] for name in names)


def draft_request(
    topic: str, language: str, like: str | None, *, seed: int, held: bool, context: int
) -> TextRequest:
    """Return what to ask a model for a post of `topic` in `language`.

    `like` is the same post in another language, so that all texts of a post say one thing. `held` tells that
    the model can be held to JSON.
    """
    form = (
        f"in {_NAMES[language]}, in {WORDS.start} to {WORDS.stop - 1} words, one paragraph to be read aloud"
    )
    # Short, without an example and without a word on JSON: a small model writes about whatever it is told.
    asked = (
        f"Write this post {form}: {like}" if like else f"Write a post for social media {form}, about {topic}."
    )
    if not held:
        asked += "\nAnswer with the post and nothing else."
    return TextRequest(
        messages=({"role": "user", "content": asked},),
        max_tokens=min(_TOKENS.get(language[:2], _TOKENS_ELSEWHERE), context // 2),
        temperature=_TEMPERATURE,
        seed=seed,
        schema=SCHEMA if held else None,
    )


def text_of(answer: str, held: bool) -> str:
    """Return the post that an answer gives, its white space tidied.

    Raises:
        DraftError: there is none in it.
    """
    if not held:
        return " ".join(answer.strip().strip("\"“”'`").split())
    try:
        found = json.loads(answer)
    except ValueError as error:
        raise DraftError(f"the answer is not JSON: {error}") from None
    post = found.get("post") if isinstance(found, dict) else None
    if not isinstance(post, str):
        raise DraftError("the answer is not an object with a text, `post`")
    if any("\ud800" <= character <= "\udfff" for character in post):
        raise DraftError("the answer has half a surrogate pair: that is no Unicode text")
    return " ".join(post.split())
