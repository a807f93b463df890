"""Requests for speech, as the pipeline gets them."""

import pytest

from tts_app.api.schemas import DurableRequest, SpeechRequest
from tts_app.speech import SpeechOptions


@pytest.mark.parametrize(
    "request_",
    [
        SpeechRequest(input="a", voice="alloy", response_format="wav", speed=2.0),
        DurableRequest(text="a", response_format="wav", speed=2.0),
    ],
)
def test_the_options_are_those_of_the_request(request_: SpeechRequest | DurableRequest) -> None:
    assert request_.options == SpeechOptions("wav", 2.0)
