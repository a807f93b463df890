"""Alerts by burn rate, by promtool: which of them fire at a share of bad events, and which do not."""

import json
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from slos.burn_rates import Objective, groups
from slos.cli import FILE, written

MINUTE = 100_000
"""Events a minute."""
NOISE = 40_000
"""What must not count, a minute."""
WINDOWS = (("1h", "5m"), ("6h", "30m"), ("1d", "2h"), ("3d", "6h"))
Series = dict[str, str]


@dataclass(frozen=True)
class Case:
    """An objective's alerts. `series` makes metrics of a minute's good and bad events."""

    slo: str
    alert: str
    limits: tuple[float, float, float, float]
    """The share of bad events above which the alert of each of WINDOWS fires."""
    severities: tuple[str, str, str, str]
    summary: str
    bad: str
    allowed: str
    series: Callable[[str, int, int], dict[str, int]]

    def labels(self, long: str, short: str, severity: str, job: str) -> dict[str, str]:
        """The labels of an alert."""
        return {"severity": severity, "long": long, "short": short, "job": job, "slo": self.slo}

    def expected(self, job: str, share: float) -> list[dict[str, Any]]:
        """What fires when this share of a job's events is bad."""
        return [
            {
                "exp_labels": self.labels(long, short, severity, job),
                "exp_annotations": {
                    "summary": self.summary,
                    "description": f"In {long}, {100 * share:g}% of the {self.bad}. "
                    f"The objective allows {self.allowed}.",
                    "runbook": f"docs/runbooks/{self.alert}.md",
                },
            }
            for (long, short), limit, severity in zip(WINDOWS, self.limits, self.severities, strict=True)
            if share > limit
        ]


def answers(job: str, good: int, bad: int) -> dict[str, int]:
    name, route = "ray_ttsp_http_requests_total", 'route="/v1/audio/speech"'
    return {
        f'{name}{{job="{job}", {route}, status="200"}}': good,
        f'{name}{{job="{job}", {route}, status="503"}}': bad,
        f'{name}{{job="{job}", {route}, status="429"}}': NOISE,  # these are no events, or not bad ones
        f'{name}{{job="{job}", {route}, status="499"}}': NOISE,
        f'{name}{{job="{job}", route="/healthz", status="503"}}': NOISE,
        f'ray_ttsp_speech_failures_total{{job="{job}", reason="text"}}': NOISE,
    }


def first_audios(job: str, good: int, bad: int) -> dict[str, int]:
    name, labels = "ray_ttsp_speech_first_audio_seconds", f'job="{job}", model="kokoro"'
    return {
        f'{name}_count{{{labels}, priority="interactive"}}': good + bad,
        f'{name}_bucket{{{labels}, priority="interactive", le="2.0"}}': good,
        f'{name}_bucket{{{labels}, priority="interactive", le="1.0"}}': 0,
        f'{name}_count{{{labels}, priority="background"}}': NOISE,
        f'{name}_bucket{{{labels}, priority="background", le="2.0"}}': 0,
    }


def places(job: str, good: int, bad: int) -> dict[str, int]:
    labels = f'job="{job}", kind="speech", model="kokoro"'
    return {
        f'ray_ttsp_queue_wait_seconds_count{{{labels}, priority="interactive"}}': good,
        f'ray_ttsp_queue_wait_seconds_count{{{labels}, priority="background"}}': NOISE,
        f'ray_ttsp_queue_shed_total{{{labels}, reason="full"}}': bad,
    }


def items(job: str, good: int, bad: int) -> dict[str, int]:
    return {
        f'ray_ttsp_batch_items_total{{job="{job}", outcome="done"}}': good,
        f'ray_ttsp_batch_items_total{{job="{job}", outcome="failed"}}': bad,
        f'ray_ttsp_batch_items_total{{job="{job}", outcome="skipped"}}': NOISE,
    }


PAGES = ("critical", "critical", "warning", "warning")
CASES = [
    Case(
        "availability",
        "TTSPAvailabilityLow",
        (0.0144, 0.006, 0.003, 0.001),
        PAGES,
        "Requests fail.",
        "answers, speeches and texts were errors or failed",
        "0.1%",
        answers,
    ),
    Case(
        "first_audio",
        "TTSPFirstAudioLate",
        (0.72, 0.3, 0.15, 0.05),
        PAGES,
        "Callers wait too long for the first audio.",
        "interactive speeches began after more than 2 seconds",
        "5%",
        first_audios,
    ),
    Case(
        "admission",
        "TTSPRequestsShed",
        (0.144, 0.06, 0.03, 0.01),
        PAGES,
        "Requests are refused as overload.",
        "requests for a model got no place in its queue (429)",
        "1%",
        places,
    ),
    Case(
        "batch",
        "TTSPBatchItemsFail",
        (0.144, 0.06, 0.03, 0.01),
        ("warning",) * 4,
        "Items of batches fail.",
        "items of batches failed",
        "1%",
        items,
    ),
]
each_case = pytest.mark.parametrize("case", CASES, ids=lambda case: case.alert)


def check(promtool: str, folder: Path, slo: str, series: Series, tests: Sequence[dict[str, Any]]) -> None:
    """Let promtool run tests of an objective's rules on these series, of one value a minute."""
    rules = yaml.safe_load(FILE.read_text(encoding="utf-8"))["groups"]
    own = [
        group for group in rules if group["name"] == f"ttsp-slo-{slo}"
    ]  # all of them take four times as long
    (folder / "rules.json").write_text(json.dumps({"groups": own}), encoding="utf-8")
    inputs = [{"series": name, "values": values} for name, values in series.items()]
    of_alerts = [test for test in tests if "alertname" in test]
    of_expressions = [test for test in tests if "expr" in test]
    whole = {
        "rule_files": ["rules.json"],
        "evaluation_interval": "1m",
        "tests": [
            {
                "interval": "1m",
                "input_series": inputs,
                "alert_rule_test": of_alerts,
                "promql_expr_test": of_expressions,
            }
        ],
    }
    file = folder / "test.json"
    file.write_text(json.dumps(whole), encoding="utf-8")
    ran = subprocess.run([promtool, "test", "rules", str(file)], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr


def counting(rates: dict[str, int]) -> Series:
    """Counters that grow by so many each minute for three hours. One of what never happens is not there."""
    return {name: f"0+{rate}x180" for name, rate in rates.items() if rate or "_bucket" in name}


def firing(case: Case, minute: int, job: str, *, fires: bool) -> dict[str, Any]:
    """Whether the alert of the shortest window fires for a job."""
    (long, short), severity = WINDOWS[0], case.severities[0]
    labels = {"alertname": case.alert, "alertstate": "firing", **case.labels(long, short, severity, job)}
    written = ", ".join(f'{name}="{value}"' for name, value in labels.items())
    return {
        "eval_time": f"{minute}m",
        "expr": f'ALERTS{{alertname="{case.alert}", alertstate="firing", job="{job}", long="{long}"}}',
        "exp_samples": [{"labels": f"ALERTS{{{written}}}", "value": 1}] if fires else [],
    }


@each_case
def test_each_alert_fires_above_its_share_and_not_below(case: Case, promtool: str, tmp_path: Path) -> None:
    shares = {f"above {limit:g}": limit * 1.25 for limit in case.limits}
    shares |= {"healthy": case.limits[-1] * 0.9, "perfect": 0.0}
    series: Series = {}
    for job, share in shares.items():
        bad = round(MINUTE * share)
        series |= counting(case.series(job, MINUTE - bad, bad))
    expected = [alert for job, share in shares.items() for alert in case.expected(job, share)]
    assert len(expected) == 4 + 3 + 2 + 1
    nothing_bad = {
        "eval_time": "180m",
        "expr": f'count(ttsp:slo_errors:ratio_rate1h{{job="perfect", slo="{case.slo}"}} == 0)',
        "exp_samples": [{"labels": "{}", "value": 1}],
    }
    fires = {"eval_time": "180m", "alertname": case.alert, "exp_alerts": expected}
    check(promtool, tmp_path, case.slo, series, [fires, nothing_bad])


@each_case
def test_an_alert_waits_its_time_and_ends_soon_after_the_fault(
    case: Case, promtool: str, tmp_path: Path
) -> None:
    """For an hour all is well, then for an hour nothing is, then all is well again."""
    good, bad = case.series("a", MINUTE, 0), case.series("a", 0, MINUTE)
    series = {
        name: f"0+{good[name]}x59 {60 * good[name]}+{bad[name]}x59 "
        f"{60 * (good[name] + bad[name])}+{good[name]}x60"
        for name in good
    }
    tests = [
        firing(case, 60, "a", fires=False),
        firing(case, 119, "a", fires=True),
        firing(case, 130, "a", fires=False),
    ]
    check(promtool, tmp_path, case.slo, series, tests)


@each_case
def test_few_bad_events_are_no_alert(case: Case, promtool: str, tmp_path: Path) -> None:
    """There were four events, or six, and each was bad."""
    events = case.series("four", 0, 4) | case.series("six", 0, 6)
    series = {name: f"0x20 {number}x40" for name, number in events.items()}
    tests = [firing(case, 24, "four", fires=False), firing(case, 24, "six", fires=True)]
    check(promtool, tmp_path, case.slo, series, tests)


def test_availability_counts_speeches_and_texts_that_fail_after_their_first_byte(
    promtool: str, tmp_path: Path
) -> None:
    """A hundred answers began well; of ten speeches one failed, and of ten texts three did."""
    series = counting(
        {
            'ray_ttsp_http_requests_total{job="a", route="/v1/audio/speech", status="200"}': 100,
            'ray_ttsp_http_requests_total{job="a", route="/v1/images/generations", status="501"}': 10,
            'ray_ttsp_speech_requests_total{job="a", outcome="finished"}': 9,
            'ray_ttsp_speech_requests_total{job="a", outcome="failed"}': 1,
            'ray_ttsp_speech_requests_total{job="a", outcome="abandoned"}': 50,
            'ray_ttsp_speech_failures_total{job="a", reason="engine"}': 1,
            'ray_ttsp_text_requests_total{job="a", outcome="finished"}': 7,
            'ray_ttsp_text_requests_total{job="a", outcome="failed"}': 3,
            'ray_ttsp_text_failures_total{job="a", reason="internal"}': 3,
        }
    )
    share = {
        "eval_time": "60m",
        "expr": 'round(ttsp:slo_errors:ratio_rate30m{slo="availability"} * 130)',
        "exp_samples": [{"labels": '{job="a", slo="availability"}', "value": 4}],
    }
    check(promtool, tmp_path, "availability", series, [share])


def test_target_that_no_alert_could_tell_is_refused() -> None:
    low = Objective("wait", 0.9, "TTSPWait", ("a[$window]",), ("b[$window]",), "They wait.", "people wait")
    with pytest.raises(ValueError, match=r"The target of wait, 0.9, is too low: .* a target above 0.93\."):
        groups([low])


def test_rules_are_as_their_objectives_make_them() -> None:
    assert FILE.read_text(encoding="utf-8") == written(), "run `make rules`"
