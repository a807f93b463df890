from pathlib import Path

import pytest

from tts_app.manifests import ManifestError, load_voice_models, samples_folder

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
