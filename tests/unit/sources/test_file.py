import hashlib
from pathlib import Path

import pytest

from tts_app.resources import Source
from tts_app.sources import SourceError, fetch


def test_fetch_uses_a_local_folder_in_place(tmp_path: Path) -> None:
    folder = tmp_path / "a model"
    folder.mkdir()
    (folder / "model.onnx").write_bytes(b"weights")
    right = hashlib.sha256(b"weights").hexdigest()
    assert fetch(Source(uri=folder.as_uri(), sha256={"model.onnx": right})) == folder
    with pytest.raises(SourceError, match="expected"):
        fetch(Source(uri=folder.as_uri(), sha256={"model.onnx": "0" * 64}))


def test_fetch_refuses_a_missing_local_folder() -> None:
    with pytest.raises(SourceError, match="there is no folder /no/such/model"):
        fetch(Source(uri="file:///no/such/model"))


@pytest.mark.parametrize("uri", ["file://model", "file://models/kokoro"])
def test_fetch_refuses_a_file_address_that_is_not_absolute(uri: str) -> None:
    with pytest.raises(SourceError, match="three slashes"):
        fetch(Source(uri=uri))
