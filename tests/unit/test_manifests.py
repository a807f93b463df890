from pathlib import Path

import pytest

from tts_app.manifests import ManifestError, load_batch, load_voice_models, samples_folder

EMBEDDED = samples_folder() / "embedded.yaml"


def test_several_documents_and_files(tmp_path: Path) -> None:
    second = tmp_path / "second.yaml"
    second.write_text("---\n---\n" + EMBEDDED.read_text().replace("name: kokoro", "name: second"))
    assert [m.name for m in load_voice_models([EMBEDDED, second])] == ["kokoro", "second"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"", "is empty"),
        (b"kind: [", "is not YAML"),
        (b"\xff\xfe", "Cannot read"),
        (b"- 1", "expected kind VoiceModel"),
        (b"kind: Deployment", "found 'Deployment'"),
        (b"kind: VoiceModel", "document 1: metadata: Field required; spec: Field required"),
    ],
)
def test_faults_name_the_file(tmp_path: Path, text: bytes, message: str) -> None:
    path = tmp_path / "models.yaml"
    path.write_bytes(text)
    with pytest.raises(ManifestError) as caught:
        load_voice_models([path])
    assert message in str(caught.value)
    assert str(path) in str(caught.value)


def test_a_missing_file_and_a_name_given_twice(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match="Cannot read"):
        load_voice_models([tmp_path / "none.yaml"])
    with pytest.raises(ManifestError, match="given twice: kokoro"):
        load_voice_models([EMBEDDED, EMBEDDED])


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


def test_a_batch_has_the_embedded_models_unless_it_brings_its_own(tmp_path: Path) -> None:
    job, models = load_batch(batch(tmp_path, JOB))
    assert (job.metadata.name, [model.name for model in models]) == ("welcome", ["kokoro"])
    own = EMBEDDED.read_text().replace("name: kokoro", "name: own")
    for texts in ([JOB, own], [own, JOB], [f"{own}\n---{JOB}"]):
        assert [model.name for model in load_batch(batch(tmp_path, *texts))[1]] == ["own"]


def test_without_files_it_is_the_embedded_batch() -> None:
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
        ([JOB.replace("en: Hello.", "fr: Bonjour.")], "spec.posts.inline.0: Value error, text must be keyed"),
        (
            [JOB.replace("{id: 1", "{id: 1, text: {en: One.}}, {id: 1")],
            "0.yaml, document 1: spec.posts.inline",
        ),
        (["kind: TTSJob"], "0.yaml, document 1: metadata: Field required; spec: Field required"),
    ],
)
def test_a_batch_that_is_none(tmp_path: Path, texts: list[str], message: str) -> None:
    with pytest.raises(ManifestError) as caught:
        load_batch(batch(tmp_path, *texts))
    assert message in str(caught.value)
