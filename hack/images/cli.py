"""The command line: `python hack/images --help`."""

import argparse
import subprocess
import sys
from pathlib import Path

from cluster.build import BuildError, PrerequisiteError
from cluster.layout import Layout
from images.build import layouts, places
from images.levels import ALL_LEVELS, IMAGES, LEVELS, ON_REQUEST, version
from tts_app.sources.base import SourceError

_ERRORS = (BuildError, PrerequisiteError, SourceError, subprocess.CalledProcessError)
_MISSING = 3


def main() -> int:
    """Run the command line and return the exit status."""
    options = _parser().parse_args()
    names = options.level or list(IMAGES)
    try:
        found = places(names) if options.print else layouts(names, options.fresh)
        if options.archives:
            found = [_archive(name, path, options.archives) for name, path in zip(names, found, strict=True)]
    except _ERRORS as error:
        print(f"images: {error}", file=sys.stderr)
        return 1
    for path in found:
        print(path)
    return 0 if all(path.exists() for path in found) else _MISSING


def _archive(name: str, layout: Path, folder: Path) -> Path:
    """Write an image as a docker-archive into `folder`."""
    target = folder / f"{ALL_LEVELS[name].image}-{version()}.tar"
    Layout(layout).write_docker_archive(target)
    return target


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python hack/images",
        description="Build the container images that the cache lacks, and print the folders where they are.",
    )
    levels = (
        f"of {', '.join(LEVELS)}; {', '.join(IMAGES)} by default. With CUDA, several gigabytes each: "
        f"{', '.join(ON_REQUEST)}"
    )
    parser.add_argument("level", nargs="*", choices=[*ALL_LEVELS, []], help=levels)
    what = parser.add_mutually_exclusive_group()
    what.add_argument(
        "--print", action="store_true", help="build nothing; exit status 3 where an image is missing or old"
    )
    what.add_argument("--fresh", action="store_true", help="build anew, with the updates of Debian until now")
    what.add_argument(
        "--archives",
        type=_folder,
        metavar="FOLDER",
        help="write docker-archives there, for `docker load`",
    )
    return parser


def _folder(text: str) -> Path:
    if not Path(text).is_dir():
        raise argparse.ArgumentTypeError(f"{text} is no folder")
    return Path(text)
