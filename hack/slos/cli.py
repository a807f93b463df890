"""The command line: `python hack/slos --help`."""

import argparse
import sys
from pathlib import Path

import yaml

from slos.burn_rates import groups
from slos.objectives import OBJECTIVES

FILE = Path(__file__).resolve().parents[2] / "charts/tts-playground/files/monitoring/rules/slo.yaml"
_HEADER = "# Made by hack/slos: change objectives.py there, then run `make rules`.\n"


class _Dumper(yaml.SafeDumper):
    """Writes a text of several lines as such, and no aliases."""

    def ignore_aliases(self, _data: object) -> bool:
        return True


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Dumper.add_representer(str, _text)


def written() -> str:
    """Return the file's text."""
    whole = {"groups": groups(OBJECTIVES)}
    return _HEADER + yaml.dump(whole, Dumper=_Dumper, sort_keys=False, width=1000)


def main() -> int:
    """Run the command line and return the exit status."""
    parser = argparse.ArgumentParser(
        prog="python hack/slos", description="Write the Prometheus rules of the service's objectives."
    )
    parser.add_argument("--check", action="store_true", help="compare instead of writing")
    options = parser.parse_args()
    text = written()
    if not options.check:
        FILE.write_text(text, encoding="utf-8")
    elif not FILE.is_file() or FILE.read_text(encoding="utf-8") != text:
        print(f"{FILE} is stale: run `make rules`.", file=sys.stderr)
        return 1
    return 0
