"""What another user of the machine can read."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

NOBODY = 65534
AS_ROOT = os.geteuid() == 0
"""Only root can be somebody else; who is not looks at the modes alone."""
_TRY = """
import json, os, sys
os.setgroups([])
os.setgid(int(sys.argv[1])); os.setuid(int(sys.argv[1]))
seen = []
for path in json.load(sys.stdin):
    try:
        os.listdir(path) if os.path.isdir(path) else open(path, "rb").read(1)
    except OSError:
        continue
    seen.append(path)
print(json.dumps(seen))
"""


@contextmanager
def crossing() -> Iterator[Path]:
    """Yield a new folder that every user can enter; pytest's own are closed to others."""
    with tempfile.TemporaryDirectory(prefix="seen-", dir="/tmp") as made:
        Path(made).chmod(0o755)
        yield Path(made)


def below(folder: Path) -> list[Path]:
    """Return a folder and all that is in it; sockets are left out."""
    found = [path for path in folder.rglob("*") if path.is_file() or path.is_dir()]
    return [folder, *found]


def open_modes(folder: Path) -> list[str]:
    """Return what below `folder` others have rights to, by its mode."""
    return [
        f"{path} {path.stat().st_mode & 0o777:o}" for path in below(folder) if path.stat().st_mode & 0o077
    ]


def seen_by_nobody(folder: Path) -> list[str]:
    """Return what the user nobody can list or read below `folder`, which may name it; needs root."""
    done = subprocess.run(
        [sys.executable, "-S", "-c", _TRY, str(NOBODY)],
        input=json.dumps([str(path) for path in below(folder)]),
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
        cwd="/",
    )
    seen: list[str] = json.loads(done.stdout)
    return seen
