"""Workers of batches, simulated, and a machine that is never busy."""

import asyncio
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field

from tts_app.batch.worker import Fault, Order, Spoken
from tts_app.batch.worker_pool import PoolSize
from tts_app.resources import VoiceModel
from tts_app.storage.output import open_output


@dataclass
class Pool:
    """Stands for the workers: notes what they speak, and can be held up. What is `broken` fails, once."""

    spoken: list[str] = field(default_factory=list)
    broken: set[str] = field(default_factory=set)
    gate: asyncio.Event = field(default_factory=asyncio.Event)
    asked: int = 0
    clips: list[str] = field(default_factory=list)
    """Transcripts of the clips of cloned voices, one an item."""

    def __post_init__(self) -> None:
        self.gate.set()

    def worker(self, model: VoiceModel, _speaker: str, size: PoolSize, output: str) -> "Worker":
        return Worker(self, model, size, output)


@dataclass
class Worker:
    pool: Pool
    model: VoiceModel
    size: PoolSize
    output: str
    chunk: int = 1
    actor: object = None
    lost: str = ""
    is_expected: bool = False

    async def render(self, orders: Sequence[Order], _alone: bool = False) -> list[Spoken | Fault]:
        self.pool.asked += len(orders)
        await self.pool.gate.wait()
        return [self._render(order) for order in orders]

    def expect(self) -> None:
        self.is_expected = True

    async def start(self) -> None:
        self.actor = self

    def stop(self) -> None:
        return

    def _render(self, order: Order) -> Spoken | Fault:
        what = f"{order.voice.id} {order.text}"
        if what in self.pool.broken:
            self.pool.broken.remove(what)
            return Fault(order.number, "item", "EngineRefused", "it refuses")
        self.pool.spoken.append(what)
        if order.clip is not None:
            assert order.voice.clip == order.clip.digest
            self.pool.clips.append(order.clip.transcript)
        audio = f"{self.model.spec.source.revision} {what}".encode()
        open_output(self.output).put(order.file, audio)
        return Spoken(order.number, hashlib.sha256(audio).hexdigest(), len(audio), 1.0)


class OpenGovernor:
    """However busy the machine is that runs the tests."""

    def __init__(self, *_: float) -> None:
        self.gate = self
        self.reason = ""
        self.open = True
        self.busiest: dict[str, float] = {}

    async def __aenter__(self) -> None:
        return

    async def __aexit__(self, *_: object) -> None:
        return

    async def opened(self) -> None:
        await asyncio.sleep(0)

    def release(self) -> None:
        return
