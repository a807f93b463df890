"""What goes into the images, when they are built again, and the rules that their Dockerfiles keep."""

import hashlib
import io
import json
import os
import re
import shutil
import tarfile
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from cluster.build import BuildError
from cluster.layout import Layout, begin, complete
from images import build, cli
from images.build import Workshop
from images.builders import Docker, Order, clean_base, with_updates
from images.levels import (
    BASE_IMAGE,
    IMAGE_PREFIX,
    IMAGES,
    LEVELS,
    ON_REQUEST,
    ROOT,
    Level,
    key,
    stage,
    version,
)
from images.registries import apt_settings, pip_settings
from tts_app.resources.engines import ENGINES
from tts_app.resources.engines.spec import Runtime
from tts_app.sources.packages import bundle_stamp
from tts_operator.desired.pods import USER

DEPENDENCIES, PROJECT, OPERATOR, APP, KOKORO = (
    LEVELS[name] for name in ("dependencies", "project", "operator", "app", "kokoro")
)
TORCH = Level("torch", requirements=("images.txt", "${ENGINE}.txt"), on=("dependencies", "project"))
VLLM = Level("vllm", requirements=("images.txt", "vllm.txt"), on=("project",))
UNBUILT = (TORCH, VLLM)
"""Too big to be built with the others."""


def each(*levels: Level) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("level", levels, ids=lambda level: level.name)


ALL = each(*LEVELS.values(), *UNBUILT)
ON_BASE = each(DEPENDENCIES, PROJECT, OPERATOR, VLLM)
RUN = each(*(LEVELS[name] for name in IMAGES), *UNBUILT)
FROM_CHECKOUT = each(DEPENDENCIES, PROJECT, OPERATOR, *UNBUILT)
BUNDLE = "kokoro-82m/int8"
STAMPS = {bundle: "one" for level in LEVELS.values() for bundle in level.models}


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """Make a small copy of what images are made of."""
    root = tmp_path / "checkout"
    shutil.copytree(ROOT / "docker", root / "docker")
    shutil.copytree(ROOT / "hack" / "requirements", root / "hack" / "requirements")
    for name in ("LICENSE", "NOTICE", "README.md", "pyproject.toml"):
        shutil.copyfile(ROOT / name, root / name)
    files = ("app/tts_app/a.py", "app/tts_app/api/b.py", "app/ui/c.html", "manifests/samples/d.yaml")
    for name in (*files, "operator/tts_operator/e.py", "tests/unit/f.py"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(name)
    return root


@pytest.fixture
def models(tmp_path: Path) -> Path:
    """Make a folder of models with every engine's bundle."""
    for bundle in [bundle for level in LEVELS.values() for bundle in level.models]:
        folder = tmp_path / "models" / bundle
        folder.mkdir(parents=True)
        (folder / ".bundle.sha256").write_text("one")
    return tmp_path / "models"


def keys(checkout: Path, base: str = "base", stamps: dict[str, str] = STAMPS) -> dict[str, str]:
    return {name: key(level, base, stamps, checkout) for name, level in LEVELS.items()}


class TestKey:
    @pytest.mark.parametrize(
        ("changed", "others"),
        [
            ("app/tts_app/api/b.py", {"project", *IMAGES}),
            ("app/ui/c.html", {"project", *IMAGES}),
            ("operator/tts_operator/e.py", {"project", *IMAGES}),
            ("hack/requirements/cloud.txt", {"dependencies", "app", "kokoro", "llamacpp"}),
            ("hack/requirements/operator.txt", {"operator"}),
            ("hack/requirements/images.txt", set(LEVELS)),
            ("hack/requirements/dev.txt", set()),
            ("docker/dependencies/Dockerfile", {"dependencies", "app", "kokoro", "llamacpp"}),
            ("docker/project/Dockerfile", {"project", *IMAGES}),
            ("docker/app/Dockerfile", {"app"}),
            ("docker/kokoro/Dockerfile", {"kokoro"}),
            ("docker/llamacpp/Dockerfile", {"llamacpp"}),
            ("README.md", set()),
            ("tests/unit/f.py", set()),
        ],
    )
    def test_key_changes_with_what_is_in_the_image(
        self, checkout: Path, changed: str, others: set[str]
    ) -> None:
        before = keys(checkout)
        with (checkout / changed).open("a") as file:
            file.write("#")
        after = keys(checkout)
        assert {name for name in LEVELS if before[name] != after[name]} == others

    def test_key_of_an_image_of_torch_changes_with_its_requirements(self, checkout: Path) -> None:
        def found() -> dict[str, str]:
            return {name: key(level, "base", STAMPS, checkout) for name, level in ON_REQUEST.items()}

        before = found()
        with (checkout / "hack/requirements/kokoro-torch.txt").open("a") as file:
            file.write("#")
        after = found()
        assert {name for name in ON_REQUEST if before[name] != after[name]} == {"kokoro-torch"}
        assert len(set(before.values())) == len(ON_REQUEST)

    def test_key_changes_with_a_new_file_and_with_its_name(self, checkout: Path) -> None:
        found = [keys(checkout)["app"]]
        (checkout / "app/tts_app/new.py").write_text("")
        found.append(keys(checkout)["app"])
        (checkout / "app/tts_app/new.py").rename(checkout / "app/tts_app/newer.py")
        found.append(keys(checkout)["app"])
        assert len(set(found)) == 3

    def test_key_changes_with_the_base_image(self, checkout: Path) -> None:
        one, other = keys(checkout), keys(checkout, base="other")
        assert not [name for name in LEVELS if one[name] == other[name]]

    def test_key_of_one_engine_changes_with_its_model(self, checkout: Path) -> None:
        before, after = keys(checkout), keys(checkout, stamps={**STAMPS, BUNDLE: "two"})
        assert {name for name in LEVELS if before[name] != after[name]} == {"kokoro"}

    def test_key_of_a_model_is_known_before_it_is_fetched(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("TTSP_CACHE", str(tmp_path))
        stamps = [bundle_stamp(bundle) for bundle in STAMPS]
        assert len(set(stamps)) == len(STAMPS)
        assert not list(tmp_path.iterdir())

    def test_key_does_not_change_with_bytecode_and_times(self, checkout: Path) -> None:
        before = keys(checkout)
        (checkout / "app/tts_app/__pycache__").mkdir()
        (checkout / "app/tts_app/__pycache__/a.pyc").write_text("")
        os.utime(checkout / "app/tts_app/a.py", (1, 1))
        assert keys(checkout) == before

    def test_key_does_not_change_with_the_settings_of_linters(self, checkout: Path) -> None:
        before = keys(checkout)
        project = checkout / "pyproject.toml"
        project.write_text(project.read_text().replace("line-length = 110", "line-length = 111"))
        assert keys(checkout) == before
        project.write_text(project.read_text().replace("[project.scripts]", '[project.scripts]\nx = "y:z"'))
        after = keys(checkout)
        assert {name for name in LEVELS if before[name] != after[name]} == {"project", *IMAGES}


class TestStage:
    @each(DEPENDENCIES, PROJECT, OPERATOR, APP)
    def test_stage_holds_only_what_the_dockerfile_copies(self, level: Level, tmp_path: Path) -> None:
        stage(level, tmp_path)
        copied = sources(level)
        assert all((tmp_path / name).exists() for name in copied)
        staged = [path.relative_to(tmp_path) for path in tmp_path.rglob("*") if path.is_file()]
        assert [path for path in staged if not any(path.is_relative_to(name) for name in copied)] == []
        assert not [path for path in staged if "__pycache__" in path.parts]

    @FROM_CHECKOUT
    def test_dockerignore_lets_a_plain_build_copy_the_same(self, level: Level) -> None:
        lines = (ROOT / ".dockerignore").read_text().splitlines()
        let_through = [line[1:] for line in lines if line.startswith("!")]
        assert "*" in lines
        for name in sources(level):
            assert any(Path(name).is_relative_to(shown) for shown in let_through), name

    def test_stage_gives_files_the_same_mode_everywhere(self, checkout: Path, tmp_path: Path) -> None:
        target = tmp_path / "staged"
        target.mkdir(mode=0o700)
        (checkout / "app/tts_app/a.py").chmod(0o600)
        stage(PROJECT, target, checkout)
        assert {path.stat().st_mode & 0o777 for path in target.rglob("*") if path.is_file()} == {0o644}


class TestDockerfiles:
    @RUN
    def test_dockerfiles_run_as_the_user_of_the_pods_by_number(self, level: Level) -> None:
        below = text(DEPENDENCIES) if "dependencies" in level.on else ""
        users = re.findall(r"^USER (.*)$", below + text(level).rpartition("\nFROM ")[2], re.M)
        assert users[-1:] == [f"{USER}:{USER}"]

    @RUN
    def test_dockerfiles_have_the_project_in_their_last_layers(self, level: Level) -> None:
        last = text(level).rpartition("\nFROM ")[2]
        copies = re.findall(r"^(?:COPY|RUN) (.*)$", last, re.M)
        assert all(copy.startswith("--from=project /opt/project/") for copy in copies[-2:])
        assert not [copy for copy in copies[:-2] if "project" in copy.partition("/")[0]]

    @ALL
    def test_dockerfiles_download_nothing_by_address(self, level: Level) -> None:
        assert not re.search(r"^ADD\b", text(level), re.M)
        assert set(re.findall(r"https?://[^/:'\"]+", text(level))) <= {"http://127.0.0.1"}

    @ALL
    def test_dockerfiles_begin_with_a_base_that_can_be_chosen(self, level: Level) -> None:
        stages = re.findall(r"^FROM \S+ AS (\S+)$", text(level), re.M)
        for base in re.findall(r"^FROM (\S+)", text(level), re.M):
            assert base in {
                "${BASE_IMAGE}",
                *(f"${{{LEVELS[name].argument}}}" for name in level.on),
                *stages,
                "scratch",
            }

    @ALL
    def test_dockerfiles_have_the_defaults_of_the_project(self, level: Level) -> None:
        defaults = dict(re.findall(r"^ARG (\w+)=(\S+)$", text(level), re.M))
        expected = {LEVELS[name].argument: f"{LEVELS[name].image}:{version()}" for name in level.on}
        expected |= {"BASE_IMAGE": BASE_IMAGE} if level.on_base else {}
        assert defaults == {**expected, "VERSION": version()}

    @FROM_CHECKOUT
    def test_dockerfiles_install_only_pinned_packages(self, level: Level) -> None:
        installs = [
            line
            for line in text(level).splitlines()
            if re.search(r"pip\S*( --python \S+)? (install|wheel) ", line)
        ]
        assert len(installs) >= 2
        for line in installs:
            assert "--require-hashes" in line or "--no-index" in line, line

    @FROM_CHECKOUT
    def test_dockerfiles_install_no_recommended_packages(self, level: Level) -> None:
        installs = [line for line in text(level).splitlines() if "apt-get install" in line]
        assert installs
        assert all("--no-install-recommends" in line for line in installs)

    @ALL
    def test_dockerfiles_compile_and_install_in_earlier_stages(self, level: Level) -> None:
        last = text(level).rpartition("\nFROM ")[2]
        assert last.partition("\n")[0] in {"system", "scratch", "${DEPENDENCIES_IMAGE}"}
        assert "\nRUN " not in last

    @each(DEPENDENCIES, OPERATOR)
    def test_dockerfiles_have_no_compiler_in_the_system_stage(self, level: Level) -> None:
        runtime = text(level).partition(" AS system\n")[2].partition("\nFROM ")[0]
        assert not re.search(r"gcc|build-essential|python3-(venv|pip|dev)|\bmake\b", runtime)

    @ALL
    def test_dockerfiles_keep_registry_settings_out_of_layers(self, level: Level) -> None:
        assert not re.search(
            r"^(ARG|ENV).*(PIP_|INDEX|PROXY|CERT|TOKEN|KEY|PASSWORD)", text(level), re.M | re.I
        )
        mounts = re.findall(r"--mount=\S+", text(level))
        assert all(re.fullmatch(r"--mount=type=secret,id=(pip\.conf|apt\.conf|ca\.crt)", m) for m in mounts)

    @each(DEPENDENCIES, OPERATOR)
    def test_dockerfiles_have_a_health_check(self, level: Level) -> None:
        assert re.search(r"^HEALTHCHECK (.|\\\n)*/healthz", text(level), re.M)

    @FROM_CHECKOUT
    def test_dockerfiles_copy_their_requirements(self, level: Level) -> None:
        assert {f"hack/requirements/{name}" for name in level.requirements} <= set(sources(level))

    @pytest.mark.parametrize(
        "runtime",
        [runtime for engine in ENGINES.values() for runtime in engine.runtimes if not runtime.built],
        ids=lambda runtime: runtime.image,
    )
    def test_images_that_are_not_built_here_have_what_they_are_built_from(self, runtime: Runtime) -> None:
        name = runtime.image.removeprefix(IMAGE_PREFIX)
        assert (ROOT / "hack" / "requirements" / f"{name}.txt").is_file()
        folder = name if name == VLLM.name else TORCH.name
        assert (ROOT / "docker" / folder / "Dockerfile").is_file()
        assert name in (ROOT / "docker" / "README.md").read_text(encoding="utf-8")


class TestRegistries:
    def test_pip_settings_are_those_of_this_machine_without_its_paths(self) -> None:
        listed = [
            "global.cert='/etc/mine.crt'",
            "global.index-url='https://one.example/simple'",
            "global.extra-index-url='https://two.example\\nhttps://three.example'",
            ":env:.index-url='https://four.example/simple'",
            ":env:.find-links='/opt/wheels'",
        ]
        assert pip_settings(listed, certificates=True) == (
            "[global]\n"
            "index-url = https://four.example/simple\n"
            "extra-index-url = https://two.example\n  https://three.example\n"
            "cert = /run/secrets/ca.crt\n"
        )

    def test_settings_are_empty_where_nothing_is_set(self) -> None:
        assert pip_settings([], certificates=False) == "[global]\n"
        assert apt_settings(['Dir::Cache "var/cache/apt";'], certificates=False) == ""

    def test_apt_settings_are_those_of_the_proxy(self) -> None:
        listed = ['Acquire::http::Proxy "http://proxy.example:3128";', 'Acquire::Languages "none";']
        assert apt_settings(listed, certificates=True) == (
            'Acquire::http::Proxy "http://proxy.example:3128";\n'
            'Acquire::https::CaInfo "/run/secrets/ca.crt";\n'
        )

    def test_with_updates_adds_the_updates_of_the_mirror(self) -> None:
        assert with_updates("deb http://mirror.example/debian bookworm main\n") == (
            "deb http://mirror.example/debian bookworm main\n"
            "deb http://mirror.example/debian bookworm-updates main\n"
            "deb http://mirror.example/debian-security bookworm-security main\n"
        )
        assert (
            with_updates("deb http://mirror.example/other x y\n") == "deb http://mirror.example/other x y\n"
        )

    def test_clean_base_keeps_nothing_of_this_machine(self, tmp_path: Path) -> None:
        (tmp_path / "etc/apt").mkdir(parents=True)
        (tmp_path / "etc/hostname").write_text("mine")
        (tmp_path / "etc/resolv.conf").write_text("nameserver 192.0.2.1")
        (tmp_path / "etc/apt/sources.list").write_text("deb http://mirror.example/debian bookworm main\n")
        clean_base(tmp_path)
        assert (tmp_path / "etc/hostname").read_text() == (tmp_path / "etc/resolv.conf").read_text() == ""
        assert "security" in (tmp_path / "etc/apt/sources.list").read_text()


class FakeBuilder:
    """A builder whose store is a list of names, and whose images have one layer: their keyed name."""

    def __init__(self) -> None:
        self.store: set[str] = set()
        self.orders: list[Order] = []
        self.loaded: list[Path] = []

    def base(self) -> str:
        return "base"

    def prepare(self) -> None:
        pass

    def base_reference(self) -> str:
        return "base:1"

    def local(self, name: str) -> str:
        return f"here/{name}"

    def has(self, name: str) -> bool:
        return self.local(name) in self.store

    def build(self, order: Order) -> None:
        self.orders.append(order)
        self.store |= set(order.tags)

    def save(self, name: str, folder: Path) -> None:
        assert self.has(name)
        layers = ["shared", self.orders[-1].tags[1]]
        complete(folder, self.local(name), config_of([put(folder, layer.encode()) for layer in layers]))

    def load(self, layout: Layout, name: str) -> None:
        assert layout.layers
        self.loaded.append(layout.folder)
        self.store.add(self.local(name))

    def forget(self, image: str, kept: Sequence[str]) -> None:
        keep = {self.local(name) for name in kept}
        self.store = {name for name in self.store if image not in name or name in keep}

    @property
    def built(self) -> list[str]:
        return [order.tags[0].removeprefix("here/tts-playground-").partition(":")[0] for order in self.orders]


def put(folder: Path, layer: bytes) -> str:
    """Have a layer among a layout's blobs, and return its digest."""
    digest = hashlib.sha256(layer).hexdigest()
    (folder / "blobs" / "sha256" / digest).write_bytes(layer)
    return f"sha256:{digest}"


def config_of(layers: Sequence[str]) -> bytes:
    return json.dumps({"rootfs": {"type": "layers", "diff_ids": list(layers)}}).encode()


def blobs(folder: Path) -> set[str]:
    return {path.name for path in (folder / "blobs" / "sha256").iterdir()}


class TestDocker:
    """Docker's engine is not here: a program that simulates it says what it is told, and saves one image."""

    @pytest.fixture
    def said(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        archive, said = tmp_path / "saved.tar", tmp_path / "said"
        layer = b"layer"
        config = config_of([f"sha256:{hashlib.sha256(layer).hexdigest()}"])
        manifest = [{"Config": "c.json", "RepoTags": ["thing:1"], "Layers": ["l/layer.tar"]}]
        with tarfile.open(archive, "w") as tar:
            contents = {
                "manifest.json": json.dumps(manifest).encode(),
                "c.json": config,
                "l/layer.tar": layer,
            }
            for name, data in contents.items():
                entry = tarfile.TarInfo(name)
                entry.size = len(data)
                tar.addfile(entry, io.BytesIO(data))
        program = tmp_path / "bin" / "docker"
        program.parent.mkdir()
        program.write_text(
            f"""#!/bin/sh
echo "$*" >>{said}
case $1 in
  save) cp {archive} "${{2#--output=}}";;
  load) tar -tf "${{2#--input=}}" >/dev/null && echo "Loaded image: docker.io/library/thing:1";;
  build) echo "#5 [packages 2/3] RUN pip"; echo "#5 1.2 some noise"; [ -f Dockerfile ];;
esac
"""
        )
        program.chmod(0o755)
        monkeypatch.setenv("PATH", f"{program.parent}:/usr/bin:/bin")
        return said

    def test_docker_saves_an_image_to_a_layout_and_loads_it(self, said: Path, tmp_path: Path) -> None:
        begin(tmp_path / "layout", tmp_path / "blobs")
        Docker().save("thing:1", tmp_path / "layout")
        layout = Layout(tmp_path / "layout")
        assert layout.name == "docker.io/library/thing:1"
        assert [path.read_bytes() for path in layout.layers] == [b"layer"]
        assert not list((tmp_path / "layout").glob("tmp*"))
        Docker().load(layout, "thing:key")
        assert said.read_text().splitlines()[-1] == "tag docker.io/library/thing:1 thing:key"

    def test_docker_build_shows_its_steps_and_says_why_it_failed(
        self, said: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        order = Order(
            ["thing:1"], tmp_path / "Dockerfile", tmp_path, {"A": "b"}, {"pip.conf": tmp_path / "p"}
        )
        monkeypatch.chdir(tmp_path)
        with pytest.raises(BuildError, match=r"(?s)`docker build` failed:.*some noise"):
            Docker().build(order)
        (tmp_path / "Dockerfile").touch()
        Docker().build(order)
        assert capsys.readouterr().err == "  #5 [packages 2/3] RUN pip\n" * 2
        assert said.read_text().splitlines()[-1] == (
            f"build --progress=plain --tag=thing:1 --build-arg=A=b --secret=id=pip.conf,src={tmp_path / 'p'} "
            f"--file={tmp_path / 'Dockerfile'} {tmp_path}"
        )


class TestWorkshop:
    @pytest.fixture(autouse=True)
    def stamps(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
        """Return what tells the models from others; none is fetched."""
        stamps = dict(STAMPS)
        monkeypatch.setattr(build, "fetch_package", lambda name, *_: tmp_path / "models" / name)
        monkeypatch.setattr(build, "bundle_stamp", lambda name: stamps[name])
        monkeypatch.setattr(build, "write_secrets", lambda folder: {"pip.conf": folder / "pip.conf"})
        return stamps

    @pytest.fixture
    def folder(self, tmp_path: Path) -> Path:
        folder = tmp_path / "images"
        folder.mkdir()
        return folder

    @pytest.fixture
    def builder(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> FakeBuilder:
        """Have `layouts` and `places` use this builder and the folder."""
        builder = FakeBuilder()
        monkeypatch.setattr(build, "builder", lambda: builder)
        monkeypatch.setenv("TTSP_CACHE", str(folder.parent))
        return builder

    def test_second_run_builds_nothing(self, builder: FakeBuilder, folder: Path) -> None:
        first, second = build.layouts(), build.layouts()
        assert first == second
        assert sorted(builder.built) == sorted(LEVELS)
        assert [path.name.rpartition("-")[0] for path in first] == [
            f"tts-playground-{name}-{version()}" for name in IMAGES
        ]
        assert [Layout(path).name for path in first] == [
            f"here/tts-playground-{name}:{version()}" for name in IMAGES
        ]

    def test_engine_image_is_built_from_its_current_parts(self, folder: Path, tmp_path: Path) -> None:
        builder = FakeBuilder()
        Workshop(builder, folder).layout(KOKORO)
        assert builder.built == ["dependencies", "project", "kokoro"]
        dependencies, project, kokoro = builder.orders
        assert kokoro.arguments == {
            "DEPENDENCIES_IMAGE": dependencies.tags[1],
            "PROJECT_IMAGE": project.tags[1],
            "VERSION": version(),
        }
        assert kokoro.context == tmp_path / "models"
        assert dependencies.arguments == {"BASE_IMAGE": "base:1", "UPDATES": "", "VERSION": version()}
        assert set(dependencies.secrets) == set(project.secrets) == {"pip.conf"}
        assert kokoro.secrets == {}

    def test_image_of_torch_is_built_by_its_name_alone(self, builder: FakeBuilder, folder: Path) -> None:
        (first,) = build.layouts(["kokoro"])
        (made,) = build.layouts(["kokoro-torch"])
        assert builder.built == ["dependencies", "project", "kokoro", "kokoro-torch"]
        order = builder.orders[-1]
        assert order.dockerfile == ROOT / "docker" / "torch" / "Dockerfile"
        assert order.arguments["ENGINE"] == "kokoro-torch"
        assert set(order.arguments) == {"DEPENDENCIES_IMAGE", "PROJECT_IMAGE", "ENGINE", "VERSION"}
        assert set(order.secrets) == {"pip.conf"}
        assert Layout(made).name == f"here/tts-playground-kokoro-torch:{version()}"
        assert build.layouts(["kokoro"]) == [first], "an image whose name begins alike is no version of it"

    def test_one_layout_of_an_image_of_torch_is_kept(self, builder: FakeBuilder, folder: Path) -> None:
        made = []
        for number, moment in enumerate(("2026-11-01T00:00:00", "2026-11-02T00:00:00")):
            (folder / "updates").write_text(moment)
            made += build.layouts(["vits"])
            os.utime(made[-1], (number, number))
        assert set(folder.glob("tts-playground-vits-*")) == {made[-1]}

    def test_keys_are_of_one_moment(self, folder: Path, stamps: dict[str, str]) -> None:
        """What changes while images are built does not give one of them the name of what it does not hold."""
        workshop = Workshop(FakeBuilder(), folder)
        before = workshop.place(LEVELS["dependencies"]), workshop.place(KOKORO)
        stamps[BUNDLE] = "two"
        assert (workshop.place(LEVELS["dependencies"]), workshop.place(KOKORO)) == before
        assert Workshop(FakeBuilder(), folder).place(KOKORO) != before[1]

    def test_emptied_store_is_filled_from_layouts(self, folder: Path, stamps: dict[str, str]) -> None:
        builder = FakeBuilder()
        Workshop(builder, folder).layout(KOKORO)
        builder.store.clear()
        stamps[BUNDLE] = "two"
        Workshop(builder, folder).layout(KOKORO)
        assert builder.built == ["dependencies", "project", "kokoro", "kokoro"]
        workshop = Workshop(builder, folder)
        assert builder.loaded == [workshop.place(DEPENDENCIES), workshop.place(PROJECT)]

    def test_shared_layers_are_kept_once(self, builder: FakeBuilder, folder: Path) -> None:
        made = [Layout(path) for path in build.layouts()]
        assert len({layout.layers[0].resolve() for layout in made}) == 1
        assert len({layout.layers[1].resolve() for layout in made}) == len(IMAGES)

    def test_last_three_layouts_of_an_image_are_kept(
        self, builder: FakeBuilder, folder: Path, stamps: dict[str, str]
    ) -> None:
        made = []
        for number, stamp in enumerate(("one", "two", "three", "one", "four")):
            stamps[BUNDLE] = stamp
            made += build.layouts(["kokoro"])
            os.utime(made[-1], (number, number))
        kept = set(folder.glob("tts-playground-kokoro-*"))
        assert kept == {made[0], made[2], made[4]}
        assert builder.built.count("kokoro") == 4
        layouts = [Layout(path) for path in folder.glob("tts-playground-*")]
        assert blobs(folder) == {digest[7:] for layout in layouts for digest in layout.digests}

    def test_fresh_builds_all_images_again_once(self, builder: FakeBuilder) -> None:
        before = build.layouts()
        assert {order.arguments.get("UPDATES", "") for order in builder.orders} == {""}
        after = build.layouts(fresh=True)
        assert build.layouts() == after == build.places()
        assert not set(before) & set(after)
        assert sorted(builder.built) == sorted([*LEVELS, *LEVELS])
        again = builder.orders[len(LEVELS) :]
        dates = [order.arguments["UPDATES"] for order in again if "UPDATES" in order.arguments]
        assert len(dates) == 3
        assert len(set(dates)) == 1
        assert dates[0] > "2026"

    def test_places_are_known_without_building(self, builder: FakeBuilder, folder: Path) -> None:
        places = build.places()
        assert not builder.orders
        assert not list(folder.iterdir())
        assert places == build.layouts()

    @pytest.mark.parametrize("step", ["build", "save"])
    def test_stopped_build_leaves_nothing_unfinished_and_resumes(
        self,
        builder: FakeBuilder,
        folder: Path,
        step: str,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        real: Callable[..., None] = getattr(builder, step)

        def stops(*arguments: object) -> None:
            real(*arguments)
            if builder.built[-1] == "app":
                raise KeyboardInterrupt

        with monkeypatch.context() as patch:
            patch.setattr(builder, step, stops)
            with pytest.raises(KeyboardInterrupt):
                build.layouts()
        done = ["project", "operator", "dependencies"]
        assert builder.built == [*done, "app"]
        names = [path.name.split("-")[2] for path in folder.glob("tts-playground-*")]
        assert sorted(names) == sorted(done)
        assert [path.is_dir() for path in build.layouts()] == [True] * len(IMAGES)
        assert builder.built == [*done, "app", "app", "kokoro", "llamacpp"]
        assert not list(folder.glob(".making-*"))

    def test_leftovers_of_a_killed_run_are_removed(self, builder: FakeBuilder, folder: Path) -> None:
        (folder / ".making-one" / "blobs").mkdir(parents=True)
        (folder / "blobs" / "sha256" / ".unfinished-two").mkdir(parents=True)
        (folder / "blobs" / "sha256" / "three").touch()
        archive = folder / f"tts-playground-app-{version()}-0123456789ab.tar"
        archive.touch()
        build.layouts()
        assert not archive.exists()
        assert not list(folder.glob(".making-*"))
        assert blobs(folder).isdisjoint({".unfinished-two", "three"})

    def test_two_runs_at_once_build_once(
        self, builder: FakeBuilder, folder: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        begun, go_on = threading.Event(), threading.Event()
        real = builder.build

        def waits(order: Order) -> None:
            begun.set()
            assert go_on.wait(60)
            real(order)

        builder.build = waits  # type: ignore[method-assign]
        first = threading.Thread(target=build.layouts)
        first.start()
        assert begun.wait(60)
        found: list[Path] = []
        second = threading.Thread(target=lambda: found.extend(build.layouts()))
        second.start()
        said = ""
        while "waiting for it" not in said:
            said += capsys.readouterr().err
        go_on.set()
        first.join()
        second.join()
        assert found == build.places()
        assert sorted(builder.built) == sorted(LEVELS)

    def test_images_command_prints_where_the_images_are(
        self,
        builder: FakeBuilder,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        def run(*arguments: str) -> tuple[int, list[str]]:
            monkeypatch.setattr("sys.argv", ["images", *arguments])
            return cli.main(), capsys.readouterr().out.splitlines()

        places = [str(path) for path in build.places(["app"])]
        assert run("--print", "app") == (3, places)
        assert run("app") == (0, places)
        assert run("--print", "app") == (0, places)
        written = tmp_path / f"tts-playground-app-{version()}.tar"
        assert run("app", "--archives", str(tmp_path)) == (0, [str(written)])
        with tarfile.open(written) as tar:
            assert "manifest.json" in tar.getnames()

    def test_images_command_says_what_is_wrong(
        self,
        builder: FakeBuilder,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        monkeypatch.setattr("sys.argv", ["images", "--archives", str(tmp_path / "none")])
        with pytest.raises(SystemExit):
            cli.main()
        assert f"{tmp_path / 'none'} is no folder" in capsys.readouterr().err
        monkeypatch.setattr("sys.argv", ["images", "--print", "--archives", str(tmp_path)])
        with pytest.raises(SystemExit):
            cli.main()

        def fails(_order: Order) -> None:
            raise BuildError("no space left")

        builder.build = fails  # type: ignore[method-assign]
        monkeypatch.setattr("sys.argv", ["images"])
        assert cli.main() == 1
        assert capsys.readouterr().err.endswith("images: no space left\n")


def text(level: Level) -> str:
    return level.dockerfile().read_text()


def sources(level: Level) -> list[str]:
    """Return what the Dockerfile copies from its context."""
    copies = re.findall(r"^COPY (?!--from)(.*)$", text(level), re.M)
    return [name for copy in copies for name in copy.split()[:-1]]
