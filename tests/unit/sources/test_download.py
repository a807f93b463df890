import hashlib
from pathlib import Path

import pytest

from tts_app.sources import SourceError
from tts_app.sources.base import no_progress
from tts_app.sources.download import download

CONTENT = bytes(range(256)) * 4000
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "downloads" / "model"


def test_download_progress_reaches_the_total(server, target: Path) -> None:
    server.files["/model"] = CONTENT
    reported: list[tuple[str, int, int | None]] = []
    download(f"{server.url}/model", target, SHA256, "model", lambda *args: reported.append(args))
    assert target.read_bytes() == CONTENT
    assert reported[-1] == ("model", len(CONTENT), len(CONTENT))


def test_download_resumes_a_broken_transfer(server, target: Path) -> None:
    server.files["/model"] = CONTENT
    server.break_after = 300_000
    download(f"{server.url}/model", target, SHA256, "model", no_progress)
    assert target.read_bytes() == CONTENT
    assert [r for _, r in server.requests] == [None, "bytes=300000-"]


def test_download_resumes_what_an_earlier_run_left(server, target: Path) -> None:
    server.files["/model"] = CONTENT
    target.parent.mkdir()
    target.with_name("model.partial").write_bytes(CONTENT[:1000])
    download(f"{server.url}/model", target, SHA256, "model", no_progress)
    assert target.read_bytes() == CONTENT
    assert server.requests == [("/model", "bytes=1000-")]


def test_download_does_not_fetch_a_whole_file_again(server, target: Path) -> None:
    server.files["/model"] = CONTENT
    target.parent.mkdir()
    target.with_name("model.partial").write_bytes(CONTENT)
    download(f"{server.url}/model", target, SHA256, "model", no_progress)
    download(f"{server.url}/model", target, SHA256, "model", no_progress)
    assert len(server.requests) == 1


def test_download_refuses_and_deletes_content_with_another_checksum(server, target: Path) -> None:
    server.files["/model"] = CONTENT[:-1] + b"x"
    with pytest.raises(SourceError, match=f"expected {SHA256}"):
        download(f"{server.url}/model", target, SHA256, "model", no_progress)
    assert list(target.parent.iterdir()) == []


def test_download_does_not_take_an_error_page_for_the_file(server, target: Path) -> None:
    with pytest.raises(SourceError, match="answered 404"):
        download(f"{server.url}/gone", target, SHA256, "model", no_progress)
    assert not target.exists()


def test_download_without_a_network_says_what_to_do(target: Path) -> None:
    with pytest.raises(SourceError, match="copy the cache folder"):
        download("http://127.0.0.1:9/model", target, SHA256, "model", no_progress)
