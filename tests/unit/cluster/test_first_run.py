"""The first run on a machine that never ran it: nothing in the cache, nothing in the home.

Go, the system packages and what keeps the cluster are simulated; folders, processes and signals are real.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from cluster import background, build, node, single
from cluster.binaries import BINARIES, CONTROL_PLANE, NODE
from cluster.build import PrerequisiteError
from cluster.control_plane import ControlPlane
from cluster.process import StartError

HACK = Path(build.__file__).parent
SIMULATED_GO = """#!/bin/sh
# Answers as Go does; `build` writes a program, and waits at the one that the file `stop` names.
case "$1 $2" in
"list "*) exit 0 ;;
"mod "*) echo "{\\"Dir\\": \\"$SIMULATED/module\\"}"; exit 0 ;;
esac
while [ "$1" != -o ]; do shift; done
echo "$(basename "$2")" >> "$SIMULATED/built"
case "$(basename "$2")" in
"$(cat "$SIMULATED/stop")"-*) touch "$2" "$SIMULATED/stopped"; exec sleep 60 ;;
esac
printf '#!/bin/sh\\n' > "$2"
chmod 755 "$2"
"""
SIMULATED_KEEPER = """
import sys, time
from cluster import background, node, single
from cluster.control_plane import ControlPlane

class Simulated(ControlPlane):
    def __init__(self):
        super().__init__(folder=node.run_folder())
    def _prepare(self):
        self.lock = single.take(node.lock())
        self._wanted_folder.mkdir()
    def _start(self):
        self.on_step("starting one")
        time.sleep({seconds})
        {then}
        self.on_step("starting another")

background.until_asked_to_end(Simulated(), background._say_up)
"""


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home that is empty, a cache that is not there, and a simulated Go; return the cache."""
    home, programs = tmp_path / "home", tmp_path / "simulated"
    kept = {programs / "module" / binary.files for binary in BINARIES.values() if binary.files}
    for folder in (home, *kept):
        folder.mkdir(parents=True)
        (folder / "file.yaml").write_text("kind: Simulated\n")
        (folder / "file.yaml").chmod(0o444)
    go = programs / "go"
    go.write_text(SIMULATED_GO)
    go.chmod(0o755)
    (programs / "stop").touch()
    cache = tmp_path / "not" / "there"
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("TTSP_CACHE", str(cache))
    monkeypatch.setenv("SIMULATED", str(programs))
    monkeypatch.setenv("PATH", f"{programs}:/usr/bin:/bin")
    return cache


def hack_cluster(*arguments: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, str(HACK), *arguments], stderr=subprocess.PIPE, text=True, start_new_session=True
    )


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def until(holds: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < deadline, what
        time.sleep(0.02)


def test_build_fills_a_new_cache(machine: Path) -> None:
    building = hack_cluster("build")
    _, said = building.communicate(timeout=60)
    assert building.returncode == 0, said
    build.check(NODE)
    assert os.access(build.path_of("kube-apiserver"), os.X_OK)
    copied = build.files_of("kueue") / "file.yaml"
    assert copied.read_text() == "kind: Simulated\n"
    assert os.access(copied, os.W_OK), "what lies in the cache can be removed"
    count = len(NODE)
    lines = said.splitlines()
    assert lines[0].startswith(f"[1/{count}] building etcd {BINARIES['etcd'].version} ... about ")
    assert lines[0].endswith(" min left")
    assert lines[-1] == f"[{count}/{count}] pause took 0 s"


def test_build_that_was_killed_resumes(machine: Path, tmp_path: Path) -> None:
    simulated = tmp_path / "simulated"
    (simulated / "stop").write_text("kube-controller-manager")
    first = hack_cluster("build", "control-plane")
    until((simulated / "stopped").exists, "the build does not come to the third program")
    os.killpg(first.pid, signal.SIGKILL)
    first.communicate()
    left = [name for name in names(machine / "bin") if name.startswith(".unfinished")]
    assert len(left) == 1, "the trial leaves what has to be removed"
    with pytest.raises(
        PrerequisiteError,
        match=r"kube-controller-manager-\S+, kubectl-\S+, .*hack/cluster build control-plane`",
    ):
        build.check(CONTROL_PLANE)

    (simulated / "stop").write_text("")
    (simulated / "built").unlink()
    second = hack_cluster("build", "control-plane")
    _, said = second.communicate(timeout=60)
    assert second.returncode == 0, said
    build.check(CONTROL_PLANE)
    built = (simulated / "built").read_text().split()
    left = CONTROL_PLANE[2:]
    assert built == [build.path_of(name).name for name in left if BINARIES[name].package]
    assert said.startswith(f"[1/{len(left)}] building kube-controller-manager ")
    assert not [name for name in names(machine / "bin") if name.startswith(".unfinished")]


def test_build_that_is_interrupted_says_that_it_resumes(machine: Path, tmp_path: Path) -> None:
    simulated = tmp_path / "simulated"
    (simulated / "stop").write_text("etcd")
    building = hack_cluster("build")
    until((simulated / "stopped").exists, "the build does not begin")
    os.killpg(building.pid, signal.SIGINT)
    _, said = building.communicate(timeout=60)
    assert building.returncode == 130
    assert said.splitlines()[-1] == "cluster: stopped. What is built stays: the same command goes on there."
    assert names(machine / "bin") == [".lock"]


def test_build_takes_a_relative_cache_path(
    machine: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Go runs in other folders: they must not be where the programs go."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TTSP_CACHE", "here")
    build.build(["helm"])
    assert (tmp_path / "here" / "bin" / build.path_of("helm").name).is_file()


def test_control_plane_without_programs_says_how_to_build_them(machine: Path) -> None:
    with (
        pytest.raises(
            PrerequisiteError, match=r"Build them: `\.venv/bin/python hack/cluster build control-plane`"
        ),
        ControlPlane(),
    ):
        pass
    assert not machine.exists()


def test_cluster_status_and_import_fail_without_a_cluster(machine: Path) -> None:
    status, importing = hack_cluster("status"), hack_cluster("import", "image.tar")
    assert (status.wait(60), importing.wait(60)) == (3, 1)
    assert importing.communicate()[1] == "cluster: no cluster is up: `make cluster-up` starts one\n"
    status.communicate()
    assert not machine.exists()


def test_check_length_refuses_a_cache_path_too_long_for_sockets(tmp_path: Path) -> None:
    room = 107 - len("/kubelet/device-plugins/kubelet.sock")
    node.check_length(Path("/" + "x" * (room - 1)))
    with pytest.raises(PrerequisiteError, match=r"is 1 bytes too long .* TTSP_CACHE"):
        node.check_length(Path("/" + "x" * room))


class TestUp:
    """`up` and what it starts: a simulated keeper, which is a real process with the real lock and signals."""

    @pytest.fixture(autouse=True)
    def _simulated(self, machine: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
        for name in ("check_root", "prepare", "remove_everything"):
            monkeypatch.setattr(background, name, lambda: None)
        monkeypatch.setenv("PYTHONPATH", str(HACK.parent), prepend=os.pathsep)
        self.monkeypatch = monkeypatch
        yield
        if pid := single.holder(node.lock()):
            os.kill(pid, signal.SIGKILL)

    def keeper(self, seconds: float = 0, then: str = "pass") -> None:
        source = SIMULATED_KEEPER.format(seconds=seconds, then=then)
        self.monkeypatch.setattr(background, "keeper_command", lambda: [sys.executable, "-c", source])

    def test_up_reports_its_steps_and_down_ends_the_cluster(
        self, machine: Path, capfd: pytest.CaptureFixture[str]
    ) -> None:
        self.keeper()
        background.up()
        said = capfd.readouterr().err.splitlines()
        assert said[:2] == ["starting one", "starting another"]
        assert said[2].startswith("the cluster is up after ")
        assert background.kubeconfig() == machine / "cluster" / "run" / "admin.kubeconfig"
        assert (background.programs() / "helm").readlink() == build.path_of("helm")
        background.up()
        assert capfd.readouterr().err == "", "a second time there is nothing to do"
        background.down()
        assert background.kubeconfig() is None
        assert not node.run_folder().exists()

    def test_up_that_fails_names_its_log(self, machine: Path, capfd: pytest.CaptureFixture[str]) -> None:
        self.keeper(then="raise RuntimeError('there is no room')")
        log = machine / "cluster" / "keeper.log"
        with pytest.raises(StartError, match=f"did not come up; .*{log}"):
            background.up()
        assert "there is no room" in capfd.readouterr().err
        assert "there is no room" in log.read_text()

    def test_up_ends_what_it_started_on_ctrl_c(self, capfd: pytest.CaptureFixture[str]) -> None:
        self.keeper(seconds=0.5)

        def interrupt() -> None:
            until(node.run_folder().exists, "the keeper does not begin")
            os.kill(os.getpid(), signal.SIGINT)

        with pytest.raises(KeyboardInterrupt), ThreadPoolExecutor() as pool:
            pool.submit(interrupt)
            background.up()
        said = capfd.readouterr().err
        assert "ending what was started ..." in said
        assert "starting another" not in said + background.log().read_text(), "it ends between two steps"
        assert single.holder(node.lock()) is None
        assert not node.run_folder().exists()

    def test_kubeconfig_of_a_killed_cluster_is_none(self) -> None:
        self.keeper()
        background.up()
        pid = single.holder(node.lock())
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        assert (node.run_folder() / "up").exists()
        assert background.kubeconfig() is None
