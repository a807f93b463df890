"""What continuous batching does to the logits of a step, each answer with its own settings."""

from types import SimpleNamespace
from typing import Any

import pytest
import torch

from tts_app.engines.text import TextRequest
from tts_app.engines.transformers.choice import Choice
from tts_app.engines.transformers.model import LoadedModel, TransformersParameters
from tts_app.engines.transformers.sampling import sampling

LOGITS = [1.0, 3.0, 3.0, 2.0, -1.0]


def kept(settings: list[dict[str, float]], top_k: int = 0, logits: list[float] = LOGITS) -> list[list[int]]:
    """Return the tokens that each answer with these settings may be given."""
    return [row.isfinite().nonzero().flatten().tolist() for row in processed(settings, top_k, logits)]


def processed(settings: list[dict[str, float]], top_k: int = 0, logits: list[float] = LOGITS) -> torch.Tensor:
    processors = sampling(top_k)
    storage = torch.zeros((processors.tensors_required, len(settings) + 2), dtype=torch.int32)
    processors.fill_defaults(storage)
    requests: list[Any] = [
        SimpleNamespace(has_new_token=True, state=SimpleNamespace(logit_processor_kwargs=each))
        for each in settings
    ]
    arguments = processors.prepare_tensor_args(requests, storage)
    scores = torch.tensor([logits] * len(settings))
    result: torch.Tensor = processors(torch.zeros(len(settings), dtype=torch.int64), scores, arguments)
    return result


def test_sampling_gives_each_answer_its_own_settings() -> None:
    settings = [
        {"temperature": 0.0, "top_p": 1.0},
        {"temperature": 1.0, "top_p": 1.0},
        {"temperature": 1.0, "top_p": 0.5},
        {},
    ]
    assert kept(settings) == [[1], [0, 1, 2, 3, 4], [1, 2], [0, 1, 2, 3, 4]]


def test_sampling_without_temperature_takes_the_first_of_equals() -> None:
    assert kept([{"temperature": 0.0, "top_p": 0.9}]) == [[1]]
    assert kept([{"temperature": 0.0, "top_p": 1.0}], logits=[2.0] * 4) == [[0]]


@pytest.mark.parametrize("temperature", [1e-4, 1e-5, 1e-39, 5e-324])
def test_sampling_at_the_smallest_temperatures_gives_probabilities(temperature: float) -> None:
    """One that is no number would end everybody's answers."""
    others = [{"temperature": 1.0, "top_p": 1.0}, {"temperature": temperature, "top_p": 0.9}]
    scores = processed([{"temperature": temperature, "top_p": 1.0}, *others], logits=[-300.0, 90.0, 300.0])
    assert scores.softmax(-1)[0].tolist() == scores.softmax(-1)[2].tolist() == [0.0, 0.0, 1.0]
    loaded = LoadedModel(None, None, TransformersParameters(), frozenset())
    alone = Choice(TextRequest(prompt="x", temperature=temperature), 0, 0, loaded)
    assert alone(torch.zeros((1, 0), dtype=torch.int64), torch.tensor([[-300.0, 90.0, 300.0]])).argmax() == 2


def test_sampling_divides_by_the_temperature() -> None:
    halved = processed([{"temperature": 0.5, "top_p": 1.0}])
    assert halved.tolist() == [[2.0, 6.0, 6.0, 4.0, -2.0]]


@pytest.mark.parametrize(("top_k", "expected"), [(2, [1, 2]), (3, [1, 2, 3]), (9, [0, 1, 2, 3, 4])])
def test_sampling_top_k_applies_to_all_answers(top_k: int, expected: list[int]) -> None:
    assert kept([{"temperature": 1.0, "top_p": 1.0}] * 2, top_k) == [expected, expected]


def test_sampling_checks_its_arguments() -> None:
    with pytest.raises(TypeError, match="temperature"):
        sampling(0).check_kwargs({"temperature": "hot"})
