"""What happened between two scrapes."""

import pytest

from tts_app.desk.figures import StorageFigures, figures
from tts_app.desk.scrapes import Scrape, Span, parse

BEFORE = """
# TYPE ray_ttsp_speech_requests_total counter
ray_ttsp_speech_requests_total{model="kokoro",outcome="finished",WorkerId="a"} 10
ray_ttsp_speech_requests_total{model="kokoro",outcome="finished",WorkerId="b"} 100
# TYPE ray_ttsp_speech_first_audio_seconds histogram
ray_ttsp_speech_first_audio_seconds_bucket{model="kokoro",le="0.1"} 5
ray_ttsp_speech_first_audio_seconds_bucket{model="kokoro",le="0.5"} 5
ray_ttsp_speech_first_audio_seconds_bucket{model="kokoro",le="+Inf"} 5
ray_ttsp_speech_first_audio_seconds_sum{model="kokoro"} 0.2
ray_ttsp_speech_first_audio_seconds_count{model="kokoro"} 5
"""
NOW = """
# TYPE ray_ttsp_speech_requests_total counter
ray_ttsp_speech_requests_total{model="kokoro",outcome="finished",WorkerId="a"} 30
ray_ttsp_speech_requests_total{model="kokoro",outcome="finished",WorkerId="b"} 4
ray_ttsp_speech_requests_total{model="kokoro",outcome="failed",WorkerId="c"} 6
# TYPE ray_ttsp_speech_failures_total counter
ray_ttsp_speech_failures_total{model="kokoro",reason="engine"} 6
# TYPE ray_ttsp_speech_first_audio_seconds histogram
ray_ttsp_speech_first_audio_seconds_bucket{model="kokoro",le="0.1"} 5
ray_ttsp_speech_first_audio_seconds_bucket{model="kokoro",le="0.5"} 14
ray_ttsp_speech_first_audio_seconds_bucket{model="kokoro",le="+Inf"} 15
ray_ttsp_speech_first_audio_seconds_sum{model="kokoro"} 5.2
ray_ttsp_speech_first_audio_seconds_count{model="kokoro"} 15
# TYPE ray_ttsp_queue_running gauge
ray_ttsp_queue_running{kind="speech",model="kokoro"} 2
# TYPE ray_ttsp_queue_waiting gauge
ray_ttsp_queue_waiting{kind="speech",model="kokoro",priority="interactive"} 3
ray_ttsp_queue_waiting{kind="speech",model="kokoro",priority="background"} 4
# TYPE ray_ttsp_model_ready gauge
ray_ttsp_model_ready{kind="speech",model="kokoro"} 1
ray_ttsp_model_ready{kind="text",model="smollm"} 0
# TYPE ray_ttsp_batches gauge
ray_ttsp_batches{state="running"} 1
ray_ttsp_batches{state="queued"} 2
# TYPE ray_ttsp_batch_eta_seconds gauge
ray_ttsp_batch_eta_seconds 90
# TYPE ray_ttsp_refusals_total counter
ray_ttsp_refusals_total{reason="overload"} 5
ray_ttsp_refusals_total{reason="invalid"} 0
# TYPE ray_ttsp_engine_segments_total counter
ray_ttsp_engine_segments_total{model="kokoro",outcome="finished"} 12
# TYPE ray_ttsp_engine_batch_segments histogram
ray_ttsp_engine_batch_segments_bucket{model="kokoro",le="+Inf"} 4
ray_ttsp_engine_batch_segments_sum{model="kokoro"} 99
ray_ttsp_engine_batch_segments_count{model="kokoro"} 4
# TYPE ray_ttsp_governor_utilization_ratio gauge
ray_ttsp_governor_utilization_ratio{resource="cpu"} 0.4
# TYPE ray_ttsp_engine_memory_bytes gauge
ray_ttsp_engine_memory_bytes{model="kokoro",memory="host"} 300000000
ray_ttsp_engine_memory_bytes{model="kokoro",memory="gpu"} 700000000
# TYPE ray_ttsp_storage_free_bytes gauge
ray_ttsp_storage_free_bytes{store="audio",WorkerId="a"} 5
ray_ttsp_storage_free_bytes{store="audio",WorkerId="b"} 50
# TYPE ray_ttsp_storage_size_bytes gauge
ray_ttsp_storage_size_bytes{store="audio",WorkerId="a"} 100
ray_ttsp_storage_size_bytes{store="audio",WorkerId="b"} 100
# TYPE ray_node_cpu_utilization gauge
ray_node_cpu_utilization{ip="10.0.0.1"} 50
ray_node_mem_used{ip="10.0.0.1"} 2
ray_node_mem_total{ip="10.0.0.1"} 8
ray_node_gpus_utilization{ip="10.0.0.1",GpuIndex="0"} 80
ray_node_gpus_utilization{ip="10.0.0.1",GpuIndex="1"} 40
ray_node_gram_used{ip="10.0.0.1",GpuIndex="0"} 30
ray_node_gram_available{ip="10.0.0.1",GpuIndex="0"} 70
"""
REQUESTS, FIRST = "ray_ttsp_speech_requests_total", "ray_ttsp_speech_first_audio_seconds"


@pytest.fixture
def span() -> Span:
    """Two exports of each process but "c", which has exported once; the last scrape has nothing new."""
    first = parse(100, [BEFORE])
    return Span((parse(95, [""]), first, parse(110, [NOW]), parse(115, [NOW])))


def test_increase_sums_series_and_sees_a_process_that_started_again() -> None:
    span = Span((parse(100, [BEFORE]), parse(110, [NOW])))
    assert span.increase(REQUESTS, model="kokoro") == (30 - 10) + 4 + 6
    assert span.increase(REQUESTS, model="kokoro", outcome="failed") == 6, "a new series counts from 0"
    assert span.increase(REQUESTS, model="another") is None
    assert span.rate("unknown_total") is None


def test_rate_is_between_exports_of_the_process(span: Span) -> None:
    assert span.rate(REQUESTS, WorkerId="a") == 2.0, "not over 20 s, of which 10 have no new export"
    assert span.rate(REQUESTS, WorkerId="b") == 0.4, "it started again"
    assert span.rate(REQUESTS, WorkerId="c") is None, "nobody knows how long its one export took"
    assert span.rate(REQUESTS, model="kokoro") == pytest.approx(2.4)


def test_rate_of_what_does_not_grow_is_0_if_its_process_exports_and_else_not_known() -> None:
    text = """# TYPE ray_ttsp_a counter
ray_ttsp_a_total{WorkerId="x"} 5
# TYPE ray_ttsp_b gauge
ray_ttsp_b{WorkerId="x"} %d
# TYPE ray_node_c gauge
ray_node_c %d
"""
    exporting = Span([parse(second, [text % (second, 0)]) for second in (0, 5, 10)])
    assert exporting.rate("ray_ttsp_a_total") == 0
    silent = Span([parse(second, [text % (0, second)]) for second in (0, 5, 10)])
    assert silent.rate("ray_ttsp_a_total") is None, "only Ray's agent had something new"


def test_compute_is_no_more_than_all_of_the_time_where_scrapes_and_exports_differ() -> None:
    """A process that computes all the time exports every 10 s; it is scraped every 5 s."""
    text = "# TYPE ray_ttsp_c counter\nray_ttsp_c_total %d\n"
    scrapes = [parse(second, [text % (second // 10 * 10)]) for second in range(18, 49, 5)]
    assert Span(scrapes).rate("ray_ttsp_c_total") == 1.0


def test_rate_of_no_time_is_not_known() -> None:
    scrape = parse(1, [NOW])
    assert Span((scrape, scrape)).rate(REQUESTS) is None


def test_quantiles_are_those_of_promql() -> None:
    """Nine of ten lie in 0.1-0.5 and one beyond: histogram_quantile(0.45, ...) is 0.1 + 0.4 * 4.5 / 9."""
    span = Span((parse(100, [BEFORE]), parse(110, [NOW])))
    assert span.quantile(0.45, FIRST, model="kokoro") == pytest.approx(0.3)
    assert span.quantile(0.99, FIRST, model="kokoro") == 0.5, "the last bucket has no upper end"
    assert span.quantile(0.5, FIRST, model="another") is None
    assert Span((span.now, span.now)).quantile(0.5, FIRST) is None


def test_series_of_two_endpoints_with_the_same_labels_are_two() -> None:
    both = parse(1, [NOW, NOW])
    assert both.sum("ray_ttsp_queue_running", model="kokoro") == 4
    assert both.largest("ray_ttsp_queue_running", model="kokoro") == 2
    assert both.sum("ray_ttsp_queue_running", model="another") is None


def test_parse_refuses_what_is_no_exposition() -> None:
    with pytest.raises(ValueError, match=r".+"):
        parse(1, ["<html>"])


def test_figures_of_a_span(span: Span) -> None:
    found = figures(span)
    assert found.span_seconds == 20
    kokoro, smollm = found.models
    assert (kokoro.model, kokoro.kind, kokoro.ready) == ("kokoro", "speech", True)
    assert (kokoro.running, kokoro.waiting, kokoro.waiting_background) == (2, 7, 4)
    assert (kokoro.requests_per_second, kokoro.failures_per_second) == (pytest.approx(2.4), 0.6)
    assert kokoro.first_p50_seconds == pytest.approx(0.1 + 0.4 * 2.5 / 9), "7.5 of 15, of which 5 are below"
    assert kokoro.memory_bytes == 1e9
    assert kokoro.batch_segments == 3, "not by the sum, which Ray estimates"
    assert (kokoro.compute_ratio, kokoro.padding_ratio, kokoro.fairness_ratio) == (None, None, None)
    assert (smollm.kind, smollm.ready, smollm.waiting) == ("text", False, 0)
    assert found.batches.batches == {"running": 1, "queued": 2}
    assert (found.batches.eta_seconds, found.batches.items_per_second) == (90, None)
    (node,) = found.nodes
    assert (node.node, node.cpu_ratio, node.memory_ratio) == ("10.0.0.1", 0.5, 0.25)
    assert (node.gpu_ratio, node.gpu_memory_ratio) == (pytest.approx(0.6), 0.3)
    assert found.governor == {"cpu": 0.4}
    assert found.storage == {"audio": StorageFigures(5, 0.05)}, "that with the least room"
    assert found.refusals_per_second == {"overload": 0.5}, "what did not happen is left out"


def test_figures_of_nothing() -> None:
    nothing = Scrape(1, {})
    found = figures(Span((nothing, nothing)))
    assert (found.models, found.nodes, found.governor, found.storage) == ([], [], {}, {})
    assert found.http_requests_per_second is None
