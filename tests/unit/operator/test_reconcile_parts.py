"""The parts of the reconcile that need no API server."""

import asyncio
import json
import logging

import pytest

from tts_operator.logs import about, annotate, formatter
from tts_operator.objects import Key
from tts_operator.observed.drift import matches, stamped
from tts_operator.observed.events import event_of
from tts_operator.reconcile.queue import WorkQueue, work

A, B = Key("ns", "a"), Key("ns", "b")


@pytest.mark.parametrize(
    ("desired", "live", "same"),
    [
        ({"a": 1}, {"a": 1, "b": 2}, True),
        ({"a": 1}, {"a": 2}, False),
        ({"a": {"b": []}}, {"a": {}}, True),
        ({"a": {}}, {}, True),
        ({"a": False}, {}, False),
        ({"a": 0}, {}, False),
        ([{"a": 1}], [{"a": 1, "b": 1}], True),
        ([1], [1, 2], False),
        ([{"a": 1}, {"a": 2}], [{"a": 2}, {"a": 1}], False),
        ({"a": {"b": 1}}, {"a": None}, False),
    ],
)
def test_matches_compares_the_desired_object_with_the_live_one(desired, live, same):
    assert matches(desired, live) is same


def test_matches_sees_a_dropped_field_by_the_stamp():
    more = stamped({"metadata": {"name": "x"}, "spec": {"a": 1, "b": 2}})
    less = stamped({"metadata": {"name": "x"}, "spec": {"a": 1}})
    assert not matches(less, more)
    assert matches(less, {**less, "status": {}})


class Clock:
    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def queue(clock):
    return WorkQueue(clock)


async def test_queue_has_a_key_once(queue):
    for _ in range(3):
        queue.add(A)
    assert (await queue.get())[0] == A
    assert len(queue) == 0


async def test_queue_never_gives_a_key_twice_at_a_time(queue):
    queue.add(A)
    await queue.get()
    queue.add(A)
    queue.add(B)
    assert (await queue.get())[0] == B
    queue.done(A)
    assert (await queue.get())[0] == A


async def test_queue_keeps_the_earlier_time_of_a_key(queue, clock):
    queue.add(A, 100)
    queue.add(A, 5)
    queue.add(A, 50)
    clock.now = 5
    assert await queue.get() == (A, 0)
    queue.done(A)
    clock.now = 100
    queue.add(B)
    assert (await queue.get())[0] == B


async def test_queue_returns_how_long_a_key_waited(queue, clock):
    queue.add(A)
    clock.now = 3
    assert await queue.get() == (A, 3)


async def test_queue_backs_off_from_a_key_that_fails(queue, clock):
    delays = []
    queue.add(A)
    for _ in range(9):
        await queue.get()
        before = clock.now
        queue.done(A, failed=True)
        clock.now = next(iter(queue._due.values()))
        delays.append(clock.now - before)
    assert delays == [1, 2, 4, 8, 16, 32, 60, 60, 60]
    await queue.get()
    queue.done(A)
    queue.add(A)
    await queue.get()
    queue.done(A, failed=True)
    assert next(iter(queue._due.values())) - clock.now == 1


async def test_queue_get_waits_for_a_key():
    queue = WorkQueue(asyncio.get_running_loop().time)
    getting = asyncio.ensure_future(queue.get())
    await asyncio.sleep(0.01)
    assert not getting.done()
    queue.add(A, 0.01)
    async with asyncio.timeout(5):
        assert (await getting)[0] == A


async def test_work_logs_a_reconcile_that_raises_with_its_service_and_goes_on(caplog):
    caplog.handler.addFilter(annotate)
    queue = WorkQueue(asyncio.get_running_loop().time)
    done = asyncio.Event()

    async def reconcile(key, waited):
        assert waited >= 0
        if key == A:
            raise RuntimeError("broken")
        done.set()

    worker = asyncio.ensure_future(work(queue, reconcile))
    queue.add(A)
    queue.add(B)
    async with asyncio.timeout(5):
        await done.wait()
    worker.cancel()
    caplog.handler.removeFilter(annotate)
    (record,) = caplog.records
    line = json.loads(formatter().format(record))
    assert (line["namespace"], line["service"], line["level"]) == ("ns", "a", "ERROR")
    assert "RuntimeError: broken" in line["exc_info"]


async def test_log_line_outside_a_reconcile_names_no_service(caplog):
    caplog.handler.addFilter(annotate)
    with about({"service": "a"}):
        await asyncio.gather(log("inside"))
    logging.getLogger("tts_operator").warning("outside")
    caplog.handler.removeFilter(annotate)
    lines = [json.loads(formatter().format(record)) for record in caplog.records]
    assert [(line["event"], line.get("service")) for line in lines] == [("inside", "a"), ("outside", None)]


async def log(message):
    logging.getLogger("tts_operator").warning(message)


def conditions(ready="False", degraded="False", reason="Deploying", progress="Deploying"):
    return [
        {"type": "Ready", "status": ready, "reason": reason, "message": "m"},
        {"type": "Progressing", "status": "True", "reason": progress, "message": "m"},
        {"type": "Degraded", "status": degraded, "reason": reason, "message": "m"},
    ]


@pytest.mark.parametrize(
    ("before", "after", "reported"),
    [
        ([], conditions(), None),
        (conditions(), conditions(reason="Other"), None),
        (conditions(), conditions("True", reason="Serving"), ("Normal", "Serving")),
        (conditions("True"), conditions(reason="Deploying"), ("Normal", "Deploying")),
        (conditions(), conditions(degraded="True", reason="CrashLoop"), ("Warning", "CrashLoop")),
        ([], conditions(degraded="True", reason="InvalidSpec"), ("Warning", "InvalidSpec")),
        (
            conditions(degraded="True", reason="CrashLoop"),
            conditions(degraded="True", reason="OutOfMemory"),
            ("Warning", "OutOfMemory"),
        ),
        (conditions(), conditions(progress="ClusterReplacement"), ("Normal", "ClusterReplacement")),
        (conditions(progress="ClusterReplacement"), conditions(progress="ClusterReplacement"), None),
    ],
)
def test_event_of_reports_a_changed_condition(voice_model, before, after, reported):
    statuses = {"conditions": before}, {"conditions": after}
    event = event_of(voice_model(), *statuses, "2026-01-01T00:00:00.000000Z", "me")
    assert (event and (event["type"], event["reason"])) == reported
    if event:
        assert event["regarding"]["name"] == "kokoro"
        assert len(event["metadata"]["name"]) < 253
