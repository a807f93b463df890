"""Which calls are recorded and which are replayed. The recording itself is simulated: it needs a GPU."""

from typing import Any

import pytest
import torch
from torch import Tensor

from tts_app.engines.kokoro import cuda_graphs
from tts_app.engines.kokoro.cuda_graphs import Recorded


class SimulatedRecording:
    """Calls the function at each replay, and counts the recordings."""

    made: list[tuple[int, ...]]

    def __init__(self, function: Any, inputs: tuple[Tensor, ...], pool: Any) -> None:
        self._function = function
        assert pool == "the one pool"
        self.made.append(tuple(inputs[0].shape))

    def replay(self, inputs: tuple[Tensor, ...]) -> Tensor:
        result: Tensor = self._function(*inputs)
        return result


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, ...]]:
    SimulatedRecording.made = []
    monkeypatch.setattr(cuda_graphs, "_Recording", SimulatedRecording)
    monkeypatch.setattr(torch.cuda, "graph_pool_handle", lambda: "the one pool")
    return SimulatedRecording.made


def test_recorded_records_each_set_of_shapes_once(made: list[tuple[int, ...]]) -> None:
    add = Recorded(torch.add)
    one, two = torch.ones(2, 3), torch.ones(4, 3)
    assert add(one, one).tolist() == [[2.0] * 3] * 2
    assert add(two, two).shape == (4, 3)
    assert add(3 * one, one).tolist() == [[4.0] * 3] * 2
    assert made == [(2, 3), (4, 3)]


def test_recorded_forgets_what_was_used_longest_ago(made: list[tuple[int, ...]]) -> None:
    add = Recorded(torch.add, most=2)
    one, two, three = (torch.ones(size) for size in (1, 2, 3))
    for inputs in (one, two, one, three, one, two):
        add(inputs, inputs)
    assert made == [(1,), (2,), (3,), (2,)]
