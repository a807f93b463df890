"""The command line of hack/dashboards."""

import argparse
import sys
from pathlib import Path

from dashboards.boards import BOARDS
from dashboards.ray import ray_dashboards

FOLDER = (
    Path(__file__).resolve().parents[2] / "charts" / "tts-playground" / "files" / "monitoring" / "dashboards"
)


def main() -> int:
    """Write the dashboards, or compare them; return the exit status."""
    parser = argparse.ArgumentParser(
        prog="hack/dashboards",
        description="Writes the dashboards into the chart: ours from hack/dashboards/boards, and Ray's own"
        " from its package. Run it after a change there, and after an upgrade of Ray.",
    )
    parser.add_argument(
        "--check",
        action="store_true",
        help="write nothing; exit 1 with the names of the files that are stale",
    )
    check = parser.parse_args().check
    wanted = {f"{board.uid}.json": board.to_json() for board in BOARDS} | ray_dashboards()
    stale = out_of_date(FOLDER, wanted)
    for path in stale:
        if check:
            print(f"{path} is stale: run `make dashboards`.", file=sys.stderr)
        elif path.name in wanted:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(wanted[path.name], encoding="utf-8")
        else:
            path.unlink()
    return 1 if check and stale else 0


def out_of_date(folder: Path, wanted: dict[str, str]) -> list[Path]:
    """Return the files of the folder that are not as wanted: missing, different, or left over."""
    found = {path.name: path.read_text(encoding="utf-8") for path in folder.glob("*.json")}
    names = sorted(name for name in wanted.keys() | found.keys() if wanted.get(name) != found.get(name))
    return [folder / name for name in names]
