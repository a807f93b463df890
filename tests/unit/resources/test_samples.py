"""The samples of our kinds: each is valid, and each kind and way of voicing has one."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from tts_app.manifests import load_voice_models, samples_folder
from tts_app.resources import KINDS, TextModel, TTSJob

SAMPLES = sorted(path for path in samples_folder().glob("*.yaml") if not path.name.startswith("configmap-"))


def documents(path: Path) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all(path.read_text(encoding="utf-8")))


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.name)
def test_sample_is_valid_and_begins_with_a_comment(path: Path) -> None:
    assert path.read_text(encoding="utf-8").startswith("# ")
    for document in documents(path):
        assert KINDS[document["kind"]].model_validate(document).api_version == document["apiVersion"]


def test_samples_cover_every_kind() -> None:
    assert {document["kind"] for path in SAMPLES for document in documents(path)} == set(KINDS)


def test_kokoro_sample_speaks_as_the_embedded_model() -> None:
    (embedded,) = load_voice_models()
    (sample,) = load_voice_models([samples_folder() / "voicemodel-kokoro.yaml"])
    assert (sample.spec.source, sample.spec.quantization) == (
        embedded.spec.source,
        embedded.spec.quantization,
    )
    known = {(v.avatar, v.speaker, str(v.parameters)) for v in embedded.spec.voices}
    assert {(v.avatar, v.speaker, str(v.parameters)) for v in sample.spec.voices} < known


def test_tts_job_sample_keeps_the_file_name_contract() -> None:
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


TEXT_SAMPLES = [
    document for path in SAMPLES for document in documents(path) if document["kind"] == "TextModel"
]


def test_text_model_sample_is_the_embedded_model() -> None:
    (document,) = documents(samples_folder() / "textmodel-smollm.yaml")
    model = TextModel.model_validate(document)
    assert (model.name, model.spec.engine) == ("smollm", "llamacpp")
    assert model.spec.source.uri == "package://smollm2-135m-instruct/q4_1"
    assert (model.spec.license.spdx, model.spec.license.commercial_use) == ("Apache-2.0", True)


def test_text_model_samples_cover_one_gpu_several_and_two_nodes() -> None:
    found = {
        (spec.quantization, spec.resources.gpus, spec.layout.nodes, spec.layout.tensor_parallel)
        for spec in (TextModel.model_validate(document).spec for document in TEXT_SAMPLES)
        if spec.layout is not None
    }
    assert found == {("gptq-int4", 1, 1, 1), ("fp8", 4, 1, 4), ("fp8", 8, 2, 4)}


def test_hub_sources_of_samples_are_pinned_by_a_commit() -> None:
    sources = [
        document["spec"]["source"]
        for path in SAMPLES
        for document in documents(path)
        if document["kind"] in {"VoiceModel", "TextModel"}
    ]
    pinned = [source["revision"] for source in sources if source["uri"].startswith("hf://")]
    assert pinned
    for revision in pinned:
        assert re.fullmatch("[0-9a-f]{40}", revision), revision
        assert len(set(revision)) > 1, "a placeholder"


def test_five_engines_of_the_hub_have_the_sources_of_their_own_samples() -> None:
    by_name = {
        document["metadata"]["name"]: document["spec"]
        for path in SAMPLES
        for document in documents(path)
        if path.name.startswith("voicemodel-")
    }
    five = documents(samples_folder() / "five.yaml")
    assert len({document["spec"]["engine"] for document in five}) == 5
    assert all(document["spec"]["source"]["uri"].startswith("hf://") for document in five)
    compared = [document for document in five if document["metadata"]["name"] in by_name]
    assert len(compared) == 4, "of vits a checkpoint is a language: it has no sample of its own"
    for document in compared:
        assert document["spec"]["source"] == by_name[document["metadata"]["name"]]["source"]
