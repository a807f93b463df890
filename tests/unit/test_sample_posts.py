"""The 100 posts of the hotel group: whole, in the right script, of the right length, no two alike."""

import json
import re
from collections import Counter

import pytest

from tts_app.manifests import embedded_posts, load_batch, load_voice_models
from tts_app.resources import LOCALES
from tts_app.resources.tts_job import Post

WORDS = range(15, 61)
REQUIRED = {"en", "es", "hi", "ur", "ar", "ar-EG", "ar-AE"}
SCRIPTS = {
    "en": r"[A-Za-z]",
    "es": r"[A-Za-zÁÉÍÓÚÜÑáéíóúüñ]",
    "hi": r"[\u0900-\u097f]",
    "ur": r"[\u0600-\u06ff]",
    "ar": r"[\u0600-\u06ff]",
}
OF_ARABIC_ALONE = "يكىة"
"""Letters that Urdu writes otherwise."""
PLACEHOLDER = re.compile(r"\[[^\]]*\]|\{[^}]*\}|<[^>]+>|\bX{2,}\b|\bTBD\b|\blorem\b", re.IGNORECASE)


def posts() -> list[Post]:
    lines = embedded_posts().read_text(encoding="utf-8").splitlines()
    return [Post.model_validate_json(line) for line in lines]


def texts() -> list[tuple[int, str, str]]:
    return [(post.id, key, text) for post in posts() for key, text in post.text.items()]


def test_there_are_a_hundred_each_in_every_language() -> None:
    assert [post.id for post in posts()] == list(range(1, 101))
    assert [(post.id, REQUIRED - post.text.keys()) for post in posts() if REQUIRED - post.text.keys()] == []
    variants = Counter(key for _, key, _ in texts())
    assert variants["en-GB"] >= 60
    assert variants["en-AU"] >= 40


def test_each_text_has_15_to_60_words() -> None:
    found = [(post, key, len(text.split())) for post, key, text in texts()]
    assert [entry for entry in found if entry[2] not in WORDS] == []


def test_each_text_is_in_its_script() -> None:
    def share(key: str, text: str) -> float:
        letters = [c for c in text if c.isalpha()]
        return sum(re.match(SCRIPTS[key[:2]], c) is not None for c in letters) / len(letters)

    assert [(post, key) for post, key, text in texts() if share(key, text) < 0.75] == []
    assert [
        (post, text) for post, key, text in texts() if key == "ur" and set(text) & set(OF_ARABIC_ALONE)
    ] == []


def test_no_text_has_a_placeholder_or_loose_white_space() -> None:
    assert [(post, key) for post, key, text in texts() if PLACEHOLDER.search(text)] == []
    assert [(post, key) for post, key, text in texts() if text != " ".join(text.split())] == []


def test_no_two_texts_are_alike() -> None:
    assert [text for text, count in Counter(text for *_, text in texts()).items() if count > 1] == []


@pytest.mark.parametrize("mark", ["#", r"\d", r"[\U0001f300-\U0001faff\u2600-\u27bf]", r"[$£€₹]"])
def test_they_have_what_real_posts_have(mark: str) -> None:
    """Hashtags, numbers, emoji and prices."""
    assert sum(re.search(mark, text) is not None for *_, text in texts()) >= 100


def test_the_schema_accepts_them() -> None:
    import jsonschema

    path = embedded_posts().with_name("posts.schema.json")
    validator = jsonschema.Draft202012Validator(json.loads(path.read_text(encoding="utf-8")))
    for line in embedded_posts().read_text(encoding="utf-8").splitlines():
        validator.validate(json.loads(line))
    assert not validator.is_valid({"id": 1, "text": {"fr": "Bonjour"}})
    assert not validator.is_valid({"id": 1})


def test_the_sample_job_speaks_them_all() -> None:
    job, models = load_batch()
    assert job.metadata.name == "hospitality-100"
    assert {voice.locale for model in models for voice in model.spec.voices} == set(LOCALES)
    assert len(load_voice_models()) == 1
