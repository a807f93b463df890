"""Runs the operator: reflectors keep the cache, changes make keys due, workers reconcile them."""

import asyncio
import logging
from contextlib import AsyncExitStack
from datetime import UTC, datetime

from lightkube import KubeConfig

from tts_operator import metrics
from tts_operator.cache import Cache
from tts_operator.desired.ray_service import Defaults
from tts_operator.kube import Learn, LightKube
from tts_operator.objects import JobKey, Key
from tts_operator.plan.service import Policy
from tts_operator.reconcile.jobs import JobReconciler
from tts_operator.reconcile.queue import WorkQueue, work
from tts_operator.reconcile.service import Reconciler
from tts_operator.reconcile.statuses import StatusWriter
from tts_operator.reflector import Reflector
from tts_operator.running import Running
from tts_operator.settings import Settings

logger = logging.getLogger(__name__)


async def operate(settings: Settings, config: KubeConfig, identity: str, running: Running) -> None:
    """Watch and reconcile forever. `identity` is the reporter of Events."""
    clock = asyncio.get_running_loop().time
    services, jobs = WorkQueue[Key](clock), WorkQueue[JobKey](clock)
    metrics.QUEUE_DEPTH.set_function(lambda: len(services) + len(jobs))

    def notify(key: Key | JobKey) -> None:
        if isinstance(key, Key):
            services.add(key)
        else:
            jobs.add(key)

    cache = Cache(settings.watched, notify)
    metrics.CACHE_AGE.read = cache.ages
    async with AsyncExitStack() as stack:
        kube = _client(stack, config, settings, cache.learn)
        # Each has its own connections: a watch uses its connection all the time.
        watchers = {namespace: _client(stack, config, settings) for namespace in settings.watched or (None,)}
        reflectors = [Reflector(watchers[store.namespace], store) for store in cache.stores]
        policy = Policy(
            Defaults(
                settings.gateway_image,
                settings.engine_images,
                settings.ray_version,
                settings.kuberay_namespace,
                settings.monitoring_namespace,
                settings.profile,
                settings.commercial,
                settings.monitoring,
            ),
            settings.poll_seconds,
            settings.resync_seconds,
        )
        writer = StatusWriter(kube, _now, identity)
        reconcile_service = running.measured(Reconciler(kube, cache, policy, _now, writer).reconcile)
        reconcile_job = running.measured(JobReconciler(kube, cache, policy, _now, writer).reconcile)
        async with asyncio.TaskGroup() as tasks:
            for reflector in reflectors:
                tasks.create_task(reflector.run())
            for reflector in reflectors:
                await reflector.tried.wait()
            logger.info("reconciling", extra={"due": len(services) + len(jobs)})
            for _ in range(settings.workers):
                tasks.create_task(work(services, reconcile_service))
                tasks.create_task(work(jobs, reconcile_job))


def _client(
    stack: AsyncExitStack, config: KubeConfig, settings: Settings, learn: Learn | None = None
) -> LightKube:
    """Return a client that `stack` closes."""
    kube = LightKube(config, settings.request_timeout, learn)
    stack.push_async_callback(kube.close)
    return kube


def _now() -> datetime:
    return datetime.now(UTC)
