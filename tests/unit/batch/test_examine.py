"""The check of a batch's files finds each kind of fault."""

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
from examine import faults, manifest

from tts_app.audio.encode import Encoder, completed
from tts_app.audio.tags import speech_tags
from tts_app.batch.hashes import text_mac
from tts_app.storage.output.base import SECRET

TEXT = "Breakfast is ready."
KEY = b"k" * 32


def put(folder: Path, samples: np.ndarray, avatar: str = "female_en-US", locale: str = "en-US") -> None:
    """Write one file and its manifest."""
    encoder = Encoder("mp3", 24000, tags=speech_tags(avatar, locale))
    data = completed(encoder.push(samples.astype(np.float32)) + encoder.flush(), "mp3")
    (folder / "one.mp3").write_bytes(data)
    record = {
        "file": "one.mp3",
        "sha256": hashlib.sha256(data).hexdigest(),
        "seconds": len(samples) / 24000,
        "avatar": "female_en-US",
        "text_hmac": text_mac(KEY, TEXT),
    }
    (folder / SECRET).parent.mkdir()
    (folder / SECRET).write_bytes(KEY)
    (folder / "manifest.jsonl").write_text(json.dumps(record) + "\n")


def tone(seconds: float, level: float = 0.1) -> np.ndarray:
    return level * np.sin(2 * np.pi * 220 * np.arange(round(24000 * seconds)) / 24000)


def test_faults_of_a_sound_file_are_none(tmp_path: Path) -> None:
    put(tmp_path, tone(1.5))
    assert faults(tmp_path, manifest(tmp_path), {"one.mp3": TEXT}) == []


@pytest.mark.parametrize(
    ("samples", "avatar", "locale", "fault"),
    [
        (tone(1.5, 0.001), "female_en-US", "en-US", "it is silent"),
        (tone(0.3), "female_en-US", "en-US", "characters in"),
        (tone(1.5), "male_en-US", "en-US", "its artist is 'male_en-US'"),
        (tone(1.5), "female_en-US", "ar-EG", "its language is 'ara', not 'eng'"),
    ],
)
def test_faults_names_wrong_audio(
    tmp_path: Path, samples: np.ndarray, avatar: str, locale: str, fault: str
) -> None:
    put(tmp_path, samples, avatar, locale)
    (reported,) = faults(tmp_path, manifest(tmp_path), {"one.mp3": TEXT})
    assert fault in reported


def test_faults_names_damaged_missing_and_unwanted_files(tmp_path: Path) -> None:
    put(tmp_path, tone(1.5))
    (tmp_path / "more.mp3").write_bytes(b"")
    data = (tmp_path / "one.mp3").read_bytes()
    (tmp_path / "one.mp3").write_bytes(data[: len(data) // 2])
    assert faults(tmp_path, manifest(tmp_path), {"one.mp3": "Another text.", "two.mp3": TEXT}) == [
        "two.mp3: missing",
        "more.mp3: nobody asked for it",
        "two.mp3: not in the manifest",
        "one.mp3: its checksum is not the manifest's",
        "one.mp3: the manifest tells of another text",
        *[f for f in faults(tmp_path, manifest(tmp_path), {"one.mp3": "Another text."}) if "it lasts" in f],
    ]
    (tmp_path / "one.mp3").write_bytes(b"no audio")
    assert any(
        "cannot be decoded" in fault for fault in faults(tmp_path, manifest(tmp_path), {"one.mp3": TEXT})
    )
