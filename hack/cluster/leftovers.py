"""Removes what containers may leave on the machine when containerd is killed."""

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

CGROUP = "ttsp-cluster"
"""The control group above all pods; no other kubelet uses it."""

_CGROUPS = Path("/sys/fs/cgroup")
_END = 10.0


def make_cgroup() -> None:
    """Make the control group in every hierarchy; the kubelet requires it."""
    for hierarchy in _hierarchies():
        (hierarchy / CGROUP).mkdir(exist_ok=True)


def remove_cgroup() -> None:
    """Remove the control group, and end what is still in it."""
    deadline = time.monotonic() + _END
    while pids := set(_pids()):
        for pid in pids:
            _kill(pid)
        if time.monotonic() > deadline:
            raise TimeoutError(f"these processes of pods do not end: {sorted(pids)}")
        time.sleep(0.1)
    for hierarchy in _hierarchies():
        for folder, _, _ in os.walk(hierarchy / CGROUP, topdown=False):
            Path(folder).rmdir()


def end_shims(socket: Path) -> None:
    """End the shims between containerd and its containers: they survive when containerd is killed."""
    for process in Path("/proc").glob("[0-9]*"):
        try:
            words = (process / "cmdline").read_bytes().split(b"\0")
        except (FileNotFoundError, ProcessLookupError):
            continue  # it ended meanwhile
        if words[0].endswith(b"containerd-shim-runc-v2") and str(socket).encode() in words:
            _kill(int(process.name))


def unmount_below(folder: Path) -> None:
    """Unmount everything below a folder, the last mounted first."""
    lines = Path("/proc/self/mounts").read_text(encoding="utf-8").splitlines()
    for mount in reversed([_unescape(line.split()[1]) for line in lines]):
        if Path(mount).is_relative_to(folder):
            subprocess.run(["umount", mount], check=True)


def remove_log_links(folder: Path) -> None:
    """Remove the links to the pods' logs, which the kubelet makes in a fixed folder."""
    for link in Path("/var/log/containers").glob("*.log"):
        if link.is_symlink() and link.readlink().is_relative_to(folder):
            link.unlink()


def _hierarchies() -> list[Path]:
    """Return the folders of control groups: one, or with version 1 one per controller."""
    if (_CGROUPS / "cgroup.controllers").exists():
        return [_CGROUPS]
    # Links (cpu -> cpu,cpuacct) are second names.
    return [path for path in _CGROUPS.iterdir() if path.is_dir() and not path.is_symlink()]


def _pids() -> Iterator[int]:
    for hierarchy in _hierarchies():
        for file in (hierarchy / CGROUP).rglob("cgroup.procs"):
            yield from map(int, file.read_text().split())


def _kill(pid: int) -> None:
    with suppress(ProcessLookupError):  # it ended meanwhile
        os.kill(pid, signal.SIGKILL)


def _unescape(mount: str) -> str:
    """Undo the kernel's escaping of blanks in the list of mounts."""
    return mount.replace("\\040", " ").replace("\\134", "\\")
