"""Cost: what a second of audio takes, and what an hour of it is worth."""

from dashboards.board import Board, Row
from dashboards.links import to_dashboard
from dashboards.panels import COUNT, SECONDS, SHARE, Query, figure, series
from dashboards.promql import RAY, RECORDED

AUDIO = "ray_ttsp_speech_audio_seconds_total"
COMPUTE = "ray_ttsp_engine_compute_seconds_total"
NODES = RECORDED.of("ttsp:nodes:count")
PRICE = "ttsp:node_price_per_hour"
_replicas = RAY.where('deployment="Voice"').sum("ray_serve_deployment_replica_healthy")
_model = to_dashboard("This model", "ttsp-model", model="model")

PRICES = Row(
    "Price, in the currency of the chart's value monitoring.pricePerNodeHour",
    [
        figure(
            "An hour of audio",
            "What does an hour of audio cost, by all nodes' price in the last hour? Idle nodes make it dear.",
            "none",
            Query(RECORDED.of("ttsp:price_per_audio_hour:rate1h"), "{{job}}"),
            width=6,
        ),
        figure(
            "An hour of a node",
            "Which price is set?",
            "none",
            Query(PRICE, "a node's hour"),
            width=6,
        ),
        figure(
            "An hour of the service",
            "What do all nodes cost in an hour?",
            "none",
            Query(f"{NODES} * scalar({PRICE})", "{{job}}"),
            width=6,
        ),
        figure(
            "Audio made",
            "How many seconds of audio were made in the time shown?",
            SECONDS,
            Query(RAY.increase(AUDIO), "audio"),
            width=6,
        ),
        series(
            "An hour of audio, over time",
            "Does audio become dearer?",
            "none",
            Query(RECORDED.of("ttsp:price_per_audio_hour:rate1h"), "{{job}}"),
            width=12,
        ),
        series(
            "Nodes",
            "How many nodes are paid for?",
            COUNT,
            Query(NODES, "{{job}}"),
            width=12,
        ),
    ],
)
EFFORT = Row(
    "Effort",
    [
        series(
            "Computing for a second of audio",
            "Which model is dear? Seconds in which a replica is busy, for a second of audio.",
            SECONDS,
            Query(RECORDED.of("ttsp:compute_seconds_per_audio_second:rate5m"), "{{model}}"),
            links=[_model],
        ),
        series(
            "Computing by model",
            "Which model is busy? 1 is a replica that computes all the time.",
            COUNT,
            Query(RAY.rate(COMPUTE, "model", "device"), "{{model}} {{device}}"),
            stacked=True,
            links=[_model],
        ),
        series(
            "Busy replicas",
            "Which share of the time of all replicas that speak is used? The rest is paid for, too.",
            SHARE,
            Query(
                f"{RAY.rate(COMPUTE)} / {_replicas}",
                "busy",
            ),
            top=1,
        ),
        series(
            "Audio by model",
            "Which model makes the audio? Seconds of audio in a second.",
            COUNT,
            Query(RAY.rate(AUDIO, "model"), "{{model}}"),
            stacked=True,
            links=[_model],
        ),
        series(
            "Audio by voice",
            "Which ten voices make most audio? Seconds of audio in a second.",
            COUNT,
            Query(f"topk(10, {RAY.rate(AUDIO, 'voice')})", "{{voice}}"),
            stacked=True,
        ),
        series(
            "Characters by voice",
            "Which ten voices read most characters? Characters in a second.",
            COUNT,
            Query(f"topk(10, {RAY.rate('ray_ttsp_speech_characters_total', 'voice')})", "{{voice}}"),
            stacked=True,
        ),
    ],
)
BOARD = Board(
    "ttsp-cost",
    "Cost",
    "What does a second of audio take, and what does an hour cost? A tenant's usage is in the database.",
    [PRICES, EFFORT],
)
