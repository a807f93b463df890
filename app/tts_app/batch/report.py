"""What a batch writes beside its audio: a manifest, a summary and, on request, an archive."""

import hashlib
import io
import json
import logging
import zipfile
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import IO, Any

from tts_app.batch.kept_aside import KeptAside
from tts_app.batch.ledger import Ledger
from tts_app.batch.outcome import Outcome
from tts_app.batch.spool import spool
from tts_app.storage.output import Output
from tts_app.telemetry.logs import log

MANIFEST = "manifest.jsonl"
SUMMARY = "summary.json"
ARCHIVE = "audio.zip"
DAMAGED = "damaged.txt"
KEPT_ASIDE = "kept_aside.jsonl"
_BLOCK = 1 << 20


def write_report(
    output: Output, ledger: Ledger, outcome: Outcome, job: str, aside: KeptAside, archive: bool
) -> None:
    """Write the manifest (one line for each file, in the plan's order), summary and archive.

    If posts have fields that were kept aside, also a line with these for each post.

    Raises:
        OSError: the output cannot be written.
        SpoolError: the folder for temporary files cannot be written.
    """
    seconds: dict[str, float] = defaultdict(float)
    files: dict[str, int] = defaultdict(int)
    size = 0
    with spool() as manifest:
        for line, record in ledger.finished():
            manifest.write(line)
            seconds[record["avatar"]] += record["seconds"]
            files[record["avatar"]] += 1
            size += record["bytes"]
        manifest.flush()
        output.put_file(MANIFEST, Path(manifest.name))
    summary: dict[str, Any] = {
        "job": job,
        "outcome": outcome.state,
        **outcome.progress.counts,
        "seconds": round(sum(seconds.values()), 3),
        "bytes": size,
        "avatars": {
            avatar: {"files": files[avatar], "seconds": round(seconds[avatar], 3)} for avatar in sorted(files)
        },
        "failures": outcome.progress.failures,
        **({"kept_aside": aside.names} if aside.names else {}),
    }
    output.put(SUMMARY, _json(summary))
    if aside.names:
        with spool() as fields:
            fields.writelines(aside.lines())
            fields.flush()
            output.put_file(KEPT_ASIDE, Path(fields.name))
    if archive:
        with spool() as file:
            for block in archive_blocks(output, ledger.finished()):
                file.write(block)
            file.flush()
            output.put_file(ARCHIVE, Path(file.name))


def _json(summary: dict[str, Any]) -> bytes:
    document = json.dumps(summary, ensure_ascii=False, indent=2)
    return (
        document.encode(errors="backslashreplace") + b"\n"
    )  # half a surrogate pair in a message becomes a JSON escape


def archive_blocks(output: Output, finished: Iterable[tuple[bytes, dict[str, Any]]]) -> Iterator[bytes]:
    """Yield a zip of the `finished` audio files and their manifest, a piece at a time.

    Raises:
        OSError: the audio cannot be read.
        SpoolError: the folder for temporary files cannot be written.
    """
    sink = _Sink()
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_STORED) as archive:  # audio does not compress
        for name, source in _members(output, finished):
            info = zipfile.ZipInfo(name)  # without a date, so that the same audio makes the same archive
            with source, archive.open(info, "w", force_zip64=True) as target:
                while block := source.read(_BLOCK):
                    target.write(block)
                    yield sink.taken()
    yield sink.taken()


def _members(
    output: Output, finished: Iterable[tuple[bytes, dict[str, Any]]]
) -> Iterator[tuple[str, IO[bytes]]]:
    """Yield the name and the content of each audio file, then of the manifest.

    Files that are not what was rendered are left out: a list of them comes last, if there are any.
    """
    with spool() as manifest:
        damaged = []
        for line, record in finished:
            if _is_whole(output, record):
                manifest.write(line)
                yield record["file"], output.open(record["file"])
            else:
                log("audio damaged", level=logging.ERROR, file=record["file"], output=output.url)
                damaged.append(record["file"])
        manifest.seek(0)
        yield MANIFEST, manifest
        if damaged:
            yield DAMAGED, io.BytesIO("".join(f"{name}\n" for name in damaged).encode())


def _is_whole(output: Output, record: Mapping[str, Any]) -> bool:
    """Return whether a file is what was rendered. Raises OSError."""
    digest = hashlib.sha256()
    with output.open(record["file"]) as file:
        while block := file.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest() == str(record["sha256"])


class _Sink(io.RawIOBase):
    """Receives what a zip file writes, and cannot seek."""

    def __init__(self) -> None:
        super().__init__()
        self._blocks: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self._blocks.append(bytes(data))
        return len(data)

    def taken(self) -> bytes:
        """Return what was written since the last call."""
        blocks, self._blocks = self._blocks, []
        return b"".join(blocks)
