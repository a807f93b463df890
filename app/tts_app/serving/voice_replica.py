"""The voice deployment: one VoiceModel's engine behind a Ray Serve handle.

The engine is loaded once, when the replica starts. Calls run in threads, one for each core. A call that is
cancelled before its turn never runs, so a caller who leaves costs at most the segment that is being spoken.
"""

import asyncio
import time
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel, ConfigDict

from tts_app.audio.samples import Audio
from tts_app.cloning.clips import ClipCache, MissingClip
from tts_app.cloning.references import clips_of
from tts_app.engines.base import Capabilities, CloningEngine, Segment, SpeechEngine
from tts_app.engines.pool import EnginePool
from tts_app.engines.registry import speech_engine
from tts_app.resources import Source
from tts_app.resources.voice_model import VoiceReference
from tts_app.settings import Settings
from tts_app.sources import fetch
from tts_app.telemetry import traces
from tts_app.telemetry.about import Carried, about
from tts_app.telemetry.logs import log, set_up
from tts_app.telemetry.metrics.build import BuildMetrics
from tts_app.telemetry.metrics.engine import EngineMetrics, MemoryMetrics
from tts_app.telemetry.process import device_of_process, memory_of_process


class VoiceArgs(BaseModel):
    """What the Serve config passes to a model's application."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    model: str
    engine: str
    source: Source
    quantization: str
    parameters: dict[str, Any] = {}
    """The engine's own parameters; it validates them."""


class Voice:
    """A replica of a VoiceModel's engine."""

    def __init__(self, given: VoiceArgs | Mapping[str, Any]) -> None:
        args = VoiceArgs.model_validate(given)
        settings = Settings()
        set_up(f"voice-{args.model}", settings.log_level, settings.log_dir, model=args.model)
        started = time.perf_counter()
        self._engine = _load(args)
        self._metrics = EngineMetrics(args.model, device_of_process())
        self._memory, self._build = MemoryMetrics(args.model), BuildMetrics()
        self._pool = EnginePool(self._engine, watch=self._metrics)
        self._clips = ClipCache(self._forget_in_engine)
        seconds = time.perf_counter() - started
        log(
            "voice loaded",
            engine=args.engine,
            callers=self._pool.callers,
            seconds=round(seconds, 2),
        )

    def reconfigure(self, user_config: dict[str, Any]) -> None:
        """Check the voices: refuse, with its name, a speaker that the model does not have.

        Clips that voices refer to are fetched, decoded and checked.

        Raises:
            EngineError: there is no such speaker, or a clip cannot be used.
        """
        for speaker in user_config["speakers"]:
            self._engine.check_speaker(speaker)
        references = map(VoiceReference.model_validate, user_config.get("references", ()))
        self._clips.use(clips_of(references))

    def check_health(self) -> None:
        """Show how much memory the process has; Serve calls it every ten seconds."""
        self._memory.show(memory_of_process())
        self._build.show()

    async def describe(self) -> Capabilities:
        """Return what the engine can do."""
        return self._engine.capabilities

    async def synthesise(
        self,
        segments: Sequence[Segment],
        background: bool = False,
        work: Carried | None = None,
        trace: traces.Carrier | None = None,
    ) -> list[Audio] | MissingClip:
        """Speak `segments`; cancelling the call drops those that have not started.

        Where this replica lacks the clip of one, it speaks none and says which clip that is. `work` is what
        the caller works for, for the log; `trace` is the caller's.
        """
        with about(work), traces.resumed(trace):
            return await self._synthesise(segments, background)

    async def _synthesise(self, segments: Sequence[Segment], background: bool) -> list[Audio] | MissingClip:
        started = time.perf_counter()
        filled = []
        for segment in segments:
            found = self._clips.filled(segment)
            if isinstance(found, MissingClip):
                return found
            filled.append(found)
            if segment.clip is not None and segment.clip.audio.size:  # it is kept from now on, for a while
                asyncio.get_running_loop().call_later(self._clips.lease, self._clips.expire)
        try:
            audio = [await self._pool.synthesise(segment, background) for segment in filled]
        finally:
            for clip in (segment.clip for segment in filled if segment.clip is not None):
                self._clips.spoken(clip)
        seconds = time.perf_counter() - started
        log("segments spoken", segments=len(segments), seconds=round(seconds, 4))
        return audio

    async def forget(self, digest: str) -> None:
        """Drop a clip whose voice was revoked, and all that was computed of it; refuse it from now on."""
        self._clips.revoke(digest)

    def _forget_in_engine(self, digest: str) -> None:
        if isinstance(self._engine, CloningEngine):
            self._engine.forget(digest)

    def __del__(self) -> None:
        """Release the engine when Serve stops the replica."""
        if hasattr(self, "_pool"):
            self._pool.close()


def _load(args: VoiceArgs) -> SpeechEngine:
    engine = speech_engine(args.engine)
    files = fetch(args.source, engine.hub_patterns(args.quantization))
    return engine.load(files, args.quantization, args.parameters)
