"""How requests for speech want it spoken, as the pipeline gets it."""

from typing import Any

import pytest

from tts_app.api.errors import ApiError
from tts_app.api.schemas import DurableRequest, SpeechRequest
from tts_app.api.speech_options import follows, options_of
from tts_app.catalogue import Catalogue
from tts_app.manifests import load_voice_models
from tts_app.speech import SpeechOptions

VOICE = Catalogue(load_voice_models()).find("female_en-US")


@pytest.mark.parametrize(
    "request_",
    [
        SpeechRequest(input="a", voice="alloy", response_format="wav", speed=2.0, parameters={"speed": 1.5}),
        DurableRequest(text="a", response_format="wav", speed=2.0, parameters={"speed": 1.5}),
    ],
)
def test_the_options_are_those_of_the_request(request_: SpeechRequest | DurableRequest) -> None:
    assert options_of(request_, VOICE) == SpeechOptions("wav", 2.0, parameters={"speed": 1.5})


@pytest.mark.parametrize(
    ("fields", "volume", "normalize"),
    [
        ({}, 1.0, True),
        ({"volume": 0.5}, 0.5, True),
        ({"volume_multiplier": 1.5}, 1.5, True),
        ({"volume_multiplier": 0}, 0.0, True),
        ({"volume_multiplier": None}, 1.0, True),
        ({"volume": 1.0, "volume_multiplier": 1.5}, 1.0, True),
        ({"normalize": False}, 1.0, False),
        ({"normalization_options": {"normalize": False}}, 1.0, False),
        ({"normalization_options": {"normalize": True, "unit_normalization": False}}, 1.0, True),
        ({"normalization_options": None}, 1.0, True),
    ],
)
def test_names_of_other_servers_mean_ours(fields: dict[str, Any], volume: float, normalize: bool) -> None:
    request = SpeechRequest.model_validate({"input": "a", "voice": "alloy", **fields})
    options = options_of(request, VOICE)
    assert (options.volume, options.normalize) == (volume, normalize)
    unknown = "unit_normalization" in (fields.get("normalization_options") or {})
    assert request.ignored == (("normalization_options.unit_normalization",) if unknown else ())


def test_parameters_are_those_of_the_voices_engine() -> None:
    with pytest.raises(ApiError, match=r"speed: .*; a voice of kokoro has: speed") as error:
        options_of(DurableRequest(text="a", parameters={"speed": -1}), VOICE)
    assert error.value.param == "parameters"


def test_instructions_that_the_engine_does_not_follow_are_none_of_the_options() -> None:
    request = DurableRequest(text="a", instructions="Whisper.")
    assert options_of(request, VOICE).instructions == ""
    assert not follows(request, VOICE)
    assert follows(DurableRequest(text="a"), VOICE)
