"""The tiers: the one place where they are defined."""

import os
import sys
from dataclasses import dataclass

_PYTHON = sys.executable
_PROGRAMS = "node" if os.geteuid() == 0 else "control-plane"
"""The set of the cluster's programs that this user can run: pods need root."""
COVERAGE = "hack/tiers/coverage.ini"
"""Coverage's settings, relative to the checkout."""


@dataclass(frozen=True, slots=True)
class Tier:
    """A part of `make test`."""

    name: str
    commands: tuple[tuple[str, ...], ...] = ()
    """Run one after another, each even if those before it failed."""
    tests: tuple[str, ...] = ()
    """Folders that pytest runs after the commands."""
    prepares: bool = False
    """Whether it builds what later tiers need. Where that is impossible, their tests report it themselves:
    they are skipped on a laptop and fail in CI."""

    def lines(self, everything: bool) -> list[tuple[str, ...]]:
        """Return its command lines; with `everything`, they measure coverage."""
        measured = ("coverage", "run", f"--rcfile={COVERAGE}", "-m") if everything else ()
        return [*self.commands, *([(_PYTHON, "-m", *measured, "pytest", *self.tests)] if self.tests else [])]


Lane = tuple[Tier, ...]
"""Tiers that run one after another."""
Stages = tuple[tuple[Lane, ...], ...]
"""Stages follow one another; the lanes of a stage run side by side."""

_LINT = Tier(
    "lint",
    (
        (_PYTHON, "-m", "ruff", "check", "."),
        (_PYTHON, "-m", "ruff", "format", "--check", "."),
        (_PYTHON, "-m", "mypy"),
        (".venv/bin/lint-imports",),
        (_PYTHON, "hack/generate-crds", "--check"),
        (_PYTHON, "hack/dashboards", "--check"),
        (_PYTHON, "hack/slos", "--check"),
    ),
)
_UNIT = Tier("unit", tests=("tests/unit", "tests/quality", "tests/bench"))
_BUILD_PROGRAMS = (
    ("hack/setup", "go"),
    (_PYTHON, "hack/cluster", "build", _PROGRAMS),
    (_PYTHON, "hack/cluster", "build", "observability"),
)
_OPERATOR = Tier("operator", tests=("tests/operator",))
_APP = Tier("app", tests=("tests/app", "--ignore=tests/app/batch"))
_BATCH = Tier("batch", tests=("tests/app/batch",))
_ENGINES = Tier("engines", ((_PYTHON, "hack/engines", "--changed"),))
_NODE = Tier("node", tests=("tests/e2e/test_cluster.py", "tests/e2e/test_images.py"))
_E2E = Tier("e2e", tests=("tests/e2e/test_playground.py",))

# Unit keeps one core busy while operator mostly waits. App and batch wait for processes to start and to end.
# The pods of e2e fill two cores, and Ray abandons a pod that starts slowly.
STAGES: Stages = (
    (
        (_LINT, _UNIT),
        (
            Tier("programs", _BUILD_PROGRAMS, prepares=True),
            _OPERATOR,
            Tier("images", ((_PYTHON, "hack/images"),), prepares=True),
            _NODE,
        ),
    ),
    ((_APP,), (_BATCH, _ENGINES)),
    ((_E2E,),),
)
TIERS = {tier.name: tier for stage in STAGES for lane in stage for tier in lane}
"""All tiers, by name."""
