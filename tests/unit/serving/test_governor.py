"""The governor: when background work waits, and what a node says of itself."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import psutil
import pytest

from tts_app.serving import governor
from tts_app.serving.governor import AVERAGE_SECONDS, FULL, MARGIN, LoadGate, Sampler

LONG = 100 * AVERAGE_SECONDS
"""Seconds after which an average is the sample."""


def after(gate: LoadGate, seconds: float = LONG, node: str = "node", **usage: float) -> bool:
    gate.take(node, usage, seconds)
    return gate.open


def test_load_gate_begins_open() -> None:
    gate = LoadGate(0.8)
    assert gate.open
    assert gate.reason == ""


@pytest.mark.parametrize("resource", ["cpu", "gpu", "disk", "network"])
def test_load_gate_closes_at_the_limit_and_opens_a_margin_below(resource: str) -> None:
    gate = LoadGate(0.8)
    steps = [
        (0.79, True),
        (0.8, False),
        (0.79, False),
        (0.71, False),
        (0.7, True),
        (0.79, True),
        (0.9, False),
    ]
    for share, is_open in steps:
        gate.take("node", {resource: share}, LONG)
        assert gate.open is is_open, share
    assert gate.reason == f"node/{resource} is 90% in use"


@pytest.mark.parametrize("limit", [0.05, 0.1, 0.15, 0.2, 0.5, 0.8, 0.99])
def test_load_gate_opens_again_on_an_idle_node_at_any_limit(limit: float) -> None:
    gate = LoadGate(limit)
    assert not after(gate, cpu=1.0, memory=0.5)
    for _ in range(60):  # seconds of a machine that is idle but for a little
        after(gate, seconds=1, cpu=0.01, memory=0.5)
    assert gate.open


def test_load_gate_stays_open_during_a_short_burst() -> None:
    gate = LoadGate(0.8)
    for _ in range(3):
        assert after(gate, seconds=1, cpu=1.0)
    for _ in range(60):
        after(gate, seconds=1, cpu=1.0)
    assert not gate.open


def test_load_gate_stays_closed_during_a_moment_of_rest() -> None:
    gate = LoadGate(0.8)
    after(gate, cpu=1.0)
    assert not after(gate, seconds=1, cpu=0.0)
    for _ in range(30):
        after(gate, seconds=1, cpu=0.0)
    assert gate.open


def test_load_gate_average_depends_on_time_and_not_on_samples() -> None:
    often, seldom = LoadGate(0.99), LoadGate(0.99)
    for _ in range(20):
        after(often, seconds=0.1, cpu=1.0)
    after(seldom, seconds=2, cpu=1.0)
    assert often.levels["node/cpu"] == pytest.approx(seldom.levels["node/cpu"], abs=0.03)


@pytest.mark.parametrize("limit", [0.1, 0.5, 0.8])
def test_load_gate_has_its_own_limit_for_memory(limit: float) -> None:
    """What is loaded stays: with a lower one a batch would wait for ever."""
    gate = LoadGate(limit)
    assert after(gate, cpu=0.0, memory=FULL - 0.01)
    assert not after(gate, cpu=0.0, memory=FULL, seconds=0.1)
    assert gate.reason == "node/memory is 95% in use"
    assert not after(gate, cpu=0.0, memory=FULL - MARGIN + 0.01)
    assert after(gate, cpu=0.0, memory=FULL - MARGIN - 0.001)


def test_load_gate_counts_the_busiest_node_and_resource() -> None:
    gate = LoadGate(0.8)
    after(gate, node="a", cpu=0.1, disk=0.2)
    assert not after(gate, node="b", cpu=0.1, disk=0.85)
    assert not after(gate, node="a", cpu=0.1, disk=0.2)
    assert gate.reason == "b/disk is 85% in use"
    assert after(gate, node="b", cpu=0.1, disk=0.1)


def test_load_gate_with_a_limit_of_one_is_always_open() -> None:
    gate = LoadGate(1.0)
    assert after(gate, cpu=1.0, gpu=1.0, disk=1.0, network=1.0, memory=1.0)
    assert gate.reason == ""


def test_load_gate_ignores_a_node_that_does_not_answer() -> None:
    gate = LoadGate(0.8)
    assert after(gate)
    after(gate, cpu=0.9)
    assert not after(gate)
    assert gate.reason == "node/cpu is 90% in use"


def test_load_gate_ignores_an_unknown_resource() -> None:
    assert after(LoadGate(0.8), temperature=99.0)


def test_load_gate_gives_a_reason_after_the_busy_node_has_gone() -> None:
    gate = LoadGate(0.8)
    after(gate, cpu=0.9)
    gate.levels.clear()
    assert gate.reason
    assert after(gate, node="other", cpu=0.1)


# What a node says


def test_sampler_usage_of_this_machine_is_in_shares() -> None:
    sampler = Sampler()
    for _ in range(3):
        usage = sampler.usage()
        assert {"cpu", "memory", "disk"} <= set(usage) <= {"cpu", "memory", "disk", "network", "gpu"}
        assert all(0 <= share <= 1 for share in usage.values()), usage


Machine = Callable[..., dict[str, float]]


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    """Return what a Sampler says of a second in which devices went from `before` to `after`."""

    def sampled(
        disks: list[dict[str, float] | None],
        links: list[dict[str, tuple[int, int]]],
        speeds: dict[str, tuple[bool, int]],
    ) -> dict[str, float]:
        step = 0

        def disk_counters(**_: Any) -> dict[str, Any] | None:
            found = disks[step]
            return None if found is None else {n: SimpleNamespace(busy_time=b) for n, b in found.items()}

        def link_counters(pernic: bool = False) -> Any:
            each = {n: SimpleNamespace(bytes_sent=s, bytes_recv=r) for n, (s, r) in links[step].items()}
            if pernic:
                return each
            return SimpleNamespace(
                bytes_sent=sum(link.bytes_sent for link in each.values()),
                bytes_recv=sum(link.bytes_recv for link in each.values()),
            )

        up = {name: SimpleNamespace(isup=isup, speed=speed) for name, (isup, speed) in speeds.items()}
        monkeypatch.setattr(psutil, "disk_io_counters", disk_counters)
        monkeypatch.setattr(psutil, "net_io_counters", link_counters)
        monkeypatch.setattr(psutil, "net_if_stats", lambda: up)
        monkeypatch.setattr(governor, "time", SimpleNamespace(monotonic=lambda: 100.0 + step))
        sampler = Sampler()
        step = 1
        return sampler.usage()

    return sampled


LINK = {"eth0": (True, 8)}  # a million bytes a second


@pytest.mark.parametrize(
    ("before", "now", "share"),
    [
        ({"a": 0.0}, {"a": 500.0}, 0.5),
        ({"a": 0.0}, {"a": 5000.0}, 1.0),
        ({"a": 9e9, "b": 0.0}, {"a": 9e9, "b": 900.0}, 0.9),
        ({"a": 9e9, "b": 0.0}, {"b": 100.0}, 0.1),
        ({"a": 0.0}, {"a": 100.0, "new": 9e9}, 0.1),
        ({"a": 500.0}, {"a": 100.0}, 0.0),
        ({}, {}, 0.0),
        (None, None, 0.0),
    ],
    ids=["half", "all", "one-that-was-idle", "one-gone", "one-new", "counted-anew", "none", "unknown"],
)
def test_sampler_reports_the_busiest_disk(
    machine: Machine, before: dict[str, float] | None, now: dict[str, float] | None, share: float
) -> None:
    assert machine([before, now], [{}, {}], {})["disk"] == pytest.approx(share)


@pytest.mark.parametrize(
    ("before", "now", "share"),
    [
        ({"eth0": (0, 0)}, {"eth0": (250_000, 0)}, 0.25),
        ({"eth0": (0, 0)}, {"eth0": (100_000, 750_000)}, 0.75),
        ({"eth0": (9_000_000, 0)}, {"eth0": (9_000_000, 500_000)}, 0.5),
        ({"eth0": (0, 0)}, {"eth0": (9_000_000, 0)}, 1.0),
        ({"eth0": (0, 0), "lo": (0, 0)}, {"eth0": (0, 0), "lo": (900_000, 900_000)}, 0.0),
        ({"eth0": (0, 0), "tun": (9_000_000, 0)}, {"eth0": (100_000, 0)}, 0.1),
        ({"eth0": (0, 0)}, {"eth0": (100_000, 0), "tun": (9_000_000, 0)}, 0.1),
        ({"eth0": (500, 500)}, {"eth0": (0, 0)}, 0.0),
    ],
    ids=["sent", "received", "both-ways", "all", "to-itself", "one-gone", "one-new", "counted-anew"],
)
def test_sampler_reports_the_busiest_network_link(
    machine: Machine,
    before: dict[str, tuple[int, int]],
    now: dict[str, tuple[int, int]],
    share: float,
) -> None:
    found = machine([{}, {}], [before, now], LINK | {"lo": (True, 0)})
    assert found["network"] == pytest.approx(share)


@pytest.mark.parametrize("speeds", [{}, {"eth0": (True, 0)}, {"eth0": (False, 8)}, {"lo": (True, 8)}])
def test_sampler_leaves_out_the_network_without_a_known_capacity(
    machine: Machine, speeds: dict[str, tuple[bool, int]]
) -> None:
    links = {"eth0": (0, 0), "lo": (0, 0)}
    assert "network" not in machine([{}, {}], [links, {"eth0": (900_000, 0), "lo": (9, 9)}], speeds)


def test_sampler_gives_shares_for_two_samples_at_one_moment() -> None:
    sampler = Sampler()
    sampler.usage()
    assert all(0 <= share <= 1 for share in sampler.usage().values())
