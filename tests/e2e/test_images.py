"""The images as they are built here: what is in their layers, file by file, and what must not be."""

import json
import mmap
import os
import re
import secrets
import shutil
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path, PurePosixPath
from typing import Any

import pytest
from tests.e2e.conftest import cannot_run

from cluster.layout import Layout, begin
from images.builders import Buildah, Order
from images.levels import IMAGES, LEVELS, ROOT, version
from tts_operator.desired.pods import AUDIO_PATH, CACHE_PATH, STATE_PATH, USER

MEGABYTES = {"operator": 215, "app": 1090, "kokoro": 1210, "llamacpp": 1190}
"""What an image may have, unpacked; docker/README.md has what it has."""
PROJECT_MEGABYTES = 11
"""What a changed line of code may write anew of an image."""
TEMPORARY = "tmp"
WRITABLE = {TEMPORARY, "var/tmp", "run/lock"}
"""Folders that everybody may write to, if the root file system were not read-only: Debian's."""
TOOLS = {
    "cc",
    "gcc",
    "g++",
    "c++",
    "cpp",
    "clang",
    "tcc",
    "as",
    "ld",
    "make",
    "cmake",
    "cargo",
    "rustc",
    "go",
}
PROGRAMS = {
    "operator": {"python", "tts-operator"},
    "app": {"python", "ray", "serve", "ttsp", "bash", "grep", "wget", "espeak-ng", "tini"},
}
PROGRAMS["kokoro"] = PROGRAMS["llamacpp"] = PROGRAMS["app"]


@dataclass
class Image:
    """A layout, its config, and its file system as the layers make it, by path."""

    level: str
    layout: Layout
    document: dict[str, Any]
    layers: list[dict[str, tarfile.TarInfo]]
    files: dict[str, tarfile.TarInfo] = field(default_factory=dict)

    @property
    def config(self) -> dict[str, Any]:
        config: dict[str, Any] = self.document["config"]
        return config

    @property
    def environment(self) -> dict[str, str]:
        return dict(line.split("=", 1) for line in self.config["Env"])

    @property
    def programs(self) -> set[str]:
        folders = [folder.lstrip("/") for folder in self.environment["PATH"].split(":")]
        folders += ["usr/sbin", "sbin"]
        paths = (PurePosixPath(path) for path in self.files)
        return {path.name for path in paths if str(path.parent) in folders}

    def below(self, path: str) -> set[str]:
        return {name for name in self.files if name.startswith(f"{path}/")}


@pytest.fixture(scope="module", params=IMAGES)
def image(request: pytest.FixtureRequest, built: dict[str, Path]) -> Image:
    return read(request.param, Layout(built[request.param]))


def test_image_name_is_the_one_that_pods_use(image: Image) -> None:
    assert image.layout.name == f"docker.io/library/tts-playground-{image.level}:{version()}"


def test_image_runs_as_the_user_of_the_pods(image: Image) -> None:
    assert image.config["User"] == f"{USER}:{USER}"
    assert image.environment["HOME"] == f"/{TEMPORARY}"


def test_image_starts_its_own_command(image: Image) -> None:
    command = [*image.config["Entrypoint"], *(image.config.get("Cmd") or ())]
    serve = ["tini", "--", "ttsp", "serve", "--host", "0.0.0.0"]
    assert command == (["tts-operator"] if image.level == "operator" else serve)


def test_image_has_a_health_check(image: Image) -> None:
    kind, command = image.config["Healthcheck"]["Test"]
    port = 8080 if image.level == "operator" else 8000
    assert kind == "CMD-SHELL"
    assert re.search(rf"http://127\.0\.0\.1:\$\{{TTSP_(OPERATOR_)?PORT:-{port}\}}/healthz", command)
    assert list(image.config["ExposedPorts"]) == [f"{port}/tcp"]


def test_image_labels_describe_it(image: Image) -> None:
    labels = image.config["Labels"]
    assert labels["org.opencontainers.image.title"].startswith("TextToSpeech Playground: ")
    assert labels["org.opencontainers.image.version"] == version()
    assert labels["org.opencontainers.image.licenses"] == "Apache-2.0"


def test_image_has_the_programs_that_run_in_it(image: Image) -> None:
    assert image.programs >= PROGRAMS[image.level]


def test_image_has_no_compiler(image: Image) -> None:
    assert image.programs & TOOLS == set()
    assert not [name for name in image.programs if re.fullmatch(r".*-(gcc|g\+\+|cpp|ld|as)(-\d+)?", name)]
    assert not [path for path in image.files if re.match(r"usr/include/.*\.h$|usr/lib/gcc/", path)]


def test_image_has_no_package_cache_and_no_build_backend(image: Image) -> None:
    caches = (
        r"(root|tmp|home/[^/]+)/\.cache/|.*/pip/cache/|wheels/|var/lib/apt/lists/.|var/cache/apt/.*\.deb$"
    )
    assert not [path for path in image.files if re.match(caches, path)]
    packages = r".*/site-packages/(hatchling|setuptools|wheel|pytest|mypy)(/|-)"
    assert not [path for path in image.files if re.match(packages, path)]


def test_image_has_no_setuid_program(image: Image) -> None:
    assert not [path for path, entry in image.files.items() if entry.isfile() and entry.mode & 0o6000]


def test_image_is_writable_only_where_volumes_are_mounted(image: Image) -> None:
    mounts = {path.lstrip("/") for path in (AUDIO_PATH, CACHE_PATH, STATE_PATH)}

    def written(entry: tarfile.TarInfo) -> bool:
        if entry.issym() or entry.ischr():
            return False
        mine = (entry.uid == USER, entry.gid == USER and entry.mode & 0o020, entry.mode & 0o002)
        return any(mine)

    writable = {path for path, entry in image.files.items() if written(entry)}
    assert writable - WRITABLE == (set() if image.level == "operator" else mounts)


def test_image_code_is_readable_by_its_user(image: Image) -> None:
    code = [entry for path, entry in image.files.items() if path.startswith("opt/") and not entry.issym()]
    assert len(code) > 1000
    assert not [
        entry.name for entry in code if not entry.mode & 0o004 or (entry.isdir() and not entry.mode & 0o001)
    ]


def test_image_code_is_compiled(image: Image) -> None:
    sources = [PurePosixPath(path) for path in image.below("opt/venv/lib") if path.endswith(".py")]
    assert len(sources) > 500
    missing = [
        str(path)
        for path in sources
        if f"{path.parent}/__pycache__/{path.stem}.cpython-311.pyc" not in image.files
    ]
    assert not missing


def test_image_has_the_model_of_its_engine_and_nothing_made_for_one_cpu(image: Image) -> None:
    models = image.below("opt/tts-playground/models")
    bundles = LEVELS[image.level].models
    if not bundles:
        assert models == set()
        assert "TTSP_MODELS" not in image.environment
        return
    assert image.environment["TTSP_MODELS"] == "/opt/tts-playground/models"
    (bundle,) = bundles
    folder = f"opt/tts-playground/models/{bundle}"
    assert f"{folder}/.bundle.sha256" in models
    if image.level == "kokoro":
        wanted = {"model.onnx", "vocab.json", "voices/af_heart.bin"}
        assert {f"{folder}/{name}" for name in wanted} <= models
    else:
        assert [path for path in models if path.startswith(folder) and path.endswith(".gguf")]
    assert not [path for path in models if re.search(r"-ort\d|\.lock$", path)]


def test_image_has_the_project_of_this_checkout(image: Image) -> None:
    packages = "opt/venv/lib/python3.11/site-packages"
    entry = image.files[f"{packages}/tts_app/__init__.py"]
    assert entry.size == (ROOT / "app/tts_app/__init__.py").stat().st_size
    assert f"{packages}/tts_operator/main.py" in image.files
    assert f"{packages}/tts_app/samples/embedded.yaml" in image.files
    assert f"{packages}/tts_playground-{version()}.dist-info/licenses/LICENSE" in image.files


def test_image_size_is_within_its_limit(image: Image) -> None:
    size = sum(entry.size for layer in image.layers for entry in layer.values())
    assert size / 1e6 < MEGABYTES[image.level]


def test_image_reveals_nothing_of_the_build_machine(image: Image) -> None:
    entries = [(path, entry) for layer in image.layers for path, entry in layer.items()]
    settings = ("etc/hostname", "etc/resolv.conf", "etc/hosts")
    assert {entry.size for path, entry in entries if path in settings} <= {0}
    private = r"etc/pip\.conf|root/\.(?!bashrc|profile)|(run/secrets|etc/apt/auth\.conf\.d)/."
    assert not [path for path, _ in entries if re.match(private, path)]
    assert not [path for path, _ in entries if path.startswith("usr/local/share/ca-certificates/")]
    written = json.dumps(image.document)
    assert str(ROOT) not in written
    assert str(Path.home() / ".cache") not in written
    needles = tuple(settings_of_this_machine())
    assert not [path for path in image.layout.layers if contains(path.resolve(), needles)]


def test_image_shares_lower_layers_with_the_other_engines(image: Image, built: dict[str, Path]) -> None:
    layers = [path.resolve() for path in image.layout.layers]
    project = [path for path, found in zip(layers, image.layers, strict=True) if of_the_project(found)]
    assert project == layers[-2:]
    assert sum(path.stat().st_size for path in project) < PROJECT_MEGABYTES * 1e6
    below = [path.resolve() for path in Layout(built["app"]).layers][:-2]
    assert image.level == "operator" or layers[: len(below)] == below


def test_buildah_writes_a_layer_once_and_loads_an_image(tmp_path: Path) -> None:
    if os.geteuid() != 0 or not shutil.which("buildah") or not shutil.which("skopeo"):
        cannot_run("Buildah builds images as root, with Skopeo: run this as root after `hack/setup cluster`.")
    builder, image = Buildah(), f"tts-playground-test-{secrets.token_hex(4)}"
    content = tmp_path / "context" / "content"
    content.parent.mkdir()
    content.write_text(image)
    dockerfile = tmp_path / "Dockerfile"
    dockerfile.write_text("FROM scratch\nCOPY content /content\nHEALTHCHECK CMD true\n")

    def built(folder: str) -> Layout:
        builder.build(Order([builder.local(f"{image}:1")], dockerfile, content.parent, {}, {}))
        begin(tmp_path / folder, tmp_path / "blobs")
        builder.save(f"{image}:1", tmp_path / folder)
        return Layout(tmp_path / folder)

    try:
        first = built("first")
        assert first.name == f"docker.io/library/{image}:1"
        assert first.config["config"]["Healthcheck"]["Test"] == ["CMD-SHELL", "true"]
        (layer,) = first.layers
        assert set(entries(layer)) == {"content"}
        written = layer.stat().st_mtime_ns
        builder.forget(image, [])
        assert not builder.has(f"{image}:1")
        os.utime(content, (1, 1))
        again = built("again")
        assert [path.resolve() for path in again.layers] == [layer.resolve()]
        assert layer.stat().st_mtime_ns == written
        builder.forget(image, [])
        builder.load(first, f"{image}:2")
        assert builder.has(f"{image}:2")
    finally:
        builder.forget(image, [])


def of_the_project(layer: dict[str, tarfile.TarInfo]) -> bool:
    names = ("tts_app/__init__.py", "bin/ttsp", "bin/tts-operator")
    return any(path.endswith(names) for path in layer)


def read(level: str, layout: Layout) -> Image:
    """Read a layout's documents and the names of what is in its layers."""
    layers = [entries(path.resolve()) for path in layout.layers]
    image = Image(level, layout, layout.config, layers)
    for found in layers:
        for path in found:
            folder, _, leaf = path.rpartition("/")
            if leaf.startswith(".wh."):
                gone = (
                    folder if leaf == ".wh..wh..opq" else f"{folder}/{leaf.removeprefix('.wh.')}".lstrip("/")
                )
                for name in [name for name in image.files if name.startswith(f"{gone}/")]:
                    del image.files[name]
                if leaf != ".wh..wh..opq":
                    image.files.pop(gone, None)
        image.files |= {path: entry for path, entry in found.items() if "/.wh." not in f"/{path}"}
    return image


@cache
def entries(layer: Path) -> dict[str, tarfile.TarInfo]:
    """Return what is in a layer, by path; images share most of theirs."""
    with tarfile.open(layer) as tar:
        return {entry.name.removeprefix("./").rstrip("/"): entry for entry in tar}


def settings_of_this_machine() -> Iterator[bytes]:
    """Give what would tell how this machine reaches registries: certificates of its own, proxies, mirrors."""
    for path in Path("/usr/local/share/ca-certificates").glob("**/*.crt"):
        lines = [line for line in path.read_bytes().splitlines() if line and not line.startswith(b"-----")]
        if lines:
            yield lines[len(lines) // 2]
    for name, value in os.environ.items():
        if re.fullmatch(r"(PIP|UV)_.*(URL|INDEX)|(HTTPS?|ALL)_PROXY", name.upper()) and "://" in value:
            yield value.encode()


@cache
def contains(layer: Path, needles: tuple[bytes, ...]) -> bool:
    with layer.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        return any(data.find(needle) >= 0 for needle in needles)
