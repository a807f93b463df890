"""What the operator's metrics say, and that docs/metrics.md lists each of them."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from metrics_page import documented_metrics
from prometheus_client import REGISTRY

from tts_operator import metrics
from tts_operator.cache import Store
from tts_operator.observed.conditions import State
from tts_operator.observed.jobs import Advance, advance
from tts_operator.reasons import REASONS
from tts_operator.watched import WATCHED

DOCS = Path(__file__).parents[3] / "docs"
NOW = datetime(2026, 11, 30, 12, 0, tzinfo=UTC)


@pytest.fixture
def conditions():
    """Return the keeper of conditions, of which no other test has told anything."""
    metrics.CONDITION_STATES.clear()
    return metrics.Conditions()


@pytest.fixture
def jobs():
    """Return the keeper of TTSJobs, of which no other test has told anything."""
    for gauge in (metrics.TTSJOBS, metrics.TTSJOB_ITEMS):
        gauge.clear()
    return metrics.Jobs()


def sample(name, **labels):
    return REGISTRY.get_sample_value(f"tts_operator_{name}", labels) or 0.0


def test_docs_list_every_metric_of_the_operator():
    found = {
        metric.name + ("_info" if metric.type == "info" else "")
        for metric in REGISTRY.collect()
        if metric.name.startswith("tts_operator_")
    }
    assert found == documented_metrics("Operator")


def test_docs_of_operations_explain_the_reasons_that_need_somebody():
    text = (DOCS / "operations.md").read_text(encoding="utf-8")
    self_explaining = {"AsExpected", "GoesOn", "NotEncrypted", "Serving", "Settled"}
    assert {reason for reason in REASONS if f"`{reason}`" not in text} == self_explaining


def test_conditions_count_by_reason_and_forget_owners(conditions):
    labels = {"kind": "VoiceModel", "type": "Ready", "status": "False", "reason": "CrashLoop"}
    crash = State("VoiceModel", "Ready", False, "CrashLoop")
    conditions.report("a", [crash, crash])
    conditions.report("b", [crash])
    assert sample("conditions", **labels) == 3
    conditions.report("a", [State("VoiceModel", "Ready", True, "Serving")])
    assert sample("conditions", **labels) == 1
    conditions.report("a", [])
    conditions.report("b", [])
    assert sample("conditions", **labels) == 0
    assert sample("conditions", kind="VoiceModel", type="Ready", status="True", reason="Serving") == 0


def test_conditions_with_a_reason_of_another_version_are_other(conditions):
    conditions.report("a", [State("TTSJob", "Complete", False, "SolarFlare")])
    assert sample("conditions", kind="TTSJob", type="Complete", status="False", reason="Other") == 1
    conditions.report("a", [])


def test_jobs_sum_their_items_and_the_longest_eta_counts(jobs):
    jobs.report("a", Advance("Running", {"done": 3, "open": 5}, 60.0))
    jobs.report("b", Advance("Running", {"done": 1, "open": 9}, 600.0))
    jobs.report("c", Advance("Pending", {}, None))
    assert (sample("ttsjobs", phase="Running"), sample("ttsjobs", phase="Pending")) == (2, 1)
    assert (sample("ttsjob_items", state="done"), sample("ttsjob_items", state="open")) == (4, 14)
    assert sample("ttsjob_eta_seconds") == 600
    jobs.report("b", Advance("Succeeded", {"done": 10, "open": 0}, None))
    assert (sample("ttsjobs", phase="Running"), sample("ttsjobs", phase="Succeeded")) == (1, 1)
    assert sample("ttsjob_eta_seconds") == 60
    for job in "abc":
        jobs.report(job, None)
    assert sample("ttsjob_items", state="done") == sample("ttsjobs", phase="Running") == 0
    assert sample("ttsjob_eta_seconds") == 0


def status(phase="Running", start="2026-11-30T11:50:00Z", **progress):
    return {"phase": phase, "startTime": start, "progress": progress}


def test_advance_puts_each_item_into_one_state_and_estimates_the_rest():
    found = advance(status(total=20, done=6, failed=1, skipped=2), NOW)
    assert found.items == {"done": 4, "failed": 1, "skipped": 2, "open": 13}
    assert sum(found.items.values()) == 20
    assert found.eta == 600 / 5 * 13, "ten minutes for five items"


@pytest.mark.parametrize(
    "before",
    [
        status(total=20, done=2, failed=0, skipped=2),
        status("Suspended", total=20, done=5, failed=0, skipped=0),
        status("Succeeded", total=20, done=20, failed=0, skipped=0),
        {"phase": "Running", "startTime": "2026-11-30T11:50:00Z"},
    ],
)
def test_advance_estimates_nothing_without_items_that_a_running_job_has_done(before):
    assert advance(before, NOW).eta is None


class Clock:
    """A clock that a test turns."""

    now = 100.0

    def __call__(self):
        return self.now


def test_cache_age_is_that_of_the_last_list_event_or_bookmark():
    clock = Clock()
    store = Store(WATCHED[0], None, lambda _: None, clock)
    clock.now = 130.0
    assert store.age == 30, "not listed yet"
    store.end_list([], 7)
    clock.now = 150.0
    assert store.age == 20
    store.take("BOOKMARK", {"metadata": {"resourceVersion": "9"}})
    clock.now = 151.0
    assert store.age == 1


def test_cache_age_is_left_out_where_the_cluster_lacks_the_kind():
    store = Store(WATCHED[0], None, lambda _: None)
    store.clear()
    assert store.age is None
    store.end_list([], 1)
    assert store.age is not None


def test_cache_age_is_read_when_metrics_are_asked_for(monkeypatch):
    monkeypatch.setattr(metrics.CACHE_AGE, "read", lambda: {"Pod": 12.0})
    assert sample("cache_age_seconds", kind="Pod") == 12
