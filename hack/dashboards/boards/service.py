"""The service: are its users served?"""

from dashboards.board import Board, Row
from dashboards.links import error_logs, to_dashboard
from dashboards.panels import (
    BYTES,
    COUNT,
    PER_SECOND,
    SECONDS,
    SHARE,
    Query,
    bad_above,
    bad_below,
    figure,
    series,
)
from dashboards.promql import RANGE, RAY, RECORDED, or_zero

LISTENER = RAY.where('priority="interactive"')
FIRST_AUDIO = "ray_ttsp_speech_first_audio_seconds"
REQUESTS = "ray_ttsp_http_requests_total"
NO_FAULT = "0.1"
"""Seconds of silence within a speech that a listener takes for a pause; a bucket of the histogram."""

_budget = "/ on (slo) group_left () (1 - ttsp:slo_objective:ratio)"
_failed = or_zero(RAY.where('status=~"5.."').increase(REQUESTS))
_model = to_dashboard("This model", "ttsp-model", model="model")

SERVED = Row(
    "Are users served?",
    [
        figure(
            "Models",
            "Can the gateway use every model? A model scaled to zero on purpose is ready.",
            COUNT,
            Query(RAY.min("ray_ttsp_model_ready", "kind", "model"), "{{model}}"),
            thresholds=bad_below(1),
            names={"0": ("down", "red"), "1": ("ready", "green")},
            links=[_model],
        ),
        figure(
            "Answered without a fault",
            "Which share of all requests in the time shown did not end in a fault of ours (5xx)?",
            SHARE,
            Query(f"1 - ({_failed}) / {RAY.increase(REQUESTS)}", "answered"),
            thresholds=bad_below(0.999, worse=0.99),
            links=[error_logs()],
        ),
        figure(
            "First audio, 95 of 100",
            "How long do 95 of 100 callers who listen wait for the first audio?",
            SECONDS,
            Query(LISTENER.quantile(0.95, FIRST_AUDIO, window=RANGE), "95 of 100"),
            thresholds=bad_above(1, worse=3),
        ),
        figure(
            "Turned away, share",
            "Which share of the requests for speech and text in the time shown found no room (429)?",
            SHARE,
            Query(
                f"({or_zero(RAY.increase('ray_ttsp_queue_shed_total'))}) / {RAY.increase(REQUESTS)}",
                "turned away",
            ),
            thresholds=bad_above(0.01, worse=0.05),
        ),
        figure(
            "Waiting now",
            "How many requests wait for a place now?",
            COUNT,
            Query(RAY.sum("ray_ttsp_queue_waiting"), "waiting"),
            thresholds=bad_above(5, worse=20),
        ),
        figure(
            "Alerts",
            "How many alerts fire? Each has a page in docs/runbooks.",
            COUNT,
            Query(or_zero('count (ALERTS{alertstate="firing"})'), "firing"),
            thresholds=bad_above(1),
        ),
    ],
)
OBJECTIVES = Row(
    "Objectives (SLOs)",
    [
        figure(
            "Good in the last hour",
            "Which share of requests, first audios, admissions and batches was as it should be?",
            SHARE,
            Query(f"1 - {RECORDED.of('ttsp:slo_errors:ratio_rate1h')}", "{{slo}}"),
            thresholds=bad_below(0.99, worse=0.95),
            width=12,
        ),
        figure(
            "Good in three days",
            "Are the objectives met?",
            SHARE,
            Query(f"1 - {RECORDED.of('ttsp:slo_errors:ratio_rate3d')}", "{{slo}}"),
            thresholds=bad_below(0.99, worse=0.95),
            width=12,
        ),
        series(
            "Burn of the error budgets, last hour",
            "How many times too fast are the budgets of 30 days used? From 14.4 on, somebody is called.",
            COUNT,
            Query(f"{RECORDED.of('ttsp:slo_errors:ratio_rate1h')} {_budget}", "{{slo}}"),
            thresholds=bad_above(14.4),
            width=12,
        ),
        series(
            "Burn of the error budgets, six hours",
            "The same, for slower fires: from 6 on, somebody is called. Which objective will be missed?",
            COUNT,
            Query(f"{RECORDED.of('ttsp:slo_errors:ratio_rate6h')} {_budget}", "{{slo}}"),
            thresholds=bad_above(6),
            width=12,
        ),
    ],
)
REQUESTS_ROW = Row(
    "Requests",
    [
        series(
            "Requests by route",
            "What is the service asked for?",
            PER_SECOND,
            Query(RAY.rate(REQUESTS, "route", "method"), "{{method}} {{route}}"),
            stacked=True,
        ),
        series(
            "Requests by status",
            "How are requests answered? 499 is a caller who left.",
            PER_SECOND,
            Query(RAY.rate(REQUESTS, "status"), "{{status}}"),
            stacked=True,
            links=[error_logs()],
        ),
        series(
            "Refusals by reason",
            "Why are requests refused?",
            PER_SECOND,
            Query(RAY.rate("ray_ttsp_refusals_total", "reason"), "{{reason}}"),
            stacked=True,
        ),
        series(
            "Time to the last byte",
            "Which route has become slow? 95 of 100 requests take no longer.",
            SECONDS,
            Query(
                RAY.quantile(0.95, "ray_ttsp_http_request_seconds", "route", "method"), "{{method}} {{route}}"
            ),
            width=16,
        ),
        series(
            "Requests being answered",
            "How many requests are open, streams included?",
            COUNT,
            Query(RAY.sum("ray_ttsp_http_requests_open"), "open"),
        ),
    ],
)
SPEECH = Row(
    "Speech, as listeners hear it",
    [
        series(
            "First audio",
            "How long do callers who listen wait for the first audio?",
            SECONDS,
            Query(LISTENER.quantile(0.5, FIRST_AUDIO), "half"),
            Query(LISTENER.quantile(0.95, FIRST_AUDIO), "95 of 100"),
            Query(LISTENER.quantile(0.99, FIRST_AUDIO), "99 of 100"),
            thresholds=bad_above(1, worse=3),
        ),
        series(
            "Real-time factor by model",
            "How many seconds does a second of audio take, from admission on? Above 1 there are gaps.",
            COUNT,
            Query(
                LISTENER.quantile(0.95, "ray_ttsp_speech_real_time_factor", "model"), "{{model}}, 95 of 100"
            ),
            Query(LISTENER.quantile(0.5, "ray_ttsp_speech_real_time_factor", "model"), "{{model}}, half"),
            thresholds=bad_above(0.8, worse=1),
            links=[_model],
        ),
        series(
            "Speeches without a gap",
            f"Which share of speeches can be played at once, with at most {NO_FAULT} s of silence within?",
            SHARE,
            Query(LISTENER.share_below(NO_FAULT, "ray_ttsp_speech_underrun_seconds", "model"), "{{model}}"),
            thresholds=bad_below(0.99, worse=0.95),
            top=1,
            links=[_model],
        ),
        series(
            "Speeches by outcome",
            "How do requests for speech end?",
            PER_SECOND,
            Query(RAY.rate("ray_ttsp_speech_requests_total", "outcome"), "{{outcome}}"),
            stacked=True,
            links=[error_logs()],
        ),
        series(
            "Audio made",
            "How many seconds of audio does each model make in a second, batches included?",
            COUNT,
            Query(RAY.rate("ray_ttsp_speech_audio_seconds_total", "model"), "{{model}}"),
            stacked=True,
            links=[_model],
        ),
        series(
            "Voices",
            "Which ten voices speak most? Seconds of audio in a second; all cloned voices are one.",
            COUNT,
            Query(f"topk(10, {RAY.rate('ray_ttsp_speech_audio_seconds_total', 'voice')})", "{{voice}}"),
            stacked=True,
        ),
    ],
)
QUEUE = Row(
    "Queue",
    [
        series(
            "Waiting by model",
            "Which model has a queue?",
            COUNT,
            Query(RAY.sum("ray_ttsp_queue_waiting", "kind", "model", "priority"), "{{model}} {{priority}}"),
            links=[_model],
        ),
        series(
            "Wait for a place",
            "How long do 95 of 100 requests wait until they are admitted?",
            SECONDS,
            Query(
                RAY.quantile(0.95, "ray_ttsp_queue_wait_seconds", "model", "priority"),
                "{{model}} {{priority}}",
            ),
            links=[_model],
        ),
        series(
            "Turned away",
            "Why does the queue turn requests away?",
            PER_SECOND,
            Query(RAY.rate("ray_ttsp_queue_shed_total", "model", "reason"), "{{model}} {{reason}}"),
            stacked=True,
            links=[_model],
        ),
        series(
            "Fairness",
            "Do callers get equal shares? 1 is equal; 1 divided by their number is one who gets all.",
            SHARE,
            Query(RAY.min("ray_ttsp_queue_fairness_ratio", "kind", "model"), "{{model}}"),
            top=1,
        ),
        series(
            "Running by model",
            "How many requests does each model have?",
            COUNT,
            Query(RAY.sum("ray_ttsp_queue_running", "kind", "model"), "{{model}}"),
            links=[_model],
        ),
    ],
)
GROUND = Row(
    "What it stands on",
    [
        series(
            "Free storage",
            "Which local store becomes full?",
            SHARE,
            Query(
                f"{RAY.min('ray_ttsp_storage_free_bytes', 'store')}"
                f" / {RAY.min('ray_ttsp_storage_size_bytes', 'store')}",
                "{{store}}",
            ),
            thresholds=bad_below(0.15, worse=0.05),
            top=1,
        ),
        series(
            "Free bytes",
            "How much can still be stored?",
            BYTES,
            Query(RAY.min("ray_ttsp_storage_free_bytes", "store"), "{{store}}"),
        ),
        series(
            "Audit",
            "Is everything recorded? Requests are refused while no row can be written.",
            PER_SECOND,
            Query(RAY.rate("ray_ttsp_audit_writes_total"), "rows written"),
            Query(or_zero(RAY.rate("ray_ttsp_audit_write_failures_total")), "refused: no row"),
            Query(or_zero(RAY.rate("ray_ttsp_audit_anchor_failures_total")), "heads not kept"),
            links=[error_logs()],
        ),
        figure(
            "Versions",
            "Which versions run? More than one is an upgrade on its way.",
            COUNT,
            Query(
                RAY.sum("ray_ttsp_build_info", "version", "python", "ray"),
                "{{version}}, Python {{python}}, Ray {{ray}}",
            ),
            width=24,
        ),
    ],
)
BOARD = Board(
    "ttsp-service",
    "Service",
    "Are users served? If not, the rows below say where to look; the other dashboards say why.",
    [SERVED, OBJECTIVES, REQUESTS_ROW, SPEECH, QUEUE, GROUND],
)
