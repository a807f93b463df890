"""Runbooks have the same parts, and their commands and queries are such as there are."""

import json
import re
import shlex
import subprocess
from pathlib import Path

import pytest
from rule_files import RUNBOOKS, unknown
from typer.testing import CliRunner

from tts_app.cli import app
from tts_app.cli.cluster import cluster_app

PAGES = sorted(RUNBOOKS.glob("TTSP*.md"))
PROGRAMS = {"ttsp": app, "kubectl ttsp": cluster_app}
each_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)


def commands(page: Path) -> list[str]:
    """Commands of ours, in blocks and within lines."""
    text = page.read_text(encoding="utf-8")
    return re.findall(r"(?m)(?:^|`)((?:kubectl )?ttsp [^`#\n]+)", text)


def queries(page: Path) -> list[str]:
    """The lines of the blocks of PromQL."""
    blocks = re.findall(r"```promql\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)
    return [line for block in blocks for line in block.splitlines()]


def is_known(command: str) -> bool:
    """Whether there is such a command, with such options. It is not run: `--help` comes first."""
    program = "kubectl ttsp" if command.startswith("kubectl") else "ttsp"
    words = shlex.split(command.removeprefix(program))
    return CliRunner().invoke(PROGRAMS[program], [*words, "--help"]).exit_code == 0


@each_page
def test_page_has_its_parts(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert text.startswith(f"# {page.stem}\n")
    heads = ["## What it means", "## What users notice", "## How to look", "## What to do"]
    assert re.findall(r"(?m)^## .*$", text) == heads
    links = re.findall(r"\]\(([^)#]+)", text)
    assert [link for link in links if not (RUNBOOKS / link).is_file()] == []


@each_page
def test_commands_of_ours_exist(page: Path) -> None:
    assert [command for command in commands(page) if not is_known(command)] == []


@pytest.mark.parametrize("command", ["ttsp look", "ttsp logs --colour red", "kubectl ttsp top --speed"])
def test_command_that_does_not_exist_is_found(command: str) -> None:
    assert not is_known(command)


@each_page
def test_queries_are_correct_and_ask_for_what_there_is(page: Path, promtool: str, tmp_path: Path) -> None:
    found = queries(page)
    assert unknown(found) == set()
    if not found:
        return
    rules = [{"record": f"query:{number}", "expr": query} for number, query in enumerate(found)]
    file = tmp_path / "rules.json"
    file.write_text(json.dumps({"groups": [{"name": "queries", "rules": rules}]}), encoding="utf-8")
    ran = subprocess.run([promtool, "check", "rules", str(file)], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
