"""The command line: `python hack/cluster --help`."""

import argparse
import subprocess
import sys
from pathlib import Path

from cluster import background, base_image, demo, node
from cluster.binaries import CONTROL_PLANE, SETS
from cluster.build import BuildError, PrerequisiteError, build
from cluster.control_plane import CommandError, ControlPlane
from cluster.pin import pin
from cluster.process import StartError
from cluster.single import TakenError

_ERRORS = (
    BuildError,
    CommandError,
    demo.DemoError,
    PrerequisiteError,
    StartError,
    TakenError,
    subprocess.CalledProcessError,
)
_NOT_UP = 3


def main() -> int:
    """Run the command line and return the exit status."""
    options = _parser().parse_args()
    try:
        return int(options.do(options) or 0)
    except _ERRORS as error:
        print(f"cluster: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("cluster: stopped. What is built stays: the same command goes on there.", file=sys.stderr)
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python hack/cluster", description="A real Kubernetes on this machine."
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def add(name: str, do: object, text: str) -> argparse.ArgumentParser:
        command = commands.add_parser(name, help=text)
        command.set_defaults(do=do)
        return command

    add("up", _up, "start a cluster that runs pods, and leave it running; builds it the first time (root)")
    add("demo", _demo, "have a pod of it speak: images, chart, sample, and an MP3 (root)")
    add("down", _down, "end it; nothing of it stays but its images")
    add("status", _status, "tell whether it is up; exit status 3 where it is not")
    add("import", _import, "give it the images of an archive").add_argument("archive", type=Path)
    add("base-image", _base_image, "make the archive of a base image without a registry (root)")
    add("control-plane", _control_plane, "run a cluster without nodes until Ctrl-C")
    add("build", _build, "build the programs that the cache lacks").add_argument(
        "set", nargs="?", choices=SETS, default="node"
    )
    add("pin", _pin, "write modules/ again, after a change of binaries.py")
    add("keep", _keep, "run a cluster that runs pods until SIGTERM; `up` starts this (root)")
    return parser


def _up(_: argparse.Namespace) -> None:
    background.up()
    _print_exports()


def _demo(_: argparse.Namespace) -> None:
    background.up()
    demo.run(Path("hello.mp3"))


def _down(_: argparse.Namespace) -> None:
    background.down()


def _status(_: argparse.Namespace) -> int:
    if background.kubeconfig() is None:
        print("no cluster is up")
        return _NOT_UP
    _print_exports()
    return 0


def _print_exports() -> None:
    for line in background.exports():
        print(line)


def _import(options: argparse.Namespace) -> None:
    if background.kubeconfig() is None:
        raise StartError("no cluster is up: `make cluster-up` starts one")
    node.import_image(options.archive)


def _base_image(_: argparse.Namespace) -> None:
    print(base_image.archive())


def _control_plane(_: argparse.Namespace) -> None:
    build(CONTROL_PLANE)
    plane = ControlPlane()
    background.until_asked_to_end(plane, lambda: print(f"export KUBECONFIG={plane.kubeconfig}", flush=True))


def _build(options: argparse.Namespace) -> None:
    build(SETS[options.set])


def _pin(_: argparse.Namespace) -> None:
    pin()


def _keep(_: argparse.Namespace) -> None:
    background.keep()
