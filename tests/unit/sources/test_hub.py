"""The real huggingface_hub client against a simulated hub on loopback that speaks the part it needs."""

import errno
import hashlib
import json
import os
import shutil
from pathlib import Path

import huggingface_hub
import pytest

from tts_app.resources import Source
from tts_app.sources import SourceError, fetch

COMMIT = "0123456789abcdef0123456789abcdef01234567"
FILES = {"model.onnx": b"weights", "voices/a.bin": b"voice", "README.md": b"words"}


@pytest.fixture
def simulated_hub(server, monkeypatch: pytest.MonkeyPatch):
    info = {
        "id": "me/tiny",
        "sha": COMMIT,
        "private": False,
        "downloads": 0,
        "tags": [],
        "siblings": [{"rfilename": name} for name in FILES],
    }
    server.files[f"/api/models/me/tiny/revision/{COMMIT}"] = json.dumps(info).encode()
    tree = [{"type": "file", "path": n, "size": len(c), "oid": "0" * 40} for n, c in FILES.items()]
    server.files[f"/api/models/me/tiny/tree/{COMMIT}"] = json.dumps(tree).encode()
    for name, content in FILES.items():
        server.files[f"/me/tiny/resolve/{COMMIT}/{name}"] = content
    server.headers = {"X-Repo-Commit": COMMIT, "Content-Type": "application/json"}
    monkeypatch.setenv("HF_ENDPOINT", server.url)
    return server


def test_fetch_from_the_hub_takes_matching_files_at_the_pinned_commit(simulated_hub, cache: Path) -> None:
    folder = fetch(Source(uri="hf://me/tiny", revision=COMMIT), ["model.onnx", "voices/*"])
    assert folder.is_relative_to(cache)
    found = {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}
    assert found == {"model.onnx": b"weights", "voices/a.bin": b"voice"}


def test_fetch_from_the_hub_reports_the_bytes_of_all_files(simulated_hub) -> None:
    reported: list[tuple[str, int, int | None]] = []
    fetch(Source(uri="hf://me/tiny", revision=COMMIT), progress=lambda *progress: reported.append(progress))
    whole = sum(map(len, FILES.values()))
    assert reported[-1] == ("me/tiny", whole, whole)


def test_fetch_from_the_hub_refuses_a_file_with_another_checksum(simulated_hub) -> None:
    right = hashlib.sha256(b"weights").hexdigest()
    fetch(Source(uri="hf://me/tiny", revision=COMMIT, sha256={"model.onnx": right}))
    with pytest.raises(SourceError, match=rf"model\.onnx has SHA-256 {right}, expected {'0' * 64}"):
        fetch(Source(uri="hf://me/tiny", revision=COMMIT, sha256={"model.onnx": "0" * 64}))
    with pytest.raises(SourceError, match=r"has no file other\.onnx"):
        fetch(Source(uri="hf://me/tiny", revision=COMMIT, sha256={"other.onnx": right}))


def test_fetch_from_the_hub_goes_on_where_a_connection_broke(
    simulated_hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    piece = huggingface_hub.constants.DOWNLOAD_CHUNK_SIZE  # what the client writes at a time
    weights = bytes(range(256)) * (5 * piece // 1024)
    monkeypatch.setitem(FILES, "model.onnx", weights)
    path = f"/me/tiny/resolve/{COMMIT}/model.onnx"
    simulated_hub.files[path] = weights
    simulated_hub.break_after, simulated_hub.breaks = piece + 1000, "model.onnx"
    folder = fetch(Source(uri="hf://me/tiny", revision=COMMIT), ["model.onnx"])
    assert (folder / "model.onnx").read_bytes() == weights
    assert [wanted for asked, wanted in simulated_hub.requests if asked == path] == [None, f"bytes={piece}-"]


def test_fetch_from_the_hub_records_sizes_and_hashes_at_the_first_time(simulated_hub, cache: Path) -> None:
    fetch(Source(uri="hf://me/tiny", revision=COMMIT), ["model.onnx"])
    (record,) = (cache / "hub" / "records").iterdir()
    known = json.loads(record.read_text())["model.onnx"]
    assert (known["size"], known["sha256"]) == (7, hashlib.sha256(b"weights").hexdigest())
    fetch(Source(uri="hf://me/tiny", revision=COMMIT))
    assert set(json.loads(record.read_text())) == set(FILES), "those of a later fetch are added"


def test_fetch_from_the_hub_refuses_another_file_than_the_first(simulated_hub, cache: Path) -> None:
    source = Source(uri="hf://me/tiny", revision=COMMIT)
    folder = fetch(source)
    shutil.rmtree(folder.parents[1])  # the cache was removed, and a mirror sends something else
    simulated_hub.files[f"/me/tiny/resolve/{COMMIT}/model.onnx"] = b"another"
    for _ in range(2):
        with pytest.raises(SourceError, match=r"model\.onnx has 7 bytes and SHA-256 .* at the first fetch"):
            fetch(source)


def test_fetch_from_the_hub_reads_no_file_again_that_is_as_it_was(
    simulated_hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = Source(uri="hf://me/tiny", revision=COMMIT)
    folder = fetch(source)
    monkeypatch.setattr("tts_app.sources.record.sha256_of", _refuse)
    assert fetch(source) == folder


def test_fetch_from_the_hub_refuses_a_file_that_was_changed_in_the_cache(simulated_hub) -> None:
    source = Source(uri="hf://me/tiny", revision=COMMIT)
    model = (fetch(source) / "model.onnx").resolve()
    model.write_bytes(b"changed")
    with pytest.raises(SourceError, match=r"model\.onnx has 7 bytes"):
        fetch(source)


def test_fetch_from_the_hub_says_which_record_is_damaged(simulated_hub, cache: Path) -> None:
    source = Source(uri="hf://me/tiny", revision=COMMIT)
    fetch(source)
    (record,) = (cache / "hub" / "records").iterdir()
    record.write_text("[]")
    with pytest.raises(SourceError, match=r"\.json is damaged: remove it"):
        fetch(source)


def test_what_was_fetched_is_found_in_a_cache_that_nobody_writes_to(
    simulated_hub, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in a cluster's pods: the client must not need a lock or a reference that it writes itself."""
    source = Source(uri="hf://me/tiny", revision=COMMIT)
    folder = fetch(source)
    before = {path: path.lstat().st_mtime_ns for path in cache.rglob("*")}
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    for name in ("mkdir", "touch", "write_text", "write_bytes"):
        monkeypatch.setattr(Path, name, _refuse)
    monkeypatch.setattr(os, "makedirs", _refuse)
    assert fetch(source) == folder
    assert {path: path.lstat().st_mtime_ns for path in cache.rglob("*")} == before


def _refuse(*arguments: object, **_: object) -> None:
    raise OSError(errno.EROFS, "Read-only file system", str(arguments[0]))


def test_fetch_from_the_hub_works_again_without_it(simulated_hub, monkeypatch: pytest.MonkeyPatch) -> None:
    source = Source(uri="hf://me/tiny", revision=COMMIT)
    folder = fetch(source)
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    assert fetch(source) == folder


def test_fetch_from_the_hub_without_a_network_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(SourceError, match="Run `ttsp models fetch`"):
        fetch(Source(uri="hf://me/absent", revision=COMMIT))


def test_fetch_from_the_hub_names_an_unknown_repository(simulated_hub) -> None:
    simulated_hub.headers["X-Error-Code"] = "RepoNotFound"
    with pytest.raises(SourceError, match="hf://me/other"):
        fetch(Source(uri="hf://me/other", revision=COMMIT))
