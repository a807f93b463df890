"""What the kinds do beyond their rules."""

from typing import Any, get_args

import pytest
from cases import GOOD
from pydantic import ValidationError

from tts_app.audio.formats import FORMATS
from tts_app.resources import KINDS, Playground, Resources, TTSJob, VoiceModel
from tts_app.resources.tts_job import AudioFormat


def test_playground_without_a_spec_has_every_default() -> None:
    spec = Playground.model_validate({"metadata": {"name": "a"}}).spec
    assert (spec.when_empty, spec.pod_disruption_budget, spec.ray.auth) == ("Remove", True, "token")
    assert (spec.network_policy.enabled, spec.monitoring.pod_monitor) == (True, False)
    assert (spec.ingress, spec.storage.database, spec.images.gateway) == (None, None, None)


@pytest.mark.parametrize(
    ("name", "service"),
    [("job", "playground"), ("job-of-a-service", "playground"), ("job-of-its-own", None)],
)
def test_tts_job_service_name_has_a_default(name: str, service: str | None) -> None:
    assert TTSJob.model_validate(GOOD[name]).spec.service_name == service


def test_tts_job_formats_are_those_that_make_files() -> None:
    assert set(get_args(AudioFormat)) == set(FORMATS) - {"pcm"}  # raw samples: no player knows their rate


def test_resources_accept_whole_numbers_as_quantities() -> None:
    resources = Resources.model_validate({"cpu": 4, "gpu": 1, "memory": 1024})
    assert (resources.cpus, resources.gpus, resources.memory_bytes) == (4, 1, 1024)


@pytest.mark.parametrize(
    "resources", [{"cpu": True}, {"cpu": -1}, {"cpu": 0.5}, {"memory": "16K"}, {"gpu": "1m"}, {"cpu": ""}]
)
def test_resources_refuse_wrong_quantities(resources: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Resources.model_validate(resources)


@pytest.mark.parametrize(
    ("memory", "found"), [("1k", 1000), ("1Ki", 1024), ("1.5Gi", 3 << 29), ("1T", 10**12), ("2Ei", 2 << 60)]
)
def test_resources_memory_in_bytes(memory: str, found: int) -> None:
    assert Resources(memory=memory).memory_bytes == found


def test_voice_model_accepts_the_status_of_a_newer_operator() -> None:
    condition = {"type": "Ready", "status": "True", "reason": "Serving", "message": "", "new": 1,
                 "lastTransitionTime": "2026-01-01T00:00:00Z"}  # fmt: skip
    status = {"conditions": [condition], "locales": ["en-US"], "avatars": 1, "mood": "good"}
    model = VoiceModel.model_validate({**GOOD["speakers"], "status": status})
    assert model.status is not None
    assert model.status.conditions[0].reason == "Serving"
    with pytest.raises(ValidationError, match="unique by type; given twice: Ready"):
        VoiceModel.model_validate({**GOOD["speakers"], "status": {"conditions": [condition, condition]}})


def test_tts_job_lists_refuse_duplicates() -> None:
    job = GOOD["job"]["spec"]
    for change, message in (
        ({"posts": {"inline": job["posts"]["inline"] * 2}}, "unique by id; given twice: 1"),
        ({"avatars": {"locales": ["en-US", "en-US"]}}, "unique; given twice: en-US"),
    ):
        with pytest.raises(ValidationError, match=message):
            TTSJob.model_validate({**GOOD["job"], "spec": {**job, **change}})


@pytest.mark.parametrize(
    ("template", "name"),
    [("{locale}.{post}", "en-US.7"), ("post_{post:02d}_{gender}_{locale}", "post_07_male_en-US")],
)
def test_tts_job_name_template_can_be_filled(template: str, name: str) -> None:
    spec = TTSJob.model_validate(GOOD["job-of-a-service"]).spec
    output = type(spec.output).model_validate({"uri": "pvc://a", "nameTemplate": template})
    assert output.name_template.format(post=7, gender="male", locale="en-US") == name


def test_kinds_are_named_as_their_kind_field() -> None:
    assert {name: kind.model_fields["kind"].default for name, kind in KINDS.items()} == {
        name: name for name in KINDS
    }
