"""Write `modules/`: a wrapper module for each source of binaries, with its checksums."""

import json
import subprocess
from pathlib import Path
from typing import Any

from cluster.binaries import BINARIES, KUBERNETES, VERSIONS
from cluster.build import MODULES

_OLDEST_GO = "1.24.0"
"""The first with `tool` lines."""


def pin() -> None:
    """Write every wrapper's go.mod and go.sum according to `VERSIONS`."""
    for folder in sorted({binary.folder for binary in BINARIES.values()}):
        _pin(MODULES / folder)


def _pin(folder: Path) -> None:
    folder.mkdir(exist_ok=True)
    for name in ("go.mod", "go.sum"):
        (folder / name).unlink(missing_ok=True)
    binaries = [binary for binary in BINARIES.values() if binary.folder == folder.name and binary.module]
    edits = [f"-tool={binary.package}" for binary in binaries if binary.package]
    modules = {binary.module for binary in binaries if binary.module}
    for module in sorted(modules | set(_imports(folder))):
        edits.append(f"-require={module}@{VERSIONS[module]}")
        if module == KUBERNETES:
            edits += _staging(folder)
    _go(folder, "mod", "init", f"ttsplayground.dev/cluster/{folder.name}")
    # The oldest possible Go: `tidy` raises it to what the modules need.
    _go(folder, "mod", "edit", f"-go={_OLDEST_GO}", *edits)
    if binaries and not any(binary.package for binary in binaries):
        # `tidy` would drop modules of which nothing is built.
        _go(folder, "mod", "download", "-json", *sorted(modules))
        return
    # `-e`: tidy also looks for what the tests of imported packages import, which no build needs and the
    # module proxy may lack. What a build needs and is missing fails the build (`-mod=readonly`).
    _go(folder, "mod", "tidy", "-e")


def _imports(folder: Path) -> list[str]:
    """Return the modules that the source in `folder` imports."""
    return [name for binary in BINARIES.values() if binary.folder == folder.name for name in binary.imports]


def _staging(folder: Path) -> list[str]:
    """Return edits that pin Kubernetes' own modules, which it requires at v0.0.0, to their release."""
    version = VERSIONS[KUBERNETES]
    described = json.loads(_go(folder, "mod", "download", "-json", f"{KUBERNETES}@{version}"))
    mod: dict[str, Any] = json.loads(_go(folder, "mod", "edit", "-json", described["GoMod"]))
    release = version.replace("v1.", "v0.", 1)
    modules = [entry["Old"]["Path"] for entry in mod["Replace"]]
    return [f"-replace={module}={module}@{release}" for module in modules]


def _go(folder: Path, *arguments: str) -> str:
    done = subprocess.run(["go", *arguments], cwd=folder, stdout=subprocess.PIPE, text=True, check=True)
    return done.stdout
