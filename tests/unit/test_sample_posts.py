"""The 100 posts of the hotel group: whole, in the right script, of the right length, no two alike."""

import json
import re
from collections import Counter

import pytest
import yaml

from tts_app.batch.review import review_posts
from tts_app.manifests import embedded_posts, load_batch, load_voice_models, samples_folder
from tts_app.resources.tts_job import Post

REQUIRED = {"en", "es", "hi", "ur", "ar", "ar-EG", "ar-AE"}


def posts() -> list[Post]:
    lines = embedded_posts().read_text(encoding="utf-8").splitlines()
    return [Post.model_validate_json(line) for line in lines]


def texts() -> list[tuple[int, str, str]]:
    return [(post.id, key, text) for post in posts() for key, text in post.text.items()]


def test_sample_posts_are_a_hundred_in_every_language() -> None:
    assert [post.id for post in posts()] == list(range(1, 101))
    assert [(post.id, REQUIRED - post.text.keys()) for post in posts() if REQUIRED - post.text.keys()] == []
    variants = Counter(key for _, key, _ in texts())
    assert variants["en-GB"] >= 60
    assert variants["en-AU"] >= 40


def test_sample_posts_keep_the_rules_of_drafts() -> None:
    """Length, script, no placeholder, no loose white space, no two alike."""
    assert [str(fault) for fault in review_posts(posts())] == []


@pytest.mark.parametrize("mark", ["#", r"\d", r"[\U0001f300-\U0001faff\u2600-\u27bf]", r"[$£€₹]"])
def test_sample_posts_have_marks_of_real_posts(mark: str) -> None:
    """Hashtags, numbers, emoji and prices."""
    assert sum(re.search(mark, text) is not None for *_, text in texts()) >= 100


def test_posts_schema_accepts_the_sample_posts() -> None:
    import jsonschema

    path = embedded_posts().with_name("posts.schema.json")
    validator = jsonschema.Draft202012Validator(json.loads(path.read_text(encoding="utf-8")))
    for line in embedded_posts().read_text(encoding="utf-8").splitlines():
        validator.validate(json.loads(line))
    assert validator.is_valid({"id": 1, "text": {"fr": "Bonjour", "zh-Hant-TW": "你好"}})
    assert not validator.is_valid({"id": 1, "text": {"french": "Bonjour"}})
    assert not validator.is_valid({"id": 1})


def test_sample_config_map_holds_the_sample_posts() -> None:
    """kubectl keeps what it applied in an annotation; all of an object's have room for 256 KiB."""
    job, _ = load_batch()
    reference = job.spec.posts.config_map_ref
    assert reference
    path = samples_folder() / "configmap-hospitality-100.yaml"
    (config_map,) = yaml.safe_load_all(path.read_text(encoding="utf-8"))
    assert (config_map["kind"], config_map["metadata"]) == ("ConfigMap", {"name": reference.name})
    assert config_map["data"] == {reference.key: embedded_posts().read_text(encoding="utf-8")}
    assert len(json.dumps(config_map, ensure_ascii=False).encode()) < 255 << 10


def test_sample_job_speaks_the_sample_posts_in_all_locales() -> None:
    job, models = load_batch()
    assert job.metadata.name == "hospitality-100"
    assert models == load_voice_models()
    assert len(models) == 1
