"""Decodes recordings in a process of its own, which is killed when it takes more than it may.

A recording comes from a stranger, and decoders have had holes. So libav runs apart from keys, texts and
other recordings: without this process's environment, and with the limits of `decoder`. It shares the user and
the kernel with this process: it is no virtual machine.
"""

import os
import signal
import subprocess
import sys
from dataclasses import dataclass

import numpy as np

from tts_app.audio.samples import Audio
from tts_app.cloning.decoder import CLIP_RATE, OUT_OF_MEMORY, REFUSED
from tts_app.cloning.recordings import RecordingError, format_of

__all__ = ["CLIP_RATE", "Limits", "decode_recording"]


@dataclass(frozen=True, slots=True)
class Limits:
    """What decoding one recording may take."""

    bytes: int = 32 << 20
    """Of the file."""
    seconds: float = 45.0
    """Of its sound, silence at its ends included."""
    cpu: int = 10
    """Seconds of CPU time."""
    wall: float = 20.0
    """Seconds until it must be done."""
    memory: int = 1 << 30
    """Bytes of address space, those of Python and libav included."""


LIMITS = Limits()


def decode_recording(data: bytes, limits: Limits = LIMITS) -> Audio:
    """Return a recording as mono samples, shape (n,), of `CLIP_RATE` Hz. Blocks until it is decoded.

    Raises:
        RecordingError: it is too large, of no known format or damaged, or it takes more than it may.
    """
    if len(data) > limits.bytes:
        raise RecordingError(f"The recording has {len(data)} bytes, and {limits.bytes} are allowed.")
    known = format_of(data)
    source, result, messages = (os.memfd_create(name) for name in ("recording", "samples", "messages"))
    try:
        _fill(source, data)
        code = _run(
            [known.name, str(limits.seconds), str(limits.cpu), str(limits.memory)],
            (source, result, messages),
            limits.wall,
        )
        if code == 0:
            return _samples(_content(result))
        raise RecordingError(_reason(code, _content(messages).decode("utf-8", "replace"), limits))
    finally:
        for file in (source, result, messages):
            os.close(file)


def _run(arguments: list[str], files: tuple[int, int, int], wall: float) -> int | None:
    """Run the decoder with these standard files; return its exit code, or None if its time was over."""
    # It gets nothing of this process's environment, which may hold keys. numpy starts no threads.
    environment = {"PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "OPENBLAS_NUM_THREADS": "1"}
    process = subprocess.Popen(
        [sys.executable, "-s", "-P", "-B", "-m", "tts_app.cloning.decoder", *arguments],
        stdin=files[0],
        stdout=files[1],
        stderr=files[2],
        env=environment,
        cwd="/",
        start_new_session=True,
    )
    try:
        return process.wait(wall)
    except subprocess.TimeoutExpired:
        return None
    finally:
        process.kill()  # if it has ended this does nothing
        process.wait()


def _reason(code: int | None, message: str, limits: Limits) -> str:
    """Return why a recording was not decoded, by the decoder's exit code."""
    match code:
        case int() if code == REFUSED:
            return f"The recording cannot be decoded: {message}."
        case int() if code == OUT_OF_MEMORY:
            return f"The recording needs more than {limits.memory >> 20} MiB of memory to decode."
        case None:
            return f"The recording takes more than {limits.wall:g} s to decode."
        case int() if code in (-signal.SIGXCPU, -signal.SIGKILL):
            return f"The recording takes more than {limits.cpu} s of CPU time to decode."
    return "The recording cannot be decoded: its decoder crashed. Save it as wav, and send that."


def _fill(file: int, data: bytes) -> None:
    with os.fdopen(os.dup(file), "wb") as out:
        out.write(data)
    os.lseek(file, 0, os.SEEK_SET)


def _content(file: int) -> bytes:
    with os.fdopen(os.dup(file), "rb") as found:
        found.seek(0)
        return found.read()


def _samples(content: bytes) -> Audio:
    """Return what the decoder wrote as samples. It may have been taken over: nothing is believed.

    Raises:
        RecordingError: they are no samples.
    """
    if len(content) % 4:
        raise RecordingError("The recording cannot be decoded: its decoder crashed.")
    samples = np.frombuffer(content, np.float32)
    if not np.isfinite(samples).all():
        raise RecordingError("The recording has samples that are not finite numbers.")
    return np.clip(samples, -4.0, 4.0)
