"""The governor: how busy the nodes really are, and whether background work may be added.

Ray's own resources are only bookkeeping. The governor measures every node: CPU, memory, disk, network, GPUs.
"""

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import psutil
import ray
from ray.exceptions import RayError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from tts_app.telemetry.logs import log

SAMPLE_SECONDS = 1.0
AVERAGE_SECONDS = 10.0
"""Time constant of the moving average: a speech takes some seconds, and is not stopped halfway."""
MARGIN = 0.1
"""Work resumes this far below the limit."""
FULL = 0.95
"""Share of a node's memory at which nothing is added."""


@dataclass(slots=True)
class LoadGate:
    """Opens and closes by the busiest resource: closes at the limit, opens at MARGIN below it. Pure.

    CPU, GPUs, disk and network are used in bursts, so their shares are averaged. Memory is not averaged, and
    its limit is FULL: what is loaded stays, and waiting would not free it.
    """

    limit: float
    """Share of a node's capacity, 0 to 1; at 1 the gate is always open."""
    average_seconds: float = AVERAGE_SECONDS
    open: bool = True
    levels: dict[str, float] = field(default_factory=dict)
    """Shares in use by node and resource, averaged."""

    def take(self, node: str, usage: Mapping[str, float], seconds: float) -> None:
        """Take a node's shares in use, `seconds` after the sample before."""
        weight = min(1.0, seconds / self.average_seconds)
        for resource, share in usage.items():
            name = f"{node}/{resource}"
            before = self.levels.get(name, 0.0 if resource in _BURSTS else share)
            self.levels[name] = before + (share - before) * weight if resource in _BURSTS else share
        if self.limit >= 1:
            return
        if any(level >= self._limit_of(name) for name, level in self.levels.items()):
            self.open = False
        elif all(level <= _reopened(self._limit_of(name)) for name, level in self.levels.items()):
            self.open = True

    @property
    def busiest(self) -> dict[str, float]:
        """Share in use by resource, on the node where it is highest."""
        found: dict[str, float] = {}
        for name, level in self.levels.items():
            resource = name.partition("/")[2]
            found[resource] = max(level, found.get(resource, 0.0))
        return found

    @property
    def reason(self) -> str:
        """What the gate is closed for, or an empty string."""
        if self.open:
            return ""
        name = max(self.levels, key=lambda name: self.levels[name] / self._limit_of(name), default="")
        return f"{name} is {self.levels[name]:.0%} in use" if name else "no node reports how busy it is"

    def _limit_of(self, name: str) -> float:
        resource = name.partition("/")[2]
        return self.limit if resource in _BURSTS else FULL if resource == "memory" else float("inf")


def _reopened(limit: float) -> float:
    """Return the level at which work resumes: above zero, because an average never reaches zero."""
    return max(limit - MARGIN, limit / 2)


_BURSTS = {"cpu", "disk", "network", "gpu"}


class Sampler:
    """Reports how busy its node is. An actor class, one a node; also usable in process."""

    def __init__(self) -> None:
        self._before = _Counters.read()
        psutil.cpu_percent()
        self._gpus = _gpus()

    def usage(self) -> dict[str, float]:
        """Return the shares in use, 0 to 1, since the last call."""
        now, before = _Counters.read(), self._before
        self._before = now
        elapsed = max(1e-3, now.time - before.time)
        shares = {
            "cpu": psutil.cpu_percent() / 100,
            "memory": psutil.virtual_memory().percent / 100,
            # Milliseconds that the busiest disk worked, as in `iostat`.
            "disk": _busiest(before.disks, now.disks, dict.fromkeys(now.disks, 1000 * elapsed)),
        }
        if capacities := _network_bytes_a_second():
            able = {name: speed * elapsed for name, speed in capacities.items()}
            shares["network"] = max(
                _busiest(before.sent, now.sent, able), _busiest(before.received, now.received, able)
            )
        busy = [share for device in self._gpus if (share := _gpu_share(device)) is not None]
        return shares | ({"gpu": sum(busy) / len(busy)} if busy else {})


@dataclass(frozen=True, slots=True)
class _Counters:
    """What a node's devices have done since it started, by device name."""

    time: float
    disks: Mapping[str, float]
    """Milliseconds that each was busy."""
    sent: Mapping[str, float]
    received: Mapping[str, float]

    @classmethod
    def read(cls) -> "_Counters":
        disks = psutil.disk_io_counters(perdisk=True) or {}
        network = psutil.net_io_counters(pernic=True) or {}
        return cls(
            time.monotonic(),
            {name: float(getattr(disk, "busy_time", 0)) for name, disk in disks.items()},
            {name: float(link.bytes_sent) for name, link in network.items()},
            {name: float(link.bytes_recv) for name, link in network.items()},
        )


def _busiest(before: Mapping[str, float], now: Mapping[str, float], able: Mapping[str, float]) -> float:
    """Return the busiest device's share of its capacity that was used; a new device counts as idle."""
    shares = ((now[name] - before[name]) / able[name] for name in now if name in before and name in able)
    return min(1.0, max(0.0, max(shares, default=0.0)))


class Governor:
    """Samples every node of the Ray cluster, and holds background work back. For one event loop."""

    def __init__(
        self, limit: float, sample_seconds: float = SAMPLE_SECONDS, average_seconds: float = AVERAGE_SECONDS
    ) -> None:
        self.gate = LoadGate(limit, average_seconds)
        self._sample_seconds = sample_seconds
        self._samplers: dict[str, Any] = {}
        self._opened = asyncio.Event()
        self._opened.set()
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> "Governor":
        if self.gate.limit < 1:
            self._task = asyncio.create_task(self._watch())
        return self

    async def __aexit__(self, *_error: object) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        for sampler in self._samplers.values():
            ray.kill(sampler)

    async def opened(self) -> None:
        """Wait until background work may be added."""
        await self._opened.wait()

    def release(self) -> None:
        """Hold nothing back from now on, so that waiting work can end."""
        if self._task is not None:
            self._task.cancel()
        self._opened.set()

    async def _watch(self) -> None:
        last = time.monotonic()
        while True:
            await asyncio.sleep(self._sample_seconds)
            nodes = await asyncio.to_thread(_nodes)
            usages = await asyncio.gather(*(self._usage(node) for node in nodes))
            now = time.monotonic()
            for node, usage in zip(nodes, usages, strict=True):
                self.gate.take(node[:8], usage, now - last)
            last = now
            gone = {name for name in self.gate.levels if name.partition("/")[0] not in {n[:8] for n in nodes}}
            for name in gone:
                del self.gate.levels[name]
            if self.gate.open:
                self._opened.set()
            elif self._opened.is_set():
                self._opened.clear()
                log("batch waits", reason=self.gate.reason)

    async def _usage(self, node: str) -> dict[str, float]:
        """Return a node's shares in use; nothing if it does not answer."""
        sampler: Any = self._samplers.get(node)
        if sampler is None:
            here = NodeAffinitySchedulingStrategy(node, soft=False)
            sampler = ray.remote(Sampler).options(num_cpus=0, scheduling_strategy=here).remote()
            self._samplers[node] = sampler
        try:
            async with asyncio.timeout(5):
                shares: dict[str, float] = await sampler.usage.remote()
                return shares
        except (RayError, TimeoutError) as error:
            log("node not sampled", node=node, error=error)
            # On a busy node the sampler may still be starting: a new one would be no faster.
            if not isinstance(error, TimeoutError):
                self._samplers.pop(node, None)
            return {}


def _nodes() -> Sequence[str]:
    return sorted(str(node["NodeID"]) for node in ray.nodes() if node["Alive"])  # type: ignore[no-untyped-call]


def _network_bytes_a_second() -> dict[str, float]:
    """Return the capacity of each interface that is up and reports it, except loopback."""
    stats = psutil.net_if_stats()
    return {name: s.speed * 125_000.0 for name, s in stats.items() if s.isup and s.speed > 0 and name != "lo"}


def _gpus() -> list[Any]:
    try:
        import pynvml  # noqa: PLC0415 - where there is no GPU its package may be missing
    except ImportError:
        return []
    try:
        pynvml.nvmlInit()
        return [pynvml.nvmlDeviceGetHandleByIndex(index) for index in range(pynvml.nvmlDeviceGetCount())]
    except pynvml.NVMLError:
        return []


def _gpu_share(device: Any) -> float | None:
    """Return how busy a GPU is; None if it does not report it, as while it is being reset."""
    import pynvml  # noqa: PLC0415

    try:
        return float(pynvml.nvmlDeviceGetUtilizationRates(device).gpu) / 100
    except pynvml.NVMLError:
        return None
