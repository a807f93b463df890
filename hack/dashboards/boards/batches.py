"""Batches: those of the API, and TTSJobs."""

from dashboards.board import Board, Row, choice
from dashboards.links import error_logs
from dashboards.panels import COUNT, PER_SECOND, SECONDS, SHARE, Query, bad_above, figure, series
from dashboards.promql import KUBERAY, OPERATOR, RAY, or_zero

HOSTED = Row(
    "Batches of the API",
    [
        figure(
            "Not ended",
            "How many batches wait or run?",
            COUNT,
            Query(RAY.max("ray_ttsp_batches", "state"), "{{state}}"),
            width=6,
        ),
        figure(
            "Estimated end",
            "When does the last batch that runs end?",
            SECONDS,
            Query(RAY.max("ray_ttsp_batch_eta_seconds"), "seconds"),
            width=6,
        ),
        figure(
            "Oldest",
            "How long has the oldest batch that has not ended been there?",
            SECONDS,
            Query(RAY.max("ray_ttsp_batch_oldest_age_seconds"), "age"),
            width=6,
        ),
        figure(
            "Failed items",
            "How many items failed in the time shown?",
            COUNT,
            Query(or_zero(RAY.where('outcome="failed"').increase("ray_ttsp_batch_items_total")), "failed"),
            thresholds=bad_above(1),
            links=[error_logs()],
            width=6,
        ),
        series(
            "Batches by state",
            "Do batches move on?",
            COUNT,
            Query(RAY.max("ray_ttsp_batches", "state"), "{{state}}"),
            stacked=True,
        ),
        series(
            "Batches that ended",
            "How do batches end?",
            COUNT,
            Query(RAY.increase("ray_ttsp_batches_finished_total", "outcome"), "{{outcome}}"),
            links=[error_logs()],
        ),
        series(
            "Items by outcome",
            "How fast are items rendered, and do they fail?",
            PER_SECOND,
            Query(RAY.rate("ray_ttsp_batch_items_total", "outcome"), "{{outcome}}"),
            stacked=True,
            links=[error_logs()],
        ),
        series(
            "Items of running batches",
            "How much is left?",
            COUNT,
            Query(RAY.max("ray_ttsp_batch_items_open", "state"), "{{state}}"),
            stacked=True,
        ),
        series(
            "Items tried again",
            "Is the ground unsteady? Workers die, stores do not answer.",
            PER_SECOND,
            Query(or_zero(RAY.rate("ray_ttsp_batch_retries_total")), "tried again"),
        ),
        series(
            "Stored speeches",
            "How do stored speeches end? They wait behind callers who listen, as batches do.",
            PER_SECOND,
            Query(
                RAY.where('priority="background"').rate("ray_ttsp_speech_requests_total", "model", "outcome"),
                "{{model}} {{outcome}}",
            ),
            stacked=True,
        ),
    ],
)
GOVERNOR = Row(
    "Governor: holds batches back while the nodes are busy",
    [
        series(
            "Utilization",
            "What holds batches back? They are held from 80 % on; memory from 95 % on.",
            SHARE,
            Query(RAY.max("ray_ttsp_governor_utilization_ratio", "resource"), "{{resource}}"),
            thresholds=bad_above(0.8),
            top=1,
            width=12,
        ),
        series(
            "Slots",
            "How many items may be spoken at a time? 0 while batches are held back.",
            COUNT,
            Query(RAY.sum("ray_ttsp_governor_slots"), "slots"),
            width=12,
        ),
    ],
)
JOBS = Row(
    "TTSJobs: need the operator",
    [
        series(
            "TTSJobs by phase",
            "Do TTSJobs move on?",
            COUNT,
            Query(OPERATOR.sum("tts_operator_ttsjobs", "phase"), "{{phase}}"),
            stacked=True,
        ),
        series(
            "Items by state",
            "How much is done, has failed, is left?",
            COUNT,
            Query(OPERATOR.sum("tts_operator_ttsjob_items", "state"), "{{state}}"),
            stacked=True,
        ),
        series(
            "Estimated end of TTSJobs",
            "When does the last TTSJob that runs end?",
            SECONDS,
            Query(OPERATOR.max("tts_operator_ttsjob_eta_seconds"), "seconds"),
        ),
    ],
)
KUBERAY_JOBS = Row(
    "RayJobs of TTSJobs: need KubeRay's metrics",
    [
        series(
            "RayJobs by state",
            "Does KubeRay start the clusters of TTSJobs?",
            COUNT,
            Query(KUBERAY.sum("kuberay_job_deployment_status", "deployment_status"), "{{deployment_status}}"),
            width=12,
        ),
        series(
            "Length of RayJobs",
            "How long did RayJobs take?",
            SECONDS,
            Query(
                KUBERAY.max("kuberay_job_execution_duration_seconds", "name", "job_deployment_status"),
                "{{name}} {{job_deployment_status}}",
            ),
            width=12,
        ),
    ],
    folded=True,
)
BOARD = Board(
    "ttsp-batches",
    "Batches",
    "Do batches end, when, and what holds them back?",
    [HOSTED, GOVERNOR, JOBS, KUBERAY_JOBS],
    [choice("namespace", "Namespace", "tts_operator_leader", "namespace", "Where the operator runs.")],
)
