"""The command line: `python hack/images --help`."""

import argparse
import subprocess
import sys

from cluster.build import BuildError, PrerequisiteError
from images.build import archives, places
from images.levels import LEVELS
from tts_app.sources.base import SourceError

_ERRORS = (BuildError, PrerequisiteError, SourceError, subprocess.CalledProcessError)
_MISSING = 3


def main() -> int:
    """Do what the command line says and return the exit status."""
    options = _parser().parse_args()
    names = options.level or list(LEVELS)
    try:
        found = places(names) if options.print else archives(names, options.fresh)
    except _ERRORS as error:
        print(f"images: {error}", file=sys.stderr)
        return 1
    for path in found:
        print(path)
    return 0 if all(path.is_file() for path in found) else _MISSING


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python hack/images",
        description="Build the container images that the cache lacks, and print where their archives are.",
    )
    levels = f"of {', '.join(LEVELS)}; all of them by default"
    parser.add_argument("level", nargs="*", choices=[*LEVELS, []], help=levels)
    parser.add_argument(
        "--print", action="store_true", help="build nothing; exit status 3 where an archive is missing or old"
    )
    parser.add_argument(
        "--fresh", action="store_true", help="build anew, with the updates of Debian until now"
    )
    return parser
