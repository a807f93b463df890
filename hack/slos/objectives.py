"""The service's objectives. docs/observability.md explains them; after a change here run `make rules`."""

from slos.burn_rates import Objective


def _rate(selector: str) -> str:
    # On a cluster these two labels name a service, for each service has a PodMonitor of its own.
    return f"sum by (namespace, job) (rate({selector}[$window]))"


_FIRST_ALL = _rate('ray_ttsp_speech_first_audio_seconds_count{priority="interactive"}')
_FIRST_SOON = _rate('ray_ttsp_speech_first_audio_seconds_bucket{priority="interactive", le="2.0"}')

OBJECTIVES = (
    Objective(
        name="availability",
        target=0.999,
        alert="TTSPAvailabilityLow",
        # A request that fails before its first byte is a bad answer and a failed speech, two of two events;
        # one that breaks off later is a good answer and a failed speech. Faults of callers are never bad.
        bad=(
            _rate('ray_ttsp_http_requests_total{route=~"/v1/.+", status=~"5..", status!="501"}'),
            _rate('ray_ttsp_speech_failures_total{reason!~"text|voice"}'),
            _rate('ray_ttsp_text_failures_total{reason!~"text|voice"}'),
        ),
        events=(
            _rate('ray_ttsp_http_requests_total{route=~"/v1/.+", status!~"4.."}'),
            _rate('ray_ttsp_speech_requests_total{outcome=~"finished|failed"}'),
            _rate('ray_ttsp_text_requests_total{outcome=~"finished|failed"}'),
        ),
        summary="Requests fail.",
        bad_events="answers, speeches and texts were errors or failed",
    ),
    Objective(
        name="first_audio",
        target=0.95,
        alert="TTSPFirstAudioLate",
        bad=(f"{_FIRST_ALL} - {_FIRST_SOON}",),
        events=(_FIRST_ALL,),
        summary="Callers wait too long for the first audio.",
        bad_events="interactive speeches began after more than 2 seconds",
    ),
    Objective(
        name="admission",
        target=0.99,
        alert="TTSPRequestsShed",
        bad=(_rate("ray_ttsp_queue_shed_total"),),
        # Background waits are those of segments, of which a stored speech has many.
        events=(
            _rate("ray_ttsp_queue_shed_total"),
            _rate('ray_ttsp_queue_wait_seconds_count{priority="interactive"}'),
        ),
        summary="Requests are refused as overload.",
        bad_events="requests for a model got no place in its queue (429)",
    ),
    Objective(
        name="batch",
        target=0.99,
        alert="TTSPBatchItemsFail",
        bad=(_rate('ray_ttsp_batch_items_total{outcome="failed"}'),),
        events=(_rate('ray_ttsp_batch_items_total{outcome=~"done|failed"}'),),
        summary="Items of batches fail.",
        bad_events="items of batches failed",
        pages=False,
    ),
)
"""What users may expect, and what tells whether they get it."""
