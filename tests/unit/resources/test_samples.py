"""The samples: each is valid, and each kind and way of voicing has one."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from tts_app.manifests import load_voice_models, samples_folder
from tts_app.resources import KINDS, TTSJob, VoiceModel

SAMPLES = sorted(samples_folder().glob("*.yaml"))


def documents(path: Path) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all(path.read_text(encoding="utf-8")))


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.name)
def test_a_sample_is_valid_and_says_what_it_is(path: Path) -> None:
    assert path.read_text(encoding="utf-8").startswith("# ")
    for document in documents(path):
        assert KINDS[document["kind"]].model_validate(document).api_version == document["apiVersion"]


def test_every_kind_has_a_sample() -> None:
    assert {document["kind"] for path in SAMPLES for document in documents(path)} == set(KINDS)


def test_the_kokoro_sample_speaks_as_the_embedded_one_does() -> None:
    (embedded,) = load_voice_models()
    (sample,) = load_voice_models([samples_folder() / "voicemodel-kokoro.yaml"])
    assert (sample.spec.source, sample.spec.quantization) == (
        embedded.spec.source,
        embedded.spec.quantization,
    )
    known = {(v.avatar, v.speaker, str(v.parameters)) for v in embedded.spec.voices}
    assert {(v.avatar, v.speaker, str(v.parameters)) for v in sample.spec.voices} < known


def test_the_cloning_sample_has_consent_for_every_voice() -> None:
    (path,) = (path for path in SAMPLES if "clone" in path.name)
    model = VoiceModel.model_validate(documents(path)[0])
    assert model.spec.voices
    assert all(voice.reference and voice.reference.consent.id for voice in model.spec.voices)


def test_the_job_renders_files_that_keep_the_naming_contract() -> None:
    (path,) = (path for path in SAMPLES if path.name == "ttsjob-welcome.yaml")
    spec = TTSJob.model_validate(documents(path)[0]).spec
    names = [
        spec.output.name_template.format(post=post.id, gender=gender, locale=locale)
        for post in spec.posts.inline or []
        for gender in spec.avatars.genders
        for locale in spec.avatars.locales
    ]
    assert names[0] == "post_01_female_en-US"
    assert len(set(names)) == 8
