"""How a text model is asked for a post, and how its answer is read. Pure."""

import json
from collections.abc import Mapping
from typing import Any

from tts_app.batch.review import WORDS
from tts_app.engines.text import TextRequest
from tts_app.resources.locales import LANGUAGES, canonical_locale, language_of, writer_name

SCHEMA: Mapping[str, Any] = {
    "type": "object",
    "properties": {"post": {"type": "string", "minLength": 60}},
    "required": ["post"],
    "additionalProperties": False,
}
"""Schema of an answer, where the engine can enforce it. No text with enough words is shorter."""
_TOKENS = {"en": 200, "es": 240}
_TOKENS_ELSEWHERE = 600
"""Most tokens of an answer. 60 words take 100 in English, and far more in a script the model hardly knows."""
_TEMPERATURE = 0.8


class DraftError(ValueError):
    """An answer holds no post; the message says why."""


def languages_of(given: str) -> tuple[str, ...]:
    """Return the languages and locales that `given` lists with commas, as a post's `text` has them.

    Raises:
        ValueError: one is unknown or is given twice, or there is none.
    """
    known = f"Known: {', '.join(LANGUAGES)}, and their locales, such as en-GB."
    names = [name.strip().replace("_", "-") for name in given.split(",") if name.strip()]
    if not names:
        raise ValueError(f"No language is named. {known}")
    found = tuple(map(canonical_locale, names))
    unknown = [name for name in found if language_of(name).code not in LANGUAGES]
    if unknown:
        raise ValueError(f"Unknown language {unknown[0]!r}: a model cannot be asked for it by name. {known}")
    if len(set(found)) < len(found):
        raise ValueError(f"A language is given twice: {given}.")
    return found


def draft_request(
    topic: str, language: str, like: str | None, *, seed: int, held: bool, context: int
) -> TextRequest:
    """Return what to ask a model for a post of `topic` in `language`.

    `like` is the same post in another language, so that all texts of a post say the same. `held`: the engine
    can hold the model to JSON.
    """
    words = f"{WORDS.start} to {WORDS.stop - 1} words"
    form = f"in {writer_name(language)}, in {words}, one paragraph to be read aloud"
    # Short, without an example and without mention of JSON: a small model writes about all that it reads.
    asked = (
        f"Write this post {form}: {like}" if like else f"Write a post for social media {form}, about {topic}."
    )
    if not held:
        asked += "\nAnswer with the post and nothing else."
    return TextRequest(
        messages=({"role": "user", "content": asked},),
        max_tokens=min(_TOKENS.get(language_of(language).code, _TOKENS_ELSEWHERE), context // 2),
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
