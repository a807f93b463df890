"""A commercial service refuses what its licence forbids, on a laptop and in batches, in one sentence."""

from pathlib import Path
from typing import Any

import pytest

from tts_app.batch.plan import PlanError, plan_batch
from tts_app.resources import VoiceModel
from tts_app.resources.licensing import license_fault
from tts_app.resources.tts_job import TTSJobSpec
from tts_app.serving.embedded import Playground
from tts_app.serving.embedded_ray import ServingError
from tts_app.settings import Settings

FREE = {"spdx": "CC-BY-NC-4.0", "commercialUse": False, "base": "OmniVoice (CC-BY-NC-4.0)"}
SENTENCE = "The model 'model' may not be used commercially by its licence, CC-BY-NC-4.0, as it is made from"
JOB = {"posts": {"inline": [{"id": 1, "text": {"en": "Hello."}}]}, "output": {"uri": "file:///nowhere"}}


def model(license_: dict[str, Any], **voice: Any) -> VoiceModel:
    voices = [{"locale": "en-US", "gender": "female", "speaker": "af_heart", **voice}]
    spec = {
        "engine": "kokoro",
        "source": {"uri": "package://kokoro-82m/int8", "revision": "1.0"},
        "license": license_,
        "voices": voices,
    }
    return VoiceModel.model_validate({"metadata": {"name": "model"}, "spec": spec})


def test_licence_counts_where_the_service_is_commercial() -> None:
    paid = model({"spdx": "Apache-2.0", "commercialUse": True})
    assert license_fault(paid, commercial=True) == ""
    assert license_fault(model(FREE), commercial=False) == ""
    assert license_fault(model(FREE), commercial=True).startswith(f"{SENTENCE} OmniVoice (CC-BY-NC-4.0)")


def test_licence_of_a_voice_counts_too() -> None:
    mixed = model({"spdx": "MIT", "commercialUse": True}, license=FREE)
    assert license_fault(mixed, commercial=True).startswith(
        "The voice female_en-US of the model 'model' may not"
    )


def test_playground_serves_no_model_that_its_licence_forbids(tmp_path: Path) -> None:
    playground = Playground(Settings(state_dir=tmp_path, commercial=True))
    with pytest.raises(ServingError, match=SENTENCE):
        playground.deploy([model(FREE)])


def test_batch_with_a_model_that_its_licence_forbids_is_refused(tmp_path: Path) -> None:
    spec = TTSJobSpec.model_validate(JOB)
    plan_batch(spec, [model(FREE)], tmp_path, secret=b"k" * 32).close()
    with pytest.raises(PlanError, match=SENTENCE):
        plan_batch(spec, [model(FREE)], tmp_path, secret=b"k" * 32, commercial=True)


def test_base_of_a_licence_is_written_only_where_it_is_given() -> None:
    assert "base" not in model({"spdx": "MIT", "commercialUse": True}).written()["spec"]["license"]
    assert model(FREE).written()["spec"]["license"] == FREE
