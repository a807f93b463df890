"""Seconds of audio a second that VITS makes on this machine's cores, by batches. Its weights are random."""

import sys
import tempfile
from pathlib import Path

import paths
from kokoro_batches import BATCHES, TEXTS, Row, batched, in_turns
from transformers import VitsConfig

from tts_app.engines.base import Segment
from tts_app.engines.vits.engine import VitsEngine

sys.path.append(str(paths.ROOT / "tests" / "engines" / "vits"))
from tiny_vits import OF_A_TINY_ONE, make


def measure(rounds: int) -> list[Row]:
    """Measure each batch `rounds` times, in turns; return its best."""
    published = VitsConfig()  # the sizes of MMS-TTS
    sizes = {name: getattr(published, name) for name in OF_A_TINY_ONE}
    segments = [Segment(text.lower(), "", "en-US", "0") for text in TEXTS]
    with tempfile.TemporaryDirectory() as folder:
        engine = VitsEngine.load(make(Path(folder), **sizes), "none", {"max_batch": max(BATCHES)})
        rows = in_turns({f"{n} a call": batched(engine, n) for n in BATCHES}, segments, rounds)
        engine.close()
    return rows
