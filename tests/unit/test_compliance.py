"""docs/compliance.md: what it names is there."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = (
    ROOT,
    ROOT / "app" / "tts_app",
    ROOT / "operator",
    ROOT / "charts" / "tts-playground" / "templates",
)


def controls() -> list[tuple[str, list[str], list[str]]]:
    """Return each control with its code and its tests."""
    text = (ROOT / "docs" / "compliance.md").read_text(encoding="utf-8").partition("## Planned")[0]
    rows = [line.strip("|").split("|") for line in text.splitlines() if line.startswith("| ")][1:]
    return [(control, paths(code), paths(tests)) for control, _, code, tests in rows]


def paths(cell: str) -> list[str]:
    return re.findall(r"`([^`]+\.\w+)`", cell)


@pytest.mark.parametrize(("control", "code", "tests"), controls(), ids=lambda value: str(value)[:20])
def test_compliance_names_code_and_tests_that_are_there(
    control: str, code: list[str], tests: list[str]
) -> None:
    assert code, control
    assert tests, control
    for path in code:
        assert any((package / path).is_file() for package in PACKAGES), path
    for path in tests:
        assert (ROOT / path).is_file(), path


def test_compliance_never_claims_to_be_compliant() -> None:
    text = (ROOT / "docs" / "compliance.md").read_text(encoding="utf-8").lower()
    for word in (" compliant", "certified", "tamper-proof"):
        assert word not in text
