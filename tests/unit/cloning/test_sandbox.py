"""Recordings are decoded apart, in the format of their signature, within limits."""

import subprocess
import sys
import textwrap
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from simulated_speaker import RATE, encoded

from tts_app.audio.samples import Audio
from tts_app.cloning import decoder
from tts_app.cloning.recordings import RecordingError, format_of
from tts_app.cloning.sandbox import LIMITS, decode_recording

PLAYLIST = b"#EXTM3U\n#EXT-X-MEDIA-SEQUENCE:0\n#EXTINF:1.0,\nfile:///etc/passwd\n#EXT-X-ENDLIST\n"
CONCAT = b"ffconcat version 1.0\nfile /etc/passwd\n"


@pytest.mark.parametrize("kind", ["wav", "flac", "mp3", "opus", "m4a"])
def test_recording_is_decoded_by_its_signature(spoken: Audio, kind: str) -> None:
    data = encoded(spoken, RATE, kind)
    decoded = decode_recording(data)
    assert format_of(data).name == {"opus": "ogg"}.get(kind, kind)
    assert decoded.dtype == np.float32
    assert decoded.size == pytest.approx(spoken.size, abs=0.1 * RATE)
    assert np.sqrt(np.mean(decoded**2)) == pytest.approx(np.sqrt(np.mean(spoken**2)), rel=0.1)


def test_recording_of_another_rate_is_resampled() -> None:
    tone = np.sin(np.arange(44_100) * 2 * np.pi * 1000 / 44_100).astype(np.float32) * 0.5
    decoded = decode_recording(encoded(tone, 44_100, "wav"))
    assert decoded.size == pytest.approx(RATE, abs=50)
    assert np.abs(np.fft.rfft(decoded)).argmax() == pytest.approx(1000, abs=3)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "is empty"),
        (PLAYLIST, "of no format that is read here"),
        (CONCAT, "of no format that is read here"),
        (b"\x1aE\xdf\xa3" + bytes(100), "of no format that is read here"),
        (b"\x7fELF" + bytes(100), "of no format that is read here"),
        (b"RIFF\0\0\0\0WAVE" + PLAYLIST, "no sound wav file"),
        (b"RIFF\xff\xff\xff\xffWAVEfmt \x10\0\0\0\1\0\1\0", "no sound wav file"),
        (b"fLaC" + bytes(1000), "no sound flac file"),
        (b"OggS" + PLAYLIST, "no sound ogg file"),
        (bytes(4) + b"ftypM4A " + PLAYLIST, "no sound m4a file"),
        (b"ID3\4\0\0\0\0\0\0" + PLAYLIST, "of no format that is read here"),
        (b"\xff\xfb\x90\0" + bytes(1000), "mp3|no sound"),
    ],
)
def test_what_is_no_recording_is_refused(data: bytes, message: str) -> None:
    with pytest.raises(RecordingError, match=message):
        decode_recording(data)


def test_truncated_recording_is_refused_or_short(wav: bytes) -> None:
    assert decode_recording(wav[: len(wav) // 2]).size < len(wav) // 4
    with pytest.raises(RecordingError, match="no sound"):
        decode_recording(wav[:44])


def test_recording_larger_than_allowed_is_not_looked_at() -> None:
    with pytest.raises(RecordingError, match="has 11 bytes, and 10 are allowed"):
        decode_recording(b"RIFF1234567", replace(LIMITS, bytes=10))


def test_bomb_is_refused_as_too_long() -> None:
    """An hour of silence in a file of 2 MB: 345 MB of samples."""
    bomb = encoded(np.zeros(3600 * RATE, np.float32), RATE, "flac")
    assert len(bomb) < 2 << 20
    with pytest.raises(RecordingError, match="longer than 45 s"):
        decode_recording(bomb)


def test_decoder_that_takes_too_much_memory_is_stopped(wav: bytes) -> None:
    with pytest.raises(RecordingError, match=r"more than 160 MiB of memory|decoder crashed"):
        decode_recording(wav, replace(LIMITS, memory=160 << 20))


def test_decoder_that_hangs_is_killed(wav: bytes) -> None:
    with pytest.raises(RecordingError, match=r"more than 0\.01 s to decode"):
        decode_recording(wav, replace(LIMITS, wall=0.01))


def test_decoder_that_computes_for_ever_is_killed(wav: bytes) -> None:
    with pytest.raises(RecordingError, match="more than 0 s of CPU time"):
        decode_recording(wav, replace(LIMITS, cpu=0))


def test_decoder_can_open_nothing_and_write_little() -> None:
    """Once it is locked down: what a hole in libav could be used for."""
    script = textwrap.dedent(
        """
        import os, socket
        from tts_app.cloning.decoder import _lock_down
        _lock_down(10, 1 << 30, 4096)
        for attempt in (
            lambda: open("/etc/hostname"), lambda: open("/tmp/written", "w"),
            lambda: socket.socket(), lambda: os.pipe(), lambda: os.memfd_create("more"),
        ):
            try:
                attempt()
            except OSError as error:
                os.write(1, f"{error.errno} ".encode())
            else:
                os.write(1, b"done ")
        """
    )
    ran = subprocess.run(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, check=True, timeout=60, cwd="/"
    )
    assert ran.stdout.decode().split() == ["24"] * 5, "EMFILE: it may open no more"


def test_decoder_knows_nothing_of_this_process_s_environment(
    wav: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: dict[str, str] = {}
    real = subprocess.Popen

    def popen(*args: object, env: dict[str, str], **more: object) -> object:
        seen.update(env)
        return real(*args, env=env, **more)  # type: ignore[call-overload]

    monkeypatch.setenv("TTSP_API_KEY", "a secret of the gateway")
    monkeypatch.setattr("tts_app.cloning.sandbox.subprocess.Popen", popen)
    decode_recording(wav)
    assert set(seen) == {"PYTHONPATH", "OPENBLAS_NUM_THREADS"}


def test_decoder_that_was_taken_over_is_not_believed(wav: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    for content, message in ((b"abc", "crashed"), (np.float32([np.nan]).tobytes(), "not finite")):
        monkeypatch.setattr("tts_app.cloning.sandbox._content", lambda _file, content=content: content)
        with pytest.raises(RecordingError, match=message):
            decode_recording(wav)


def test_nothing_is_left_open(wav: bytes) -> None:
    before = len(list(Path("/proc/self/fd").iterdir()))
    decode_recording(wav)
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_silence_that_warms_the_decoder_up_is_a_wav_file() -> None:
    assert decode_recording(decoder._silence()).size == pytest.approx(RATE / 10, abs=20)
