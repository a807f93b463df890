"""Images as folders: what is in them, what is written for containerd and for Docker, and what is kept."""

import gzip
import hashlib
import io
import json
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from cluster.layout import Layout, LayoutError, begin, complete, remove_unused, take_docker_archive

NAME = "docker.io/library/thing:1.2"


def layer(content: bytes) -> bytes:
    """Return a layer with one file."""
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w") as tar:
        entry = tarfile.TarInfo("file")
        entry.size = len(content)
        tar.addfile(entry, io.BytesIO(content))
    return data.getvalue()


LAYERS = [layer(b"one"), layer(b"two")]


def digest(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def config(layers: list[bytes]) -> bytes:
    health = {"Test": ["CMD-SHELL", "true"]}
    return json.dumps(
        {"config": {"Healthcheck": health}, "rootfs": {"diff_ids": [digest(data) for data in layers]}}
    ).encode()


def docker_archive(target: Path, layers: list[bytes], said: list[bytes]) -> Path:
    """Write an archive whose config says that its layers are `said`."""
    with tarfile.open(target, "w") as tar:
        names = [f"{number}/layer.tar" for number in range(len(layers))]
        manifest = [{"Config": "abc.json", "RepoTags": ["thing:1.2"], "Layers": names}]
        contents = {"manifest.json": json.dumps(manifest).encode(), "abc.json": config(said)}
        for name, data in (contents | dict(zip(names, layers, strict=True))).items():
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            tar.addfile(entry, io.BytesIO(data))
    return target


@pytest.fixture
def shared(tmp_path: Path) -> Path:
    return tmp_path / "blobs"


@pytest.fixture
def make(tmp_path: Path, shared: Path) -> Callable[[str, list[bytes]], Layout]:
    """Make a layout of that name with these layers."""

    def make(name: str, layers: list[bytes]) -> Layout:
        begin(tmp_path / name, shared)
        for data in layers:
            (shared / digest(data).replace(":", "/")).write_bytes(data)
        return complete(tmp_path / name, NAME, config(layers))

    return make


@pytest.fixture
def layout(make: Callable[[str, list[bytes]], Layout]) -> Layout:
    return make("image", LAYERS)


def members(data: bytes) -> dict[str, bytes]:
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        return {entry.name: tar.extractfile(entry).read() for entry in tar}  # type: ignore[union-attr]


def test_layout_is_what_it_was_made_of(layout: Layout) -> None:
    assert layout.name == NAME
    assert [path.read_bytes() for path in layout.layers] == LAYERS
    assert layout.config == json.loads(config(LAYERS))
    assert layout.digests[:3] == [*(digest(data) for data in LAYERS), digest(config(LAYERS))]


def test_layout_documents_name_what_is_there(layout: Layout) -> None:
    index = json.loads((layout.folder / "index.json").read_bytes())
    (named,) = index["manifests"]
    blob = (layout.folder / "blobs" / named["digest"].replace(":", "/")).read_bytes()
    manifest = json.loads(blob)
    assert (digest(blob), len(blob)) == (named["digest"], named["size"])
    sizes = [part["size"] for part in (*manifest["layers"], manifest["config"])]
    assert sizes == [len(data) for data in (*LAYERS, config(LAYERS))]


def test_layout_can_be_renamed_and_moved(layout: Layout, tmp_path: Path) -> None:
    renamed = layout.folder.rename(tmp_path / "renamed")
    assert [path.read_bytes() for path in Layout(renamed).layers] == LAYERS
    moved = tmp_path.rename(tmp_path.with_name("moved"))
    assert [path.read_bytes() for path in Layout(moved / "renamed").layers] == LAYERS


def test_layout_archive_has_what_its_reader_lacks(layout: Layout) -> None:
    whole, rest = io.BytesIO(), io.BytesIO()
    layout.write(whole)
    layout.write(rest, without=[digest(LAYERS[0])])
    found = members(whole.getvalue())
    assert set(found) == {
        "oci-layout",
        "index.json",
        *(f"blobs/{d.replace(':', '/')}" for d in layout.digests),
    }
    lacking = f"blobs/{digest(LAYERS[0]).replace(':', '/')}"
    assert members(rest.getvalue()) == {name: data for name, data in found.items() if name != lacking}


def test_layout_writes_equal_layers_once(make: Callable[[str, list[bytes]], Layout], tmp_path: Path) -> None:
    layout = make("image", [LAYERS[0], LAYERS[0]])
    written = io.BytesIO()
    layout.write(written)
    with tarfile.open(fileobj=io.BytesIO(written.getvalue())) as tar:
        assert len(tar.getnames()) == len(set(tar.getnames())) == 5
    layout.write_docker_archive(tmp_path / "a.tar")
    with tarfile.open(tmp_path / "a.tar") as tar:
        assert len(tar.getnames()) == len(set(tar.getnames())) == 3


def test_docker_archive_comes_back_as_the_same_image(layout: Layout, tmp_path: Path, shared: Path) -> None:
    layout.write_docker_archive(tmp_path / "image.tar")
    (manifest,) = json.loads(members((tmp_path / "image.tar").read_bytes())["manifest.json"])
    assert manifest["RepoTags"] == [NAME]
    begin(tmp_path / "again", tmp_path / "others")
    again = take_docker_archive(tmp_path / "again", NAME, tmp_path / "image.tar")
    assert again.digests == layout.digests
    assert [path.read_bytes() for path in again.layers] == LAYERS


def test_take_docker_archive_does_not_rewrite_existing_layers(
    layout: Layout, tmp_path: Path, shared: Path
) -> None:
    archive = docker_archive(tmp_path / "a.tar", [*LAYERS, layer(b"new")], [*LAYERS, layer(b"new")])
    times = {path: path.stat().st_mtime_ns for path in (shared / "sha256").iterdir()}
    begin(tmp_path / "next", shared)
    taken = take_docker_archive(tmp_path / "next", NAME, archive)
    assert {path: path.stat().st_mtime_ns for path in times} == times
    assert taken.layers[2].read_bytes() == layer(b"new")


def test_take_docker_archive_keeps_compressed_layers_plain(tmp_path: Path, shared: Path) -> None:
    archive = docker_archive(tmp_path / "a.tar", [gzip.compress(data) for data in LAYERS], LAYERS)
    begin(tmp_path / "image", shared)
    layout = take_docker_archive(tmp_path / "image", NAME, archive)
    assert [path.read_bytes() for path in layout.layers] == LAYERS


def test_take_docker_archive_refuses_a_layer_with_another_digest(tmp_path: Path, shared: Path) -> None:
    archive = docker_archive(tmp_path / "a.tar", [LAYERS[0], layer(b"other")], LAYERS)
    begin(tmp_path / "image", shared)
    with pytest.raises(LayoutError, match="its image says"):
        take_docker_archive(tmp_path / "image", NAME, archive)
    assert [path.read_bytes() for path in (shared / "sha256").iterdir()] == [LAYERS[0]]


def test_complete_refuses_an_image_without_its_layers(tmp_path: Path, shared: Path) -> None:
    begin(tmp_path / "image", shared)
    with pytest.raises(LayoutError, match="is not in"):
        complete(tmp_path / "image", NAME, config(LAYERS))
    assert not (tmp_path / "image" / "index.json").exists()


def test_layout_refuses_a_folder_that_is_no_image(tmp_path: Path) -> None:
    with pytest.raises(LayoutError, match=f"{tmp_path} is no image"):
        Layout(tmp_path).write(io.BytesIO())
    (tmp_path / "index.json").write_text('{"manifests": [{"digest": "sha256:1"}]}')
    with pytest.raises(LayoutError, match="must have one manifest"):
        Layout(tmp_path).write(io.BytesIO())


def test_remove_unused_removes_blobs_that_no_image_has(
    make: Callable[[str, list[bytes]], Layout], shared: Path
) -> None:
    kept, _ = make("kept", LAYERS[:1]), make("gone", LAYERS)
    (shared / "sha256" / ".unfinished-x").mkdir()
    remove_unused(shared, [kept])
    assert {path.name for path in (shared / "sha256").iterdir()} == {name[7:] for name in kept.digests}
