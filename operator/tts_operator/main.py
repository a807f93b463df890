"""The operator's process: settings, logs, signals, health and leader election."""

import asyncio
import logging
import signal
import socket
from collections.abc import Coroutine

from lightkube import KubeConfig
from lightkube.core.exceptions import ConfigError

from tts_app.telemetry import traces
from tts_operator import logs
from tts_operator.kube import LightKube
from tts_operator.leader import Leader, LeaseLostError
from tts_operator.operation import operate
from tts_operator.protection import ProtectionError
from tts_operator.running import Running
from tts_operator.server import Guarded, serve
from tts_operator.settings import Settings

logger = logging.getLogger(__name__)


def main() -> int:
    """Run the operator until a signal stops it; return the exit status."""
    settings = Settings()
    logs.configure(settings.log_level)
    try:
        traces.set_up("operator")
    except ValueError as error:
        logger.error("no traces: %s", error)
        return 2
    try:
        config = KubeConfig.from_env()
    except ConfigError as error:
        logger.error("no cluster: %s; set KUBECONFIG or run in a pod", error)
        return 2
    status = 0
    try:
        asyncio.run(run(settings, config))
    except* LeaseLostError as lost:
        logger.error("%s", lost.exceptions[0])
        status = 1
    except* ProtectionError as unusable:
        logger.error("%s", unusable.exceptions[0])
        status = 2
    return status


async def run(settings: Settings, config: KubeConfig) -> None:
    """Run until a signal stops it.

    Raises:
        ExceptionGroup: it contains a LeaseLostError if another operator leads now.
        OSError: the port is taken.
        ProtectionError: what protects /metrics cannot be used.
    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    identity = settings.identity or socket.gethostname()
    running = Running()
    kube = LightKube(config, settings.request_timeout)
    leader = Leader(
        kube, settings.namespace, identity, settings.lease_seconds, settings.lease_renewal_seconds
    )
    try:
        protection = settings.protection
        guarded = None if protection is None else Guarded(protection, settings.metrics_port)
        async with serve(settings.host, settings.port, lambda: running.is_alive, guarded):
            if not settings.leader_election:
                await _until(stop, operate(settings, config, identity, running))
                return
            await _until(stop, leader.acquire())
            if not stop.is_set():
                await _until(stop, operate(settings, config, identity, running), leader.hold())
                await leader.release()
    finally:
        await kube.close()


async def _until(stop: asyncio.Event, *works: Coroutine[None, None, None]) -> None:
    """Run coroutines concurrently until one of them ends or `stop` is set; cancel the others.

    Raises:
        ExceptionGroup: it contains what they raised.
    """
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(work) for work in (*works, stop.wait())]
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in tasks:
            task.cancel()
