"""Build the binaries once per machine, and keep them in the cache.

What was built stays when the rest is interrupted or fails; the next run resumes there.
"""

import fcntl
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from cluster.binaries import BINARIES, SETS, Binary
from cluster.estimate import in_words, seconds_left

MODULES = Path(__file__).parent / "modules"
_UNFINISHED = ".unfinished-build-"


class PrerequisiteError(Exception):
    """The machine lacks something that it must have; the message says what to do."""


class BuildError(Exception):
    """A Go build failed; the message is Go's."""


def cache_folder() -> Path:
    """Return the project's cache: `TTSP_CACHE`, else `~/.cache/tts-playground`."""
    # Absolute, because programs that run in other folders get it too.
    return Path(os.environ.get("TTSP_CACHE") or "~/.cache/tts-playground").expanduser().absolute()


def path_of(name: str) -> Path:
    """Return the path of a binary, which may not exist yet."""
    return cache_folder() / "bin" / f"{name}-{BINARIES[name].version}"


def files_of(name: str) -> Path:
    """Return the folder of the files kept of a module: CRDs, Kueue's chart."""
    return cache_folder() / "bin" / f"{name}-files-{BINARIES[name].version}"


def require(program: str, purpose: str) -> None:
    """Fail if a program is missing, and say what to do."""
    if shutil.which(program) is None:
        raise PrerequisiteError(f"{program} is missing ({purpose}). Install it, then run this again.")


def go_program() -> str:
    """Return the path of Go: the system's, else the one that `hack/setup go` puts beside this Python."""
    beside = Path(sys.executable).with_name("go")
    return "go" if shutil.which("go") or not beside.is_file() else str(beside)


def check(names: Iterable[str]) -> None:
    """Fail if the cache lacks binaries, and name the command that builds them; build nothing."""
    if missing := _missing(names):
        raise PrerequisiteError(
            f"Not in {cache_folder() / 'bin'}: {', '.join(path_of(name).name for name in missing)}. "
            f"Build them: `.venv/bin/python hack/cluster build {_set_of(missing)}` "
            "(some minutes, once a machine)."
        )


def _set_of(names: Sequence[str]) -> str:
    """Return the smallest set that has all of `names`."""
    return min((name for name in SETS if set(names) <= set(SETS[name])), key=lambda name: len(SETS[name]))


def build(names: Iterable[str]) -> None:
    """Build the binaries that the cache lacks; a second run at the same time waits for the first."""
    wanted = list(names)
    if not _missing(wanted):
        return
    _check_go()
    folder = cache_folder() / "bin"
    folder.mkdir(parents=True, exist_ok=True)
    with _lock(folder / ".lock"):
        for left in folder.glob(f"{_UNFINISHED}*"):  # from a killed run
            shutil.rmtree(left)
        _build_all([BINARIES[name] for name in _missing(wanted)])


def _build_all(missing: Sequence[Binary]) -> None:
    """Build, and print what is being built and how much time is left."""
    cores = os.cpu_count() or 1
    done = 0.0
    begin = time.monotonic()
    for number, binary in enumerate(missing, start=1):
        work = sum(later.work for later in missing[number - 1 :])
        left = seconds_left(work, done, time.monotonic() - begin, cores)
        place = f"[{number}/{len(missing)}]"
        _tell(f"{place} building {binary.name} {binary.version} ... {in_words(left)} left")
        its_begin = time.monotonic()
        if binary.package:
            _build(binary, path_of(binary.name))
        if binary.files:
            _copy_files(binary)
        done += binary.work
        _tell(f"{place} {binary.name} took {time.monotonic() - its_begin:.0f} s")


def _missing(names: Iterable[str]) -> list[str]:
    def is_there(name: str) -> bool:
        binary = BINARIES[name]
        is_built = not binary.package or path_of(name).is_file()
        return is_built and (not binary.files or files_of(name).is_dir())

    return [name for name in names if not is_there(name)]


def _check_go() -> None:
    """Let Go check for every module that it is new enough, or may fetch a newer Go (`GOTOOLCHAIN`)."""
    require(
        go_program(),
        "the cluster's programs are built from Go modules: `hack/setup go`, or https://go.dev/dl",
    )
    for folder in sorted({binary.folder for binary in BINARIES.values()}):
        answer = subprocess.run(
            [go_program(), "list", "-m"],
            cwd=MODULES / folder,
            env=_environment(),
            capture_output=True,
            text=True,
            check=False,
        )
        if answer.returncode:
            raise PrerequisiteError(
                f"This Go cannot build {folder}: {answer.stderr.strip()}\n"
                "Install a newer one (https://go.dev/dl), or let Go fetch it: GOTOOLCHAIN=auto."
            )


def _build(binary: Binary, target: Path) -> None:
    flags = ["-s", "-w", *(f"-X {variable}={binary.version}" for variable in binary.version_variables)]
    with _beside(target) as unfinished:
        command = [go_program(), "build", "-mod=readonly", "-trimpath", "-buildvcs=false"]
        command += ["-ldflags", " ".join(flags), "-o", str(unfinished), binary.package]
        _go(command, binary.folder)
        unfinished.replace(target)


def _copy_files(binary: Binary) -> None:
    described = _go([go_program(), "mod", "download", "-json", str(binary.module)], binary.folder)
    source = Path(json.loads(described)["Dir"]) / binary.files
    with _beside(files_of(binary.name)) as unfinished:
        for file in (path for path in source.rglob("*") if path.is_file()):
            copy = unfinished / file.relative_to(source)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, copy)  # not the modes: the module's files and folders are read-only
        unfinished.replace(files_of(binary.name))


@contextmanager
def _beside(target: Path) -> Iterator[Path]:
    """Yield a path on the same file system, so that a rename makes finished content visible at once."""
    with tempfile.TemporaryDirectory(prefix=_UNFINISHED, dir=target.parent) as folder:
        yield Path(folder) / target.name


def _go(command: list[str], folder: str) -> str:
    done = subprocess.run(
        command, cwd=MODULES / folder, env=_environment(), capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise BuildError(f"`{' '.join(command[:2])}` failed in {MODULES / folder}:\n{done.stderr[-3000:]}")
    return done.stdout


def _environment() -> dict[str, str]:
    return os.environ | {"CGO_ENABLED": "0", "GOWORK": "off"}


@contextmanager
def _lock(path: Path) -> Iterator[None]:
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            _tell("another build is under way: waiting for it")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _tell(message: str) -> None:
    print(message, file=sys.stderr, flush=True)
