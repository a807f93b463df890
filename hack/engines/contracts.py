"""The engines that have a contract test, from the one table of engines; and when each must run."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tiers.digest import digest
from tts_app.resources.engines import ENGINES

ROOT = Path(__file__).resolve().parents[2]
TESTS = "tests/engines"
REQUIREMENTS = "hack/requirements"
TOOLS = f"{REQUIREMENTS}/engine-tests.txt"
"""What the tests need beside an engine's own packages."""
_SHARED = ("torch", "transformers")
_PIN = re.compile(r"^([A-Za-z0-9._-]+)==(\S+)", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Contract:
    """The contract test of an engine."""

    engine: str

    @property
    def tests(self) -> str:
        """Its folder of tests, in the checkout."""
        return f"{TESTS}/{self.engine}"

    @property
    def requirements(self) -> str:
        """The file of its packages, in the checkout: those of the engine's image."""
        return f"{REQUIREMENTS}/{self.engine}.txt"

    @property
    def covers(self) -> tuple[str, ...]:
        """What it depends on, in the checkout: once it has passed, it need not run until this changes."""
        engines = "app/tts_app/engines"
        return (
            self.tests,
            f"{TESTS}/conftest.py",
            "tests/support/offline.py",
            self.requirements,
            TOOLS,
            f"{engines}/{self.engine}",
            f"{engines}/base.py",
            f"{engines}/clips.py",
            f"{engines}/quantization.py",
            f"app/tts_app/resources/engines/{self.engine}.py",
            "hack/engines",
        )


def contracts(root: Path = ROOT) -> list[Contract]:
    """Return the contract test of each engine of the table that has one."""
    return [Contract(name) for name in ENGINES if (root / TESTS / name).is_dir()]


def to_run(found: list[Contract], passed: Mapping[str, str], root: Path = ROOT) -> list[Contract]:
    """Return the tests that `make test` runs.

    Those whose torch and transformers are the ones that the other tests have take seconds to install: they
    always run. The others take gigabytes: they run when something that they cover has changed.

    Args:
        found: all contract tests.
        passed: what each engine's test covered when it last passed, as a hash.
        root: the checkout.
    """
    ours = pins(root / REQUIREMENTS / "dev.txt")
    return [
        contract
        for contract in found
        if _shares(pins(root / contract.requirements), ours)
        or passed.get(contract.engine) != digest(root, contract.covers)
    ]


def _shares(pins: Mapping[str, str], ours: Mapping[str, str]) -> bool:
    return all(pins.get(name) == ours.get(name) for name in _SHARED)


def pins(requirements: Path) -> dict[str, str]:
    """Return the version of each package of a file of requirements."""
    return dict(_PIN.findall(requirements.read_text(encoding="utf-8")))
