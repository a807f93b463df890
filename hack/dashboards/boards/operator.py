"""The operator and KubeRay: does the cluster become what the resources say?"""

from dashboards.board import Board, Row, choice
from dashboards.links import error_logs
from dashboards.panels import (
    BYTES,
    COUNT,
    PER_SECOND,
    SECONDS,
    Query,
    bad_above,
    figure,
    series,
)
from dashboards.promql import KUBERAY, OPERATOR

_bad = OPERATOR.where('type=~"Ready|Complete"', 'status!="True"')

STATE = Row(
    "Is it well?",
    [
        figure(
            "Leader",
            "Does exactly one operator work?",
            COUNT,
            Query(OPERATOR.sum("tts_operator_leader"), "leaders"),
            thresholds=[(None, "red"), (1, "green"), (2, "red")],
            width=6,
        ),
        figure(
            "Oldest cache",
            "When did a watch last prove that it lives? What the operator knows is as old.",
            SECONDS,
            Query(OPERATOR.max("tts_operator_cache_age_seconds"), "oldest"),
            thresholds=bad_above(300, worse=600),
            width=6,
        ),
        figure(
            "Due",
            "How many services and TTSJobs wait to be reconciled?",
            COUNT,
            Query(OPERATOR.sum("tts_operator_queue_depth"), "due"),
            thresholds=bad_above(10, worse=50),
            width=6,
        ),
        figure(
            "Versions",
            "Which versions run?",
            COUNT,
            Query(OPERATOR.sum("tts_operator_build_info", "version"), "{{version}}"),
            width=6,
        ),
    ],
)
RECONCILES = Row(
    "Reconciles",
    [
        series(
            "Reconciles by outcome",
            "Do reconciles succeed?",
            PER_SECOND,
            Query(OPERATOR.rate("tts_operator_reconciles_total", "outcome"), "{{outcome}}"),
            stacked=True,
            links=[error_logs()],
        ),
        series(
            "Time of a reconcile",
            "How long do reconciles take?",
            SECONDS,
            Query(OPERATOR.quantile(0.5, "tts_operator_reconcile_seconds"), "half"),
            Query(OPERATOR.quantile(0.95, "tts_operator_reconcile_seconds"), "95 of 100"),
        ),
        series(
            "Wait for a reconcile",
            "How long after a change does its reconcile begin?",
            SECONDS,
            Query(OPERATOR.quantile(0.5, "tts_operator_queue_seconds"), "half"),
            Query(OPERATOR.quantile(0.95, "tts_operator_queue_seconds"), "95 of 100"),
        ),
        series(
            "Age of the caches",
            "Which watch is stale?",
            SECONDS,
            Query(OPERATOR.max("tts_operator_cache_age_seconds", "kind"), "{{kind}}"),
            thresholds=bad_above(300, worse=600),
        ),
        series(
            "Calls of the Kubernetes API",
            "What does it ask of the Kubernetes API, and is it refused?",
            PER_SECOND,
            Query(OPERATOR.rate("tts_operator_api_calls_total", "verb", "code"), "{{verb}} {{code}}"),
            stacked=True,
        ),
        series(
            "Time of a call",
            "Is the Kubernetes API slow? 95 of 100 calls take no longer.",
            SECONDS,
            Query(OPERATOR.quantile(0.95, "tts_operator_api_call_seconds", "verb"), "{{verb}}"),
        ),
    ],
)
RESOURCES = Row(
    "Resources",
    [
        series(
            "Conditions",
            "How many resources are in which state?",
            COUNT,
            Query(
                OPERATOR.sum("tts_operator_conditions", "kind", "type", "status"),
                "{{kind}} {{type}}={{status}}",
            ),
            width=12,
        ),
        series(
            "Not ready, by reason",
            "Why are resources not ready? docs/operations.md says what to do about each reason.",
            COUNT,
            Query(
                _bad.sum("tts_operator_conditions", "kind", "type", "reason"),
                "{{kind}} {{type}} {{reason}}",
            ),
            stacked=True,
            width=12,
        ),
        series(
            "Memory of the operator",
            "Does it need ever more memory?",
            BYTES,
            Query(
                f"{OPERATOR.of('process_resident_memory_bytes')} and on (instance) tts_operator_leader",
                "{{instance}}",
            ),
            width=12,
        ),
        series(
            "Processor of the operator",
            "How busy is it? 1 is one processor.",
            COUNT,
            Query(
                f"rate({OPERATOR.of('process_cpu_seconds_total')}[$__rate_interval])"
                " and on (instance) tts_operator_leader",
                "{{instance}}",
            ),
            width=12,
        ),
    ],
)
KUBERAY_OBJECTS = Row(
    "KubeRay: needs its metrics",
    [
        series(
            "RayServices",
            "Does KubeRay serve the services?",
            COUNT,
            Query(
                KUBERAY.sum("kuberay_service_condition_ready", "name", "condition"),
                "{{name}} ready={{condition}}",
            ),
        ),
        series(
            "Upgrades",
            "Is a service being replaced by a new cluster?",
            COUNT,
            Query(
                KUBERAY.sum("kuberay_service_condition_upgrade_in_progress", "name", "condition"),
                "{{name}} upgrade={{condition}}",
            ),
        ),
        series(
            "Start of Ray clusters",
            "How long do Ray clusters take to start?",
            SECONDS,
            Query(KUBERAY.max("kuberay_cluster_provisioned_duration_seconds", "name"), "{{name}}"),
        ),
    ],
    folded=True,
)
BOARD = Board(
    "ttsp-operator",
    "Operator",
    "Does the operator make the cluster what the resources say?",
    [STATE, RECONCILES, RESOURCES, KUBERAY_OBJECTS],
    [choice("namespace", "Namespace", "tts_operator_leader", "namespace", "Where the operator runs.")],
    on_ray=False,
)
