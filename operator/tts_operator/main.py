"""The operator's process: settings, health, leader election, watches and workers."""

import asyncio
import logging
import signal
import socket
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

import kopf
from lightkube import KubeConfig
from lightkube.core.exceptions import ConfigError

from tts_operator import logs, metrics
from tts_operator.desired.ray_service import Defaults
from tts_operator.handlers import CHILDREN_WATCHED, register
from tts_operator.kube import LightKube
from tts_operator.leader import Leader, LeaseLostError
from tts_operator.objects import JobKey, Key
from tts_operator.plan.service import Policy
from tts_operator.reconcile.jobs import JobReconciler
from tts_operator.reconcile.queue import K, WorkQueue, work
from tts_operator.reconcile.read import LiveReader
from tts_operator.reconcile.service import Reconciler
from tts_operator.reconcile.statuses import StatusWriter
from tts_operator.server import serve
from tts_operator.settings import Settings

logger = logging.getLogger(__name__)

PAGE = 100
"""Objects that Kopf lists at a time: all at once, RayServices alone would be most of the memory."""
STALLED_SECONDS = 120.0
"""A reconcile that takes longer hangs, and the operator is better started anew."""


def main() -> int:
    """Run the operator until it is told to stop; return the exit status."""
    settings = Settings()
    logs.configure(settings.log_level)
    try:
        config = KubeConfig.from_env()
    except ConfigError as error:
        logger.error("no cluster: %s; set KUBECONFIG or run in a pod", error)
        return 2
    try:
        asyncio.run(run(settings, config))
    except LeaseLostError as error:
        logger.error("%s", error)
        return 1
    return 0


async def run(settings: Settings, config: KubeConfig) -> None:
    """Run until a signal says stop.

    Raises:
        LeaseLostError: another operator leads now.
    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    kube = LightKube(config, settings.request_timeout)
    identity = settings.identity or socket.gethostname()
    leader = Leader(
        kube, settings.namespace, identity, settings.lease_seconds, settings.lease_renewal_seconds
    )
    busy: dict[object, float] = {}
    try:
        async with serve(settings.host, settings.port, lambda: _alive(busy)):
            if settings.leader_election:
                await _first(leader.acquire(), stop.wait())
            if stop.is_set():
                return
            await _lead(settings, kube, leader, stop, identity, busy)
            if settings.leader_election:
                await leader.release()
    finally:
        await kube.close()


async def _lead(
    settings: Settings,
    kube: LightKube,
    leader: Leader,
    stop: asyncio.Event,
    identity: str,
    busy: dict[object, float],
) -> None:
    clock = asyncio.get_running_loop().time
    queue, jobs = WorkQueue[Key](clock), WorkQueue[JobKey](clock)
    metrics.QUEUE_DEPTH.set_function(lambda: len(queue) + len(jobs))
    policy = Policy(
        Defaults(settings.gateway_image, settings.engine_images, settings.ray_version),
        settings.poll_seconds,
        settings.resync_seconds,
    )
    writer = StatusWriter(kube, _now, identity)
    reconciler = Reconciler(kube, LiveReader(kube), policy, _now, writer)
    job_reconciler = JobReconciler(kube, LiveReader(kube), policy, _now, writer)

    def measured(
        reconcile: Callable[[K], Awaitable[float | None]],
    ) -> Callable[[K, float], Awaitable[float | None]]:
        async def run(key: K, waited: float) -> float | None:
            metrics.QUEUE_SECONDS.observe(waited)
            one = object()
            busy[one] = started = time.monotonic()
            outcome = "failed"
            try:
                again = await reconcile(key)
                outcome = "done"
            finally:
                del busy[one]
                metrics.RECONCILE_SECONDS.observe(time.monotonic() - started)
                metrics.RECONCILES.labels(outcome).inc()
            return again

        return run

    registry = kopf.OperatorRegistry()
    register(registry, queue, jobs)
    ready = asyncio.Event()
    tasks = [
        asyncio.create_task(working)
        for _ in range(settings.workers)
        for working in (
            work(queue, measured(reconciler.reconcile)),
            work(jobs, measured(job_reconciler.reconcile)),
        )
    ]
    tasks.append(
        asyncio.create_task(
            kopf.operator(
                registry=registry,
                settings=_kopf_settings(settings),
                standalone=True,
                clusterwide=not settings.watched,
                namespaces=settings.watched,
                stop_flag=stop,
                ready_flag=ready,
            )
        )
    )
    if settings.leader_election:
        tasks.append(asyncio.create_task(leader.hold()))
    try:
        await _first(*tasks, stop.wait())
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


class _NothingKept(kopf.DiffBaseStorage):
    """No last state of the objects: no handler asks what changed, and Kopf copies all of them to find out."""

    def build(self, **_: object) -> kopf.BodyEssence:
        """Return nothing of the object."""
        return {}

    def fetch(self, **_: object) -> None:
        """Return no last state."""

    def store(self, **_: object) -> None:
        """Keep no last state."""


def _kopf_settings(settings: Settings) -> kopf.OperatorSettings:
    chosen = kopf.OperatorSettings()
    chosen.posting.enabled = False  # Events are told by `transitions`
    # Where it serves named namespaces alone, the operator has no right to look for new kinds and namespaces.
    chosen.scanning.disabled = bool(settings.watched)
    chosen.persistence.diffbase_storage = _NothingKept()
    chosen.watching.chunk_size = PAGE
    for kind, label in CHILDREN_WATCHED.items():
        chosen.watching.label_selectors[kind.group, kind.plural] = label
    chosen.watching.server_timeout = 270
    chosen.watching.client_timeout = 300
    chosen.watching.connect_timeout = settings.request_timeout
    chosen.networking.request_timeout = settings.request_timeout
    return chosen


def _now() -> datetime:
    return datetime.now(UTC)


def _alive(busy: dict[object, float]) -> bool:
    now = time.monotonic()
    return all(now - started < STALLED_SECONDS for started in busy.values())


async def _first(*things: object) -> None:
    """Wait for the first of several to end, raise what it raised, and give the others up."""
    tasks = [asyncio.ensure_future(thing) for thing in things]  # type: ignore[call-overload]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        for task in tasks:
            task.cancel()
