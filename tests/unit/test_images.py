"""What goes into the images, when they are built again, and the rules that their Dockerfiles keep."""

import os
import re
import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest

from images import build
from images.build import Workshop
from images.builders import Order, clean_base, with_updates
from images.levels import BASE_IMAGE, LEVELS, ROOT, Level, key, stage, version
from images.registries import apt_settings, pip_settings
from tts_operator.desired.pods import USER

OPERATOR, APP, KOKORO = (LEVELS[name] for name in ("operator", "app", "kokoro"))
TRANSFORMERS = Level("transformers", requirements=("images.txt", "transformers.txt"), on="app")
VLLM = Level("vllm", requirements=("images.txt", "vllm.txt"))
UNBUILT = (TRANSFORMERS, VLLM)
"""Too big to be built here."""
ALL = pytest.mark.parametrize("level", [*LEVELS.values(), *UNBUILT], ids=lambda level: level.name)
WITH_PROJECT = pytest.mark.parametrize("level", [OPERATOR, APP], ids=str)
FROM_CHECKOUT = pytest.mark.parametrize("level", [OPERATOR, APP, *UNBUILT], ids=lambda level: level.name)
BUNDLE = "kokoro-82m/int8"


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


class TestKey:
    @pytest.mark.parametrize(
        ("changed", "others"),
        [
            ("app/tts_app/api/b.py", {"operator", "app", "kokoro", "llamacpp"}),
            ("app/ui/c.html", {"operator", "app", "kokoro", "llamacpp"}),
            ("docker/app/Dockerfile", {"app", "kokoro", "llamacpp"}),
            ("docker/kokoro/Dockerfile", {"kokoro"}),
            ("docker/llamacpp/Dockerfile", {"llamacpp"}),
            ("hack/requirements/operator.txt", {"operator"}),
            ("hack/requirements/dev.txt", set()),
            ("README.md", set()),
            ("tests/unit/f.py", set()),
        ],
    )
    def test_changes_with_what_is_in_the_image(
        self, checkout: Path, models: Path, changed: str, others: set[str]
    ) -> None:
        before = {name: key(level, "base", models, checkout) for name, level in LEVELS.items()}
        with (checkout / changed).open("a") as file:
            file.write("#")
        after = {name: key(level, "base", models, checkout) for name, level in LEVELS.items()}
        assert {name for name in LEVELS if before[name] != after[name]} == others

    def test_changes_with_a_new_file_and_with_its_name(self, checkout: Path, models: Path) -> None:
        keys = [key(APP, "base", models, checkout)]
        (checkout / "app/tts_app/new.py").write_text("")
        keys.append(key(APP, "base", models, checkout))
        (checkout / "app/tts_app/new.py").rename(checkout / "app/tts_app/newer.py")
        keys.append(key(APP, "base", models, checkout))
        assert len(set(keys)) == 3

    def test_changes_with_the_base_image(self, checkout: Path, models: Path) -> None:
        for level in LEVELS.values():
            assert key(level, "base", models, checkout) != key(level, "other", models, checkout)

    def test_of_the_engine_changes_with_its_model(self, checkout: Path, models: Path) -> None:
        before = key(KOKORO, "base", models, checkout)
        (models / BUNDLE / ".bundle.sha256").write_text("two")
        assert key(KOKORO, "base", models, checkout) != before

    def test_does_not_change_with_bytecode_and_times(self, checkout: Path, models: Path) -> None:
        before = key(APP, "base", models, checkout)
        (checkout / "app/tts_app/__pycache__").mkdir()
        (checkout / "app/tts_app/__pycache__/a.pyc").write_text("")
        os.utime(checkout / "app/tts_app/a.py", (1, 1))
        assert key(APP, "base", models, checkout) == before

    def test_does_not_change_with_the_settings_of_linters(self, checkout: Path, models: Path) -> None:
        before = key(APP, "base", models, checkout)
        project = checkout / "pyproject.toml"
        project.write_text(project.read_text().replace("line-length = 110", "line-length = 111"))
        assert key(APP, "base", models, checkout) == before
        project.write_text(project.read_text().replace("[project.scripts]", '[project.scripts]\nx = "y:z"'))
        assert key(APP, "base", models, checkout) != before


class TestStage:
    @WITH_PROJECT
    def test_holds_what_the_dockerfile_copies_and_nothing_else(self, level: Level, tmp_path: Path) -> None:
        stage(level, tmp_path)
        copied = sources(level)
        assert all((tmp_path / name).exists() for name in copied)
        staged = [path.relative_to(tmp_path) for path in tmp_path.rglob("*") if path.is_file()]
        assert [path for path in staged if not any(path.is_relative_to(name) for name in copied)] == []
        assert not [path for path in staged if "__pycache__" in path.parts]

    @FROM_CHECKOUT
    def test_a_plain_build_from_the_checkout_gets_it_too(self, level: Level) -> None:
        lines = (ROOT / ".dockerignore").read_text().splitlines()
        let_through = [line[1:] for line in lines if line.startswith("!")]
        assert "*" in lines
        for name in sources(level):
            assert any(Path(name).is_relative_to(shown) for shown in let_through), name

    def test_modes_are_the_same_everywhere(self, checkout: Path, tmp_path: Path) -> None:
        target = tmp_path / "staged"
        target.mkdir(mode=0o700)
        (checkout / "app/tts_app/a.py").chmod(0o600)
        stage(APP, target, checkout)
        assert {path.stat().st_mode & 0o777 for path in target.rglob("*") if path.is_file()} == {0o644}


class TestDockerfiles:
    @ALL
    def test_run_as_the_user_of_the_pods_by_number(self, level: Level) -> None:
        users = re.findall(r"^USER (.*)$", text(level), re.M)
        assert users[-1:] == [f"{USER}:{USER}"]

    @ALL
    def test_bring_nothing_from_addresses(self, level: Level) -> None:
        assert not re.search(r"^ADD\b", text(level), re.M)
        assert set(re.findall(r"https?://[^/:'\"]+", text(level))) <= {"http://127.0.0.1"}

    @ALL
    def test_begin_with_a_base_that_can_be_chosen(self, level: Level) -> None:
        stages = re.findall(r"^FROM \S+ AS (\S+)$", text(level), re.M)
        for base in re.findall(r"^FROM (\S+)", text(level), re.M):
            assert base in {"${BASE_IMAGE}", "${APP_IMAGE}", *stages}

    @ALL
    def test_have_the_defaults_of_the_project(self, level: Level) -> None:
        defaults = dict(re.findall(r"^ARG (\w+)=(\S+)$", text(level), re.M))
        expected = {"BASE_IMAGE": BASE_IMAGE, "APP_IMAGE": f"{APP.image}:{version()}", "VERSION": version()}
        assert defaults == {name: expected[name] for name in defaults}
        assert "VERSION" in defaults

    @FROM_CHECKOUT
    def test_install_pinned_packages_only(self, level: Level) -> None:
        installs = [
            line
            for line in text(level).splitlines()
            if re.search(r"pip\S*( --python \S+)? (install|wheel) ", line)
        ]
        assert len(installs) >= (3 if level.on else 4)
        for line in installs:
            assert "--require-hashes" in line or "--no-index" in line, line

    @WITH_PROJECT
    def test_install_nothing_that_is_only_recommended(self, level: Level) -> None:
        installs = [line for line in text(level).splitlines() if "apt-get install" in line]
        assert installs
        assert all("--no-install-recommends" in line for line in installs)

    @WITH_PROJECT
    def test_compile_and_install_in_other_stages(self, level: Level) -> None:
        last = text(level).rpartition("\nFROM ")[2]
        assert last.startswith("system\n")
        assert "\nRUN " not in last
        runtime = text(level).partition(" AS system\n")[2].partition("\nFROM ")[0]
        assert not re.search(r"gcc|build-essential|python3-(venv|pip|dev)|\bmake\b", runtime)

    @ALL
    def test_keep_settings_of_registries_out_of_layers(self, level: Level) -> None:
        assert not re.search(
            r"^(ARG|ENV).*(PIP_|INDEX|PROXY|CERT|TOKEN|KEY|PASSWORD)", text(level), re.M | re.I
        )
        mounts = re.findall(r"--mount=\S+", text(level))
        assert all(re.fullmatch(r"--mount=type=secret,id=(pip\.conf|apt\.conf|ca\.crt)", m) for m in mounts)

    @WITH_PROJECT
    def test_tell_their_health(self, level: Level) -> None:
        assert re.search(r"^HEALTHCHECK (.|\\\n)*/healthz", text(level), re.M)

    @FROM_CHECKOUT
    def test_name_their_requirements(self, level: Level) -> None:
        assert {f"hack/requirements/{name}" for name in level.requirements} <= set(sources(level))


class TestRegistries:
    def test_pip_settings_are_this_machines_without_its_paths(self) -> None:
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

    def test_where_nothing_is_set_nothing_is_said(self) -> None:
        assert pip_settings([], certificates=False) == "[global]\n"
        assert apt_settings(['Dir::Cache "var/cache/apt";'], certificates=False) == ""

    def test_apt_settings_are_those_of_the_way_out(self) -> None:
        listed = ['Acquire::http::Proxy "http://proxy.example:3128";', 'Acquire::Languages "none";']
        assert apt_settings(listed, certificates=True) == (
            'Acquire::http::Proxy "http://proxy.example:3128";\n'
            'Acquire::https::CaInfo "/run/secrets/ca.crt";\n'
        )

    def test_the_base_gets_the_updates_of_its_mirror(self) -> None:
        assert with_updates("deb http://mirror.example/debian bookworm main\n") == (
            "deb http://mirror.example/debian bookworm main\n"
            "deb http://mirror.example/debian bookworm-updates main\n"
            "deb http://mirror.example/debian-security bookworm-security main\n"
        )
        assert (
            with_updates("deb http://mirror.example/other x y\n") == "deb http://mirror.example/other x y\n"
        )

    def test_the_base_keeps_nothing_of_this_machine(self, tmp_path: Path) -> None:
        (tmp_path / "etc/apt").mkdir(parents=True)
        (tmp_path / "etc/hostname").write_text("mine")
        (tmp_path / "etc/resolv.conf").write_text("nameserver 192.0.2.1")
        (tmp_path / "etc/apt/sources.list").write_text("deb http://mirror.example/debian bookworm main\n")
        clean_base(tmp_path)
        assert (tmp_path / "etc/hostname").read_text() == (tmp_path / "etc/resolv.conf").read_text() == ""
        assert "security" in (tmp_path / "etc/apt/sources.list").read_text()


class FakeBuilder:
    """A builder whose store is a list of names."""

    def __init__(self) -> None:
        self.store: set[str] = set()
        self.orders: list[Order] = []
        self.loaded: list[Path] = []

    def base(self) -> str:
        return "base"

    def base_reference(self) -> str:
        return "base:1"

    def local(self, name: str) -> str:
        return f"here/{name}"

    def has(self, name: str) -> bool:
        return self.local(name) in self.store

    def build(self, order: Order) -> None:
        self.orders.append(order)
        self.store |= set(order.tags)

    def save(self, name: str, target: Path) -> None:
        assert self.has(name)
        target.write_text(name)

    def load(self, archive: Path, name: str) -> None:
        assert archive.is_file()
        self.loaded.append(archive)
        self.store.add(self.local(name))

    def forget(self, image: str, kept: Sequence[str]) -> None:
        keep = {self.local(name) for name in kept}
        self.store = {name for name in self.store if image not in name or name in keep}

    @property
    def built(self) -> list[str]:
        return [order.tags[0].removeprefix("here/tts-playground-").partition(":")[0] for order in self.orders]


class TestWorkshop:
    @pytest.fixture(autouse=True)
    def _no_downloads(self, models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(build, "fetch_package", lambda name, *_: models / name)
        monkeypatch.setattr(build, "write_secrets", lambda folder: {"pip.conf": folder / "pip.conf"})

    def test_a_second_run_builds_nothing(self, tmp_path: Path) -> None:
        builder = FakeBuilder()
        first = [Workshop(builder, tmp_path).archive(level) for level in LEVELS.values()]
        second = [Workshop(builder, tmp_path).archive(level) for level in LEVELS.values()]
        assert first == second
        assert builder.built == [*LEVELS]
        assert [path.name.rpartition("-")[0] for path in first] == [
            f"tts-playground-{name}-{version()}" for name in LEVELS
        ]

    def test_the_engine_is_built_on_the_app_as_it_is_now(self, tmp_path: Path, models: Path) -> None:
        builder = FakeBuilder()
        Workshop(builder, tmp_path).archive(KOKORO)
        assert builder.built == ["app", "kokoro"]
        app, kokoro = builder.orders
        assert kokoro.arguments["APP_IMAGE"] == app.tags[1]
        assert kokoro.context == models
        assert app.arguments == {"BASE_IMAGE": "base:1", "UPDATES": "", "VERSION": version()}
        assert set(app.secrets) == {"pip.conf"}
        assert kokoro.secrets == {}

    def test_a_store_that_was_emptied_is_filled_from_the_archive(self, tmp_path: Path) -> None:
        builder = FakeBuilder()
        app = Workshop(builder, tmp_path).archive(APP)
        builder.store.clear()
        Workshop(builder, tmp_path).archive(KOKORO)
        assert builder.built == ["app", "kokoro"]
        assert builder.loaded == [app]

    def test_a_new_archive_takes_the_place_of_the_old(self, tmp_path: Path, models: Path) -> None:
        builder = FakeBuilder()
        old = Workshop(builder, tmp_path).archive(KOKORO)
        (models / BUNDLE / ".bundle.sha256").write_text("two")
        new = Workshop(builder, tmp_path).archive(KOKORO)
        assert new != old
        assert sorted(tmp_path.glob("*kokoro*")) == [new]
        assert builder.built == ["app", "kokoro", "kokoro"]
        assert len([name for name in builder.store if "kokoro" in name]) == 2

    def test_fresh_makes_all_old_once(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        builder = FakeBuilder()
        monkeypatch.setattr(build, "builder", lambda: builder)
        monkeypatch.setenv("TTSP_CACHE", str(tmp_path))
        before = build.archives()
        assert {order.arguments.get("UPDATES", "") for order in builder.orders} == {""}
        after = build.archives(fresh=True)
        assert build.archives() == after == build.places()
        assert not set(before) & set(after)
        assert builder.built == [*LEVELS, *LEVELS]
        again = builder.orders[len(LEVELS) :]
        dates = [order.arguments["UPDATES"] for order in again if "UPDATES" in order.arguments]
        assert len(dates) == 2
        assert dates[0] == dates[1] > "2026"

    def test_a_place_is_told_without_building(self, tmp_path: Path) -> None:
        builder = FakeBuilder()
        place = Workshop(builder, tmp_path).place(APP)
        assert not builder.orders
        assert place == Workshop(builder, tmp_path).archive(APP)

    def test_what_cannot_be_written_leaves_the_old_archive(self, tmp_path: Path, models: Path) -> None:
        builder = FakeBuilder()
        old = Workshop(builder, tmp_path).archive(KOKORO)
        (models / BUNDLE / ".bundle.sha256").write_text("two")

        def fails(_name: str, _target: Path) -> None:
            raise OSError("no space left")

        builder.save = fails  # type: ignore[method-assign]
        with pytest.raises(OSError, match="no space"):
            Workshop(builder, tmp_path).archive(KOKORO)
        assert sorted(path.name for path in tmp_path.glob("*kokoro*")) == [old.name]


def text(level: Level) -> str:
    return level.dockerfile().read_text()


def sources(level: Level) -> list[str]:
    """Return what the Dockerfile copies from its context."""
    copies = re.findall(r"^COPY (?!--from)(.*)$", text(level), re.M)
    return [name for copy in copies for name in copy.split()[:-1]]
