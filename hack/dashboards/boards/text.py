"""Models that write text."""

from dashboards.board import Board, Row, choice
from dashboards.links import error_logs
from dashboards.panels import COUNT, PER_SECOND, SECONDS, SHARE, Query, bad_above, bad_below, figure, series
from dashboards.promql import RAY

MODEL = RAY.where('model=~"$model"')
TEXT_MODEL = MODEL.where('kind="text"')
ENGINE = RAY.where('model_name=~"$model"')
"""What the text engines say themselves, by vLLM's names."""

ANSWERS = Row(
    "Answers",
    [
        figure(
            "Ready",
            "Can the gateway use the model? One scaled to zero on purpose is ready.",
            COUNT,
            Query(TEXT_MODEL.min("ray_ttsp_model_ready", "model"), "{{model}}"),
            thresholds=bad_below(1),
            names={"0": ("down", "red"), "1": ("ready", "green")},
            width=8,
        ),
        figure(
            "Running",
            "How many answers are being written?",
            COUNT,
            Query(TEXT_MODEL.sum("ray_ttsp_queue_running", "model"), "{{model}}"),
            width=8,
        ),
        figure(
            "Waiting",
            "How many requests wait for a place?",
            COUNT,
            Query(TEXT_MODEL.sum("ray_ttsp_queue_waiting", "model"), "{{model}}"),
            thresholds=bad_above(5, worse=20),
            width=8,
        ),
        series(
            "First token",
            "How long do callers wait for the first token, the wait for a place included?",
            SECONDS,
            Query(MODEL.quantile(0.5, "ray_ttsp_text_first_token_seconds", "model"), "{{model}}, half"),
            Query(MODEL.quantile(0.95, "ray_ttsp_text_first_token_seconds", "model"), "{{model}}, 95 of 100"),
            thresholds=bad_above(2, worse=5),
        ),
        series(
            "Last token",
            "How long do whole answers take?",
            SECONDS,
            Query(MODEL.quantile(0.5, "ray_ttsp_text_request_seconds", "model"), "{{model}}, half"),
            Query(MODEL.quantile(0.95, "ray_ttsp_text_request_seconds", "model"), "{{model}}, 95 of 100"),
        ),
        series(
            "Answers by outcome",
            "How do requests for text end?",
            PER_SECOND,
            Query(MODEL.rate("ray_ttsp_text_requests_total", "model", "outcome"), "{{model}} {{outcome}}"),
            stacked=True,
        ),
        series(
            "Failures by reason",
            "Why do requests for text fail?",
            PER_SECOND,
            Query(MODEL.rate("ray_ttsp_text_failures_total", "model", "reason"), "{{model}} {{reason}}"),
            stacked=True,
            links=[error_logs("model")],
        ),
        series(
            "Wait for a place",
            "How long do 95 of 100 requests wait until they are admitted?",
            SECONDS,
            Query(
                TEXT_MODEL.quantile(0.95, "ray_ttsp_queue_wait_seconds", "model", "priority"),
                "{{model}} {{priority}}",
            ),
        ),
        series(
            "Turned away",
            "Why does the queue turn requests away?",
            PER_SECOND,
            Query(TEXT_MODEL.rate("ray_ttsp_queue_shed_total", "model", "reason"), "{{model}} {{reason}}"),
            stacked=True,
        ),
    ],
)
INSIDE = Row(
    "Engine",
    [
        series(
            "Tokens",
            "How many tokens does it read and write in a second?",
            COUNT,
            Query(ENGINE.rate("ray_vllm_prompt_tokens_total", "model_name"), "{{model_name}}, read"),
            Query(ENGINE.rate("ray_vllm_generation_tokens_total", "model_name"), "{{model_name}}, written"),
        ),
        series(
            "Time between tokens",
            "Does text come as fast as it is read?",
            SECONDS,
            Query(
                ENGINE.quantile(0.5, "ray_vllm_inter_token_latency_seconds", "model_name"),
                "{{model_name}}, half",
            ),
            Query(
                ENGINE.quantile(0.95, "ray_vllm_inter_token_latency_seconds", "model_name"),
                "{{model_name}}, 95 of 100",
            ),
        ),
        series(
            "First token of the engine",
            "How long does the engine need for the first token, without the wait for a place?",
            SECONDS,
            Query(
                ENGINE.quantile(0.95, "ray_vllm_time_to_first_token_seconds", "model_name"),
                "{{model_name}}, 95 of 100",
            ),
        ),
        series(
            "Answers in the engine",
            "Does the engine have more than it can write at a time?",
            COUNT,
            Query(ENGINE.sum("ray_vllm_num_requests_running", "model_name"), "{{model_name}}, written"),
            Query(ENGINE.sum("ray_vllm_num_requests_waiting", "model_name"), "{{model_name}}, waiting"),
        ),
        series(
            "Cache",
            "Is the cache of the conversations full? Then answers wait in the engine.",
            SHARE,
            Query(ENGINE.max("ray_vllm_kv_cache_usage_perc", "model_name"), "{{model_name}}"),
            thresholds=bad_above(0.8, worse=0.95),
            top=1,
        ),
        series(
            "Answers by their end",
            "Do answers end by themselves (stop), or at their limit (length)?",
            PER_SECOND,
            Query(
                ENGINE.rate("ray_vllm_request_success_total", "model_name", "finished_reason"),
                "{{model_name}} {{finished_reason}}",
            ),
            stacked=True,
        ),
    ],
)
BOARD = Board(
    "ttsp-text",
    "Text",
    "Do callers get text, and how fast?",
    [ANSWERS, INSIDE],
    [choice("model", "Model", 'ray_ttsp_model_ready{kind="text"}', "model", "A TextModel, by its name.")],
)
