"""Which engines' contract tests run, and what they may not do."""

import subprocess
import sys
from pathlib import Path

import pytest

from engines.contracts import REQUIREMENTS, ROOT, Contract, contracts, pins, to_run
from tiers.digest import digest

OURS = "torch==2.15.0 \\\n    --hash=sha256:00\ntransformers==5.24.0 ; python_version > '3'\n"
OTHERS = "torch==2.6.0 \\\n    --hash=sha256:00\ntransformers==5.24.0\n"


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """Make a checkout with an engine of our torch and one of another."""
    files = {"hack/requirements/dev.txt": OURS, "hack/requirements/vits.txt": OURS}
    files["hack/requirements/kokoro.txt"] = OTHERS
    for contract in (Contract("vits"), Contract("kokoro")):
        files |= {
            path: "x" for path in contract.covers if path.endswith((".py", ".txt")) and path not in files
        }
        files |= {f"{path}/part.py": "x" for path in contract.covers if not path.endswith((".py", ".txt"))}
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def names(found: list[Contract]) -> list[str]:
    return [contract.engine for contract in found]


def test_contracts_are_the_engines_with_tests(checkout: Path) -> None:
    assert names(contracts(checkout)) == ["kokoro", "vits"]


@pytest.mark.parametrize("contract", contracts(), ids=lambda contract: contract.engine)
def test_contract_has_all_files_that_it_covers(contract: Contract) -> None:
    assert digest(ROOT, contract.covers)


@pytest.mark.parametrize("contract", contracts(), ids=lambda contract: contract.engine)
def test_requirements_of_an_engine_have_all_of_the_app(contract: Contract) -> None:
    """What left-out.in takes out of an engine's package may be something that the app needs."""
    assert pins(ROOT / REQUIREMENTS / "app.txt").keys() <= pins(ROOT / contract.requirements).keys()


def test_to_run_leaves_out_another_torch_that_has_passed(checkout: Path) -> None:
    found = contracts(checkout)
    assert names(to_run(found, {}, checkout)) == ["kokoro", "vits"]
    passed = {contract.engine: digest(checkout, contract.covers) for contract in found}
    assert names(to_run(found, passed, checkout)) == ["vits"]
    (checkout / "tests" / "engines" / "kokoro" / "part.py").write_text("changed")
    assert names(to_run(found, passed, checkout)) == ["kokoro", "vits"]


@pytest.mark.parametrize(
    ("call", "refused"),
    [
        ("socket.create_connection(('192.0.2.1', 80), 1)", True),
        ("socket.getaddrinfo('example.invalid', 80)", True),
        ("socket.create_connection(('127.0.0.1', server.getsockname()[1]), 1)", False),
        ("socket.getaddrinfo('localhost', 80)", False),
    ],
)
def test_contract_tests_have_no_network(call: str, refused: bool) -> None:
    """In a process of its own: what refuses connections cannot be taken back."""
    code = (
        "import offline, socket\nserver = socket.create_server(('127.0.0.1', 0))\noffline.refuse()\n"
        f"try: {call}\nexcept OSError as error: print(error)\nprint(offline.attempts)"
    )
    folder = ROOT / "tests" / "support"
    run = subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, check=True)
    assert ("engines must not connect" in run.stdout) == refused
    assert run.stdout.endswith("[]\n") != refused
