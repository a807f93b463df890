import json
from pathlib import Path

import pytest
import yaml

from tts_app.manifests import (
    ManifestError,
    load_batch,
    load_models,
    load_text_models,
    load_voice_models,
    parse_model,
    samples_folder,
    yaml_files,
)
from tts_app.resources import TextModel, VoiceModel

EMBEDDED = samples_folder() / "embedded.yaml"
SMOLLM = samples_folder() / "textmodel-smollm.yaml"


def test_load_voice_models_reads_several_documents_and_files(tmp_path: Path) -> None:
    second = tmp_path / "second.yaml"
    second.write_text("---\n---\n" + EMBEDDED.read_text().replace("name: kokoro", "name: second"))
    assert [m.name for m in load_voice_models([EMBEDDED, second])] == ["kokoro", "second"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"", "is empty"),
        (b"kind: [", "is not YAML"),
        (b"\xff\xfe", "Cannot read"),
        (b"date: 2026-13-01", "is not YAML: month must be in 1..12"),
        (b"- 1", "expected kind VoiceModel or TextModel"),
        (b"kind: [TextModel]", "found ['TextModel']"),
        (b"kind: TextModel", "document 1: metadata: Field required; spec: Field required"),
        (b"kind: Deployment", "found 'Deployment'"),
        (b"kind: VoiceModel", "document 1: metadata: Field required; spec: Field required"),
    ],
)
def test_load_voice_models_faults_name_the_file(tmp_path: Path, text: bytes, message: str) -> None:
    path = tmp_path / "models.yaml"
    path.write_bytes(text)
    with pytest.raises(ManifestError) as caught:
        load_voice_models([path])
    assert message in str(caught.value)
    assert str(path) in str(caught.value)


def test_load_voice_models_refuses_a_missing_file_and_a_repeated_name(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match="Cannot read"):
        load_voice_models([tmp_path / "none.yaml"])
    with pytest.raises(ManifestError, match="given twice: kokoro"):
        load_voice_models([EMBEDDED, EMBEDDED])


def test_load_models_reads_both_kinds_in_any_mix(tmp_path: Path) -> None:
    mixed = tmp_path / "mixed.yaml"
    mixed.write_text(f"{SMOLLM.read_text()}\n---\n{EMBEDDED.read_text()}")
    for paths in ([mixed], [SMOLLM, EMBEDDED]):
        assert [(type(m), m.name) for m in load_models(paths)] == [
            (TextModel, "smollm"),
            (VoiceModel, "kokoro"),
        ]
        assert [m.name for m in load_voice_models(paths)] == ["kokoro"]
        assert [m.name for m in load_text_models(paths)] == ["smollm"]
    assert [m.name for m in load_models()] == ["kokoro", "smollm"]
    assert [m.name for m in load_text_models()] == ["smollm"]


def test_load_models_refuses_a_voice_and_a_text_model_of_one_name(tmp_path: Path) -> None:
    second = tmp_path / "second.yaml"
    second.write_text(SMOLLM.read_text().replace("name: smollm", "name: kokoro"))
    with pytest.raises(ManifestError, match="given twice: kokoro"):
        load_models([EMBEDDED, second])


def test_load_models_refuses_files_without_the_needed_kind() -> None:
    with pytest.raises(ManifestError, match=r"textmodel-smollm.yaml: there is no VoiceModel"):
        load_voice_models([SMOLLM])
    with pytest.raises(ManifestError, match=r"embedded.yaml: there is no TextModel"):
        load_text_models([EMBEDDED])


def test_parse_model_reads_json_of_either_kind() -> None:
    for model in load_models():
        assert parse_model(json.dumps(model.written()), "--manifest") == model
    with pytest.raises(ManifestError, match="--manifest: expected kind"):
        parse_model("{}", "--manifest")


JOB = """
apiVersion: ttsplayground.dev/v1alpha1
kind: TTSJob
metadata: {name: welcome}
spec:
  posts: {inline: [{id: 1, text: {en: Hello.}}]}
  output: {uri: "file:///out"}
"""


def batch(folder: Path, *texts: str) -> list[Path]:
    paths = []
    for number, text in enumerate(texts):
        paths.append(folder / f"{number}.yaml")
        paths[-1].write_text(text)
    return paths


def test_load_batch_has_the_embedded_models_unless_given_others(tmp_path: Path) -> None:
    job, models = load_batch(batch(tmp_path, JOB))
    assert (job.metadata.name, [model.name for model in models]) == ("welcome", ["kokoro"])
    own = EMBEDDED.read_text().replace("name: kokoro", "name: own")
    for texts in ([JOB, own], [own, JOB], [f"{own}\n---{JOB}"]):
        assert [model.name for model in load_batch(batch(tmp_path, *texts))[1]] == ["own"]
    # A batch has no use for models that write.
    assert [m.name for m in load_batch(batch(tmp_path, JOB, SMOLLM.read_text()))[1]] == ["kokoro"]
    assert [m.name for m in load_batch(batch(tmp_path, JOB, own, SMOLLM.read_text()))[1]] == ["own"]


def test_load_batch_accepts_config_maps_and_lists(tmp_path: Path) -> None:
    """A ConfigMap is for the posts; a List is what `kubectl get -o yaml` prints."""
    config_map = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "any"}}
    items = [
        config_map,
        yaml.safe_load(JOB),
        yaml.safe_load(EMBEDDED.read_text().replace("kokoro\n", "own\n", 1)),
    ]
    listed = json.dumps({"apiVersion": "v1", "kind": "List", "items": items})
    for texts in ([listed], [f"{json.dumps(config_map)}\n---\n{listed}"]):
        job, models = load_batch(batch(tmp_path, *texts))
        assert (job.metadata.name, [model.name for model in models]) == ("welcome", ["own"])


def test_yaml_files_lists_a_folder_by_name(tmp_path: Path) -> None:
    for name in ("b.yaml", "a.yml", "c.json", "d.txt"):
        (tmp_path / name).write_text("{}")
    (tmp_path / "e.yaml").mkdir()
    other = tmp_path / "c.json"
    assert yaml_files([other, tmp_path]) == [other, tmp_path / "a.yml", tmp_path / "b.yaml"]
    assert yaml_files([tmp_path / "none.yaml"]) == [tmp_path / "none.yaml"]
    with pytest.raises(ManifestError, match=r"e\.yaml has no YAML file"):
        yaml_files([tmp_path / "e.yaml"])


def test_load_batch_without_files_is_the_embedded_batch() -> None:
    job, models = load_batch()
    assert job.spec.posts
    assert models == load_voice_models()


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        ([JOB, JOB], "A batch is one TTSJob; the files have 2"),
        ([f"{JOB}\n---{JOB}"], "A batch is one TTSJob; the files have 2"),
        ([EMBEDDED.read_text()], "A batch is one TTSJob; the files have 0"),
        ([JOB, EMBEDDED.read_text(), EMBEDDED.read_text()], "given twice: kokoro"),
        ([JOB, "kind: Deployment"], "1.yaml, document 1: expected kind VoiceModel"),
        ([JOB, ""], "1.yaml is empty"),
        ([JOB, "kind: ["], "1.yaml is not YAML"),
        (
            [JOB.replace("posts:", "post:")],
            "0.yaml, document 1: spec.posts: Field required; spec.post: Extra",
        ),
        (
            [JOB.replace("en: Hello.", "french: Bonjour.")],
            "spec.posts.inline.0: Value error, text must be keyed",
        ),
        (
            [JOB.replace("{id: 1", "{id: 1, text: {en: One.}}, {id: 1")],
            "0.yaml, document 1: spec.posts.inline",
        ),
        ([JOB, "kind: List"], "1.yaml, document 1: a List needs `items`"),
        (['{"kind": "List", "items": [{"kind": "Pod"}]}'], "0.yaml, document 1, item 1: expected kind"),
        (["kind: TTSJob"], "0.yaml, document 1: metadata: Field required; spec: Field required"),
    ],
)
def test_load_batch_refuses_files_that_are_no_batch(tmp_path: Path, texts: list[str], message: str) -> None:
    with pytest.raises(ManifestError) as caught:
        load_batch(batch(tmp_path, *texts))
    assert message in str(caught.value)


LAUGHS = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 10)
)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (LAUGHS, "line 6: aliases stand for more than 100,000 values"),
        ("a: " + "[" * 5000, "line 1: it is more than 100 levels deep"),
        ("a: " + "[" * 101 + "]" * 101, "line 1: it is more than 100 levels deep"),
        ("".join(f"{' ' * n}a:\n" for n in range(200)), "line 100: it is more than 100 levels deep"),
        ("a: &a\n  b: [1, *a]", "line 2: an alias is inside of what it stands for"),
    ],
    ids=["laughs", "open", "flow", "block", "itself"],
)
def test_yaml_that_is_too_much_is_refused_at_once(tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "models.yaml"
    path.write_text(text)
    for load in (load_models, load_batch):
        with pytest.raises(ManifestError, match=rf"models\.yaml, {says}"):
            load([path])
    with pytest.raises(ManifestError, match=rf"--manifest, {says}"):
        parse_model(text, "--manifest")


def test_aliases_are_read(tmp_path: Path) -> None:
    path = tmp_path / "models.yaml"
    text = SMOLLM.read_text()
    assert "  name: smollm\n" in text
    path.write_text(
        text.replace("  name: smollm\n", "  name: smollm\n  labels: &l {a: b}\n  annotations: *l\n")
    )
    (model,) = load_models([path])
    assert model.metadata.annotations == model.metadata.labels == {"a": "b"}
