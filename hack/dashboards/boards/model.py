"""A model that speaks: what its engine does, and whether it keeps up."""

from dashboards.board import Board, Row, choice
from dashboards.links import error_logs
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
from dashboards.promql import RAY

MODEL = RAY.where('model=~"$model"')
SPEECH_MODEL = MODEL.where('kind="speech"')
SERVE = RAY.where('application=~"$model"', 'deployment="Voice"')
"""What Serve says of the models: its applications have their names."""
AUDIO = "ray_ttsp_engine_audio_seconds_total"
COMPUTE = "ray_ttsp_engine_compute_seconds_total"

STATE = Row(
    "Is it well?",
    [
        figure(
            "Ready",
            "Can the gateway use it? A model scaled to zero on purpose is ready.",
            COUNT,
            Query(SPEECH_MODEL.min("ray_ttsp_model_ready", "model"), "{{model}}"),
            thresholds=bad_below(1),
            names={"0": ("down", "red"), "1": ("ready", "green")},
            width=6,
        ),
        figure(
            "Running",
            "How many requests does it have?",
            COUNT,
            Query(SPEECH_MODEL.sum("ray_ttsp_queue_running", "model"), "{{model}}"),
            width=6,
        ),
        figure(
            "Waiting now",
            "How many requests wait for it?",
            COUNT,
            Query(SPEECH_MODEL.sum("ray_ttsp_queue_waiting", "model"), "{{model}}"),
            thresholds=bad_above(5, worse=20),
            width=6,
        ),
        figure(
            "Replicas now",
            "How many healthy copies of it run?",
            COUNT,
            Query(SERVE.sum("ray_serve_deployment_replica_healthy", "application"), "{{application}}"),
            width=6,
        ),
        series(
            "Speeches by outcome",
            "How do requests to it end?",
            PER_SECOND,
            Query(MODEL.rate("ray_ttsp_speech_requests_total", "model", "outcome"), "{{model}} {{outcome}}"),
            stacked=True,
        ),
        series(
            "Failures by reason",
            "Why do requests to it fail?",
            PER_SECOND,
            Query(MODEL.rate("ray_ttsp_speech_failures_total", "model", "reason"), "{{model}} {{reason}}"),
            stacked=True,
            links=[error_logs("model")],
        ),
        series(
            "Starts of replicas",
            "Do its copies die and start again?",
            COUNT,
            Query(
                SERVE.increase("ray_serve_deployment_replica_starts_total", "application"), "{{application}}"
            ),
            links=[error_logs("application")],
        ),
    ],
)
ENGINE = Row(
    "Engine",
    [
        series(
            "Computing",
            "How many of its replicas compute? 1 is one that computes all the time; waiting is not counted.",
            COUNT,
            Query(MODEL.rate(COMPUTE, "model", "device"), "{{model}} {{device}}"),
            stacked=True,
        ),
        series(
            "Computing for a second of audio",
            "Has it become slower? Seconds in which a replica is busy, for a second of audio.",
            SECONDS,
            Query(
                f"{MODEL.rate(COMPUTE, 'model')} / {MODEL.rate(AUDIO, 'model')}",
                "{{model}}",
            ),
            thresholds=bad_above(0.8, worse=1),
        ),
        series(
            "Audio from the engine",
            "How many seconds of audio does it make in a second?",
            COUNT,
            Query(MODEL.rate(AUDIO, "model"), "{{model}}"),
        ),
        series(
            "Wait of segments",
            "How long do segments wait for their call?",
            SECONDS,
            Query(MODEL.quantile(0.5, "ray_ttsp_engine_wait_seconds", "model"), "{{model}}, half"),
            Query(MODEL.quantile(0.95, "ray_ttsp_engine_wait_seconds", "model"), "{{model}}, 95 of 100"),
        ),
        series(
            "Segments of a call",
            "How well are calls filled? An engine on a GPU speaks many callers' segments at once.",
            COUNT,
            Query(MODEL.quantile(0.5, "ray_ttsp_engine_batch_segments", "model"), "{{model}}, half"),
            Query(MODEL.quantile(0.95, "ray_ttsp_engine_batch_segments", "model"), "{{model}}, 95 of 100"),
        ),
        series(
            "Padding",
            "Which share of what it computes is thrown away, because segments of a call differ in length?",
            SHARE,
            Query(MODEL.quantile(0.5, "ray_ttsp_engine_padding_ratio", "model"), "{{model}}, half"),
            top=1,
        ),
        series(
            "Segments by outcome",
            "Do calls of the engine fail?",
            PER_SECOND,
            Query(MODEL.rate("ray_ttsp_engine_segments_total", "model", "outcome"), "{{model}} {{outcome}}"),
            stacked=True,
            links=[error_logs("model")],
        ),
        series(
            "Memory",
            "Does it need ever more memory? The processes of all its replicas.",
            BYTES,
            Query(MODEL.sum("ray_ttsp_engine_memory_bytes", "model", "memory"), "{{model}} {{memory}}"),
        ),
        series(
            "Replicas",
            "Does it scale as it should?",
            COUNT,
            Query(
                SERVE.sum("ray_serve_deployment_replica_healthy", "application"), "{{application}}, healthy"
            ),
            Query(
                SERVE.max("ray_serve_autoscaling_target_replicas", "application"), "{{application}}, wanted"
            ),
        ),
    ],
)
QUEUE = Row(
    "Queue",
    [
        series(
            "Waiting",
            "Who waits: callers, or work that can wait?",
            COUNT,
            Query(SPEECH_MODEL.sum("ray_ttsp_queue_waiting", "model", "priority"), "{{model}} {{priority}}"),
            stacked=True,
        ),
        series(
            "Wait for a place",
            "How long do requests wait until they are admitted?",
            SECONDS,
            Query(
                SPEECH_MODEL.quantile(0.5, "ray_ttsp_queue_wait_seconds", "model", "priority"),
                "{{model}} {{priority}}, half",
            ),
            Query(
                SPEECH_MODEL.quantile(0.95, "ray_ttsp_queue_wait_seconds", "model", "priority"),
                "{{model}} {{priority}}, 95 of 100",
            ),
        ),
        series(
            "Turned away",
            "Why does its queue turn requests away?",
            PER_SECOND,
            Query(SPEECH_MODEL.rate("ray_ttsp_queue_shed_total", "model", "reason"), "{{model}} {{reason}}"),
            stacked=True,
        ),
    ],
)
LISTENERS = Row(
    "Listeners",
    [
        series(
            "First audio",
            "How long do callers wait for its first audio?",
            SECONDS,
            Query(
                MODEL.quantile(0.95, "ray_ttsp_speech_first_audio_seconds", "model", "priority"),
                "{{model}} {{priority}}, 95 of 100",
            ),
            thresholds=bad_above(1, worse=3),
        ),
        series(
            "Real-time factor",
            "How many seconds does a second of its audio take, from admission on?",
            COUNT,
            Query(
                MODEL.quantile(0.95, "ray_ttsp_speech_real_time_factor", "model", "priority"),
                "{{model}} {{priority}}, 95 of 100",
            ),
            thresholds=bad_above(0.8, worse=1),
        ),
        series(
            "Silence within a speech",
            "How long is a listener without audio who plays it from the first audio on?",
            SECONDS,
            Query(
                MODEL.quantile(0.95, "ray_ttsp_speech_underrun_seconds", "model", "priority"),
                "{{model}} {{priority}}, 95 of 100",
            ),
        ),
        series(
            "Length of speeches",
            "Are speeches longer than usual?",
            SECONDS,
            Query(MODEL.quantile(0.5, "ray_ttsp_speech_duration_seconds", "model"), "{{model}}, half"),
            Query(MODEL.quantile(0.95, "ray_ttsp_speech_duration_seconds", "model"), "{{model}}, 95 of 100"),
        ),
        series(
            "Time to the last byte",
            "How long do whole requests take?",
            SECONDS,
            Query(
                MODEL.quantile(0.95, "ray_ttsp_speech_request_seconds", "model", "priority"),
                "{{model}} {{priority}}, 95 of 100",
            ),
        ),
        series(
            "Voices",
            "Which ten of its voices speak most? Seconds of audio in a second.",
            COUNT,
            Query(
                f"topk(10, {MODEL.rate('ray_ttsp_speech_audio_seconds_total', 'model', 'voice')})",
                "{{model}} {{voice}}",
            ),
            stacked=True,
        ),
    ],
)
BOARD = Board(
    "ttsp-model",
    "Model",
    "Does a model that speaks keep up, and if not: does it compute, wait or fail?",
    [STATE, ENGINE, QUEUE, LISTENERS],
    [choice("model", "Model", 'ray_ttsp_model_ready{kind="speech"}', "model", "A VoiceModel, by its name.")],
)
