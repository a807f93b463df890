"""`s3://` and `gs://` through the real clients, against simulated stores on loopback."""

from collections.abc import Iterator
from pathlib import Path

import fsspec
import pytest
import s3fs
from moto.server import ThreadedMotoServer

from tts_app.resources import Source
from tts_app.sources import SourceError, fetch

FILES = {"model.onnx": b"weights" * 1000, "voices/a.bin": b"voice"}


@pytest.fixture(scope="module")
def simulated_s3() -> Iterator[str]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def bucket(simulated_s3: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[s3fs.S3FileSystem]:
    monkeypatch.setenv("AWS_ENDPOINT_URL", simulated_s3)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "somebody")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    s3fs.S3FileSystem.clear_instance_cache()
    store = fsspec.filesystem("s3")
    store.mkdir("models")
    for name, content in FILES.items():
        store.pipe(f"models/kokoro/{name}", content)
    store.pipe("models/other/model.onnx", b"another model's")
    yield store
    store.rm("models", recursive=True)
    s3fs.S3FileSystem.clear_instance_cache()


def content(folder: Path) -> dict[str, bytes]:
    found = (path for path in folder.rglob("*") if path.is_file() and path.name != ".complete")
    return {str(path.relative_to(folder)): path.read_bytes() for path in found}


def test_fetch_from_s3_takes_a_prefix_and_reports_progress(bucket: s3fs.S3FileSystem, cache: Path) -> None:
    reported: list[tuple[int, int | None]] = []
    folder = fetch(
        Source(uri="s3://models/kokoro"), progress=lambda name, done, total: reported.append((done, total))
    )
    assert folder.is_relative_to(cache)
    assert content(folder) == FILES
    whole = sum(map(len, FILES.values()))
    assert reported[-1] == (whole, whole)
    assert [done for done, _ in reported] == sorted(done for done, _ in reported)


def test_fetch_from_s3_works_again_without_it(bucket: s3fs.S3FileSystem) -> None:
    source = Source(uri="s3://models/kokoro", revision="1")
    folder = fetch(source)
    bucket.rm("models/kokoro", recursive=True)
    assert content(fetch(source)) == FILES
    assert fetch(source) == folder


def test_fetch_from_s3_resumes_after_a_broken_transfer(
    bucket: s3fs.S3FileSystem, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = s3fs.S3FileSystem.open

    def broken(self: s3fs.S3FileSystem, path: str, *arguments: object, **options: object) -> object:
        if path.endswith("a.bin"):
            raise ConnectionError("reset")
        return whole(self, path, *arguments, **options)

    monkeypatch.setattr(s3fs.S3FileSystem, "open", broken)
    with pytest.raises(SourceError, match=r"cannot be read: ConnectionError: reset.*AWS_ENDPOINT_URL"):
        fetch(Source(uri="s3://models/kokoro"))
    opened: list[str] = []

    def watched(self: s3fs.S3FileSystem, path: str, *arguments: object, **options: object) -> object:
        opened.append(path)
        return whole(self, path, *arguments, **options)

    monkeypatch.setattr(s3fs.S3FileSystem, "open", watched)
    assert content(fetch(Source(uri="s3://models/kokoro"))) == FILES
    assert opened == ["models/kokoro/voices/a.bin"]


def test_fetch_from_s3_refuses_a_prefix_without_files_and_leaves_nothing(bucket: s3fs.S3FileSystem) -> None:
    for _ in range(2):
        with pytest.raises(SourceError, match="no file below s3://models/absent"):
            fetch(Source(uri="s3://models/absent"))


def test_fetch_from_s3_refuses_a_file_with_another_checksum(bucket: s3fs.S3FileSystem) -> None:
    with pytest.raises(SourceError, match=r"model\.onnx has SHA-256"):
        fetch(Source(uri="s3://models/kokoro", sha256={"model.onnx": "0" * 64}))


def test_fetch_from_google_cloud_storage(gs_bucket: str) -> None:
    store = fsspec.filesystem("gs")
    for name, data in FILES.items():
        store.pipe(f"{gs_bucket}/kokoro/{name}", data)
    assert content(fetch(Source(uri=f"{gs_bucket}/kokoro"))) == FILES
    with pytest.raises(SourceError, match=f"no file below {gs_bucket}/absent"):
        fetch(Source(uri=f"{gs_bucket}/absent"))
