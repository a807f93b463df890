"""Examines the files that a batch has made: each is there, sound, and says of itself what is so."""

import hashlib
import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import av
import numpy as np

from tts_app.batch.hashes import text_mac
from tts_app.storage.output.base import SECRET

_LANGUAGES = {"en": "eng", "es": "spa", "hi": "hin", "ur": "urd", "ar": "ara"}
"""ISO 639-2 codes, which ID3's TLAN frame holds."""
_SILENCE = 0.01
"""RMS of the samples, full scale 1, below which nobody hears anything; speech is levelled far above."""
_PACE = (3.0, 30.0)
"""Characters a second that speech may have: numbers are long when spoken, and short to write."""
_TAIL = 0.1
"""Seconds by which a decoded file may differ from what was put into it: MP3's frames have a fixed length."""


def manifest(folder: Path) -> list[dict[str, Any]]:
    """Return the records of a batch's manifest."""
    return [json.loads(line) for line in (folder / "manifest.jsonl").read_text("utf-8").splitlines()]


def faults(
    folder: Path,
    records: Sequence[Mapping[str, Any]],
    texts: Mapping[str, str],
    others: Collection[str] = (),
) -> list[str]:
    """Return what is wrong with the files in `folder`.

    `records` are the manifest's, or as many of it as there are; `texts` are what they must say, by file name.
    `others` are files that may be there, too.
    """
    secret = (folder / SECRET).read_bytes()
    listed = {record["file"] for record in records}
    there = {path.name for path in folder.glob("*.mp3")}
    found = [f"{name}: missing" for name in sorted(texts.keys() - there)]
    found += [f"{name}: nobody asked for it" for name in sorted(there - texts.keys() - set(others))]
    found += [f"{name}: not in the manifest" for name in sorted(texts.keys() - listed)]
    for record in records:
        if record["file"] in texts.keys() & there:
            reported = _faults(folder / record["file"], record, texts[record["file"]], secret)
            found += [f"{record['file']}: {fault}" for fault in reported]
    return found


def _faults(path: Path, record: Mapping[str, Any], text: str, secret: bytes) -> Iterator[str]:
    data = path.read_bytes()
    if hashlib.sha256(data).hexdigest() != record["sha256"]:
        yield "its checksum is not the manifest's"
    if text_mac(secret, text) != record["text_hmac"]:
        yield "the manifest tells of another text"
    try:
        with av.open(path) as audio:
            samples = np.concatenate([frame.to_ndarray()[0] for frame in audio.decode(audio=0)])
            seconds = len(samples) / audio.streams.audio[0].rate
            tags = dict(audio.metadata)
    except (av.FFmpegError, ValueError) as error:
        yield f"it cannot be decoded: {error}"
        return
    if abs(seconds - record["seconds"]) > _TAIL:
        yield f"it lasts {seconds:.2f} s, and the manifest says {record['seconds']:.2f} s"
    slowest, fastest = _PACE
    if not slowest <= len(text) / seconds <= fastest:
        yield f"{len(text)} characters in {seconds:.2f} s"
    if np.sqrt(np.mean(samples**2)) < _SILENCE:
        yield "it is silent"
    if tags.get("artist") != record["avatar"]:
        yield f"its artist is {tags.get('artist')!r}"
    language = _LANGUAGES[record["avatar"].partition("_")[2][:2]]
    if tags.get("language") != language:
        yield f"its language is {tags.get('language')!r}, not {language!r}"
