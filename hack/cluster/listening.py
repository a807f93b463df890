"""Access to the cluster through kubectl: `kubectl proxy` and `kubectl port-forward`."""

import os
import re
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from cluster.control_plane import CommandError


@contextmanager
def listening(command: Sequence[str], environment: Mapping[str, str]) -> Iterator[str]:
    """Run a kubectl that listens on loopback during the block, and yield its address: `127.0.0.1:PORT`.

    Raises:
        CommandError: it ended or printed something else; its errors went to stderr.
    """
    process = subprocess.Popen(command, env=os.environ | environment, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None  # noqa: S101 - as it was asked for
    try:
        said = process.stdout.readline()
        found = re.search(r"127\.0\.0\.1:\d+", said)
        if found is None:
            raise CommandError(" ".join(command), process.wait(), said, "it does not listen on loopback")
        yield found[0]
    finally:
        process.terminate()
        process.wait()
        process.stdout.close()
