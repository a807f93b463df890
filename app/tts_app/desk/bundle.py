"""A support bundle: a `tar.gz` of texts that only its owner can read, with a page that says what it holds."""

import io
import os
import tarfile
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from tts_app.files import PRIVATE_FILE

_README = """Support bundle of the TextToSpeech Playground, made {made} (UTC).

It holds no text of a caller, no audio, no key, token or password: settings are shown where they are numbers
or switches, of logs the lines that the playground writes itself, of Ray's logs warnings and errors. It does
hold names of models, nodes, pods and namespaces, ids of tenants and requests, and addresses of callers in
logs. Read it before you give it away.

{listed}
"""


@dataclass(frozen=True, slots=True)
class Entry:
    """A file of a bundle."""

    name: str
    about: str
    """What it holds, and what was left out: a sentence."""
    content: str


def write(path: Path, entries: Iterable[Entry]) -> list[Entry]:
    """Write a bundle to `path`, for its owner alone; return what it holds.

    Raises:
        FileExistsError: there is a file already.
        OSError: it cannot be written.
    """
    found = list(entries)
    listed = "\n".join(f"{entry.name}: {entry.about}" for entry in found)
    made = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime())
    page = Entry("README.txt", "what this bundle holds", _README.format(made=made, listed=listed))
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, PRIVATE_FILE)
    with os.fdopen(descriptor, "wb") as file, tarfile.open(fileobj=file, mode="w:gz") as archive:
        for entry in (page, *found):
            content = entry.content.encode()
            member = tarfile.TarInfo(f"{path.name.removesuffix('.tar.gz')}/{entry.name}")
            member.size, member.mode, member.mtime = len(content), PRIVATE_FILE, int(time.time())
            archive.addfile(member, io.BytesIO(content))
    return [page, *found]
