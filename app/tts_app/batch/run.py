"""Runs a prepared batch and writes its report: `ttsp render`, the API and a RayJob's entrypoint call it."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractContextManager, AsyncExitStack, asynccontextmanager
from functools import partial
from typing import Any

from tts_app.batch.driver import Driver
from tts_app.batch.ledger import Ledger
from tts_app.batch.options import Options
from tts_app.batch.outcome import Outcome, Progress
from tts_app.batch.plan import Plan
from tts_app.batch.report import write_report
from tts_app.batch.retry_output import OutputLostError
from tts_app.batch.speakers import GetClips
from tts_app.batch.spool import SpoolError
from tts_app.batch.waits import DEFAULT_WAITS, Waits
from tts_app.resources import VoiceModel
from tts_app.storage.output import LockedError, Output, describe
from tts_app.telemetry.about import about
from tts_app.telemetry.logs import log

_ASK_AGAIN = 2.0


async def _always() -> bool:
    return True


async def run(
    plan: Plan,
    output: Output,
    models: Sequence[VoiceModel],
    options: Options,
    *,
    report: Callable[[Progress], None],
    started: Callable[[Driver], None] = lambda _: None,
    wanted: Callable[[], Awaitable[bool]] = _always,
    archive: bool = False,
    waits: Waits = DEFAULT_WAITS,
    clips: GetClips | None = None,
) -> Outcome:
    """Render what the output lacks, then write the report. `started` gets the driver, and may stop it.

    If another driver holds the output, wait for that driver. `wanted` is asked once the output is held,
    because the batch may have ended meanwhile. For an output that is away, wait a limited time. `clips` reads
    the clips of cloned voices.
    """
    driver = Driver(plan, models, output, options, report, waits, clips)
    started(driver)
    with about(batch=options.job):
        log("batch", items=plan.total)
        report_of = partial(write_report, job=options.job, aside=plan.aside, archive=archive)
        outcome = await _run(driver, output, wanted, report_of)
        counts: dict[str, Any] = outcome.progress.counts
        log("batch ended", outcome=outcome.state, **counts)
        return outcome


async def _run(
    driver: Driver,
    output: Output,
    wanted: Callable[[], Awaitable[bool]],
    report_of: Callable[[Output, Ledger, Outcome], None],
) -> Outcome:
    try:
        async with driver.reporting(), _locked(output, driver):
            if not (driver.stopped or await wanted()):
                driver.stop()
            if driver.stopped:
                return Outcome("Stopped", driver.progress)
            outcome = await driver.run()
            if outcome.state != "Stopped":
                await driver.retry_output.do(partial(report_of, output, driver.ledger, outcome))
            return outcome
    except (OutputLostError, LockedError, SpoolError) as error:
        return driver.without_output(str(error))
    except OSError as error:
        return driver.without_output(f"{output.url}: {describe(error)}.")


@asynccontextmanager
async def _locked(output: Output, driver: Driver) -> AsyncIterator[None]:
    """Hold the output, once any other driver that holds it has ended, unless ours is stopped meanwhile.

    It is taken and released in a thread: an object store is called for both.
    """
    async with AsyncExitStack() as stack:
        while not driver.stopped:
            try:
                lock = await driver.retry_output.do(lambda: _entered(output.lock()))
                stack.push_async_callback(asyncio.to_thread, lock.__exit__, None, None, None)
                break
            except LockedError as error:
                driver.wait_for(str(error))
                await asyncio.sleep(_ASK_AGAIN)
        driver.wait_for("")
        yield


def _entered(lock: AbstractContextManager[None]) -> AbstractContextManager[None]:
    lock.__enter__()
    return lock
