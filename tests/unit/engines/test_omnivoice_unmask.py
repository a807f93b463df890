"""How OmniVoice's codes are filled in, with a model whose logits are known."""

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from tts_app.engines.omnivoice.unmask import Settings, schedule, unmask

BOOKS, WORDS, MASK = 2, 8, 7


def settings(**changes: Any) -> Settings:
    given = {
        "steps": 5,
        "guidance_scale": 2.0,
        "position_temperature": 5.0,
        "t_shift": 0.1,
        "layer_penalty": 5.0,
    }
    return Settings(**{**given, **changes})


class Codes:
    """Stands for a model: its logits follow from the codes around a place, and from the prompt."""

    config = SimpleNamespace(audio_mask_id=MASK)

    def __init__(self) -> None:
        self.calls = 0
        generator = torch.Generator().manual_seed(0)
        self._table = torch.randn(BOOKS, 97, WORDS, generator=generator)

    def __call__(
        self, input_ids: torch.Tensor, audio_mask: torch.Tensor, attention_mask: torch.Tensor
    ) -> SimpleNamespace:
        self.calls += 1
        sees = attention_mask[:, 0].float()
        assert bool((sees.sum(-1) > 0).all())
        known = torch.where(input_ids == MASK, 0, input_ids + 1).sum(1).float() * audio_mask
        around = torch.einsum("rqk,rk->rq", sees, known) + torch.einsum(
            "rqk,rk->rq", sees, (~audio_mask).float()
        )
        key = (around.long() * 31 + sees.cumsum(1).diagonal(dim1=1, dim2=2).long() * 7) % 97
        return SimpleNamespace(logits=self._table[:, key].permute(1, 0, 2, 3))


def prompt(words: int, frames: int) -> dict[str, torch.Tensor]:
    ids = torch.cat([torch.full((1, BOOKS, words), 3), torch.full((1, BOOKS, frames), MASK)], dim=-1)
    return {"input_ids": ids, "audio_mask": torch.arange(words + frames)[None] >= words}


@pytest.mark.parametrize(("codes", "steps"), [(1, 4), (7, 32), (2000, 32), (16, 8)])
def test_schedule_fills_in_all_codes(codes: int, steps: int) -> None:
    counts = schedule(codes, settings(steps=steps))
    assert len(counts) == steps
    assert sum(counts) == codes
    assert min(counts) >= 0


def test_unmask_leaves_no_mask_and_calls_the_model_once_a_step() -> None:
    model = Codes()
    short, long = unmask(model, [prompt(2, 3), prompt(4, 9)], [3, 9], [0, 0], settings())
    assert (short.shape, long.shape) == ((BOOKS, 3), (BOOKS, 9))
    assert MASK not in short
    assert MASK not in long
    assert model.calls == 5


@pytest.mark.parametrize(
    "changes", [{}, {"position_temperature": 0.0}, {"guidance_scale": 0.0}, {"steps": 30}]
)
def test_batch_is_as_each_item_alone(changes: dict[str, Any]) -> None:
    items = [(2, 3), (1, 9), (6, 1), (4, 5)]
    how, lengths = settings(**changes), [frames for _, frames in items]
    together = unmask(Codes(), [prompt(*item) for item in items], lengths, [3, 1, 4, 1], how)
    for item, seed, codes in zip(items, [3, 1, 4, 1], together, strict=True):
        (alone,) = unmask(Codes(), [prompt(*item)], [item[1]], [seed], how)
        assert torch.equal(codes, alone)


def test_seed_matters_only_with_a_temperature() -> None:
    def codes(seed: int, temperature: float) -> torch.Tensor:
        return unmask(Codes(), [prompt(2, 30)], [30], [seed], settings(position_temperature=temperature))[0]

    assert not torch.equal(codes(1, 5.0), codes(2, 5.0))
    assert torch.equal(codes(1, 0.0), codes(2, 0.0))


def test_work_of_a_step_does_not_grow_with_the_batch() -> None:
    """On a GPU each operation is a launch: item by item, a batch would take longer than its items alone."""

    class Counted(TorchDispatchMode):
        operations = 0

        def __torch_dispatch__(
            self, function: Any, types: Any, arguments: Any = (), options: Any = None
        ) -> Any:
            self.operations += 1
            return function(*arguments, **(options or {}))

    def of_a_step(items: int) -> float:
        counts = []
        for steps in (4, 8):
            with Counted() as counted:
                unmask(Codes(), [prompt(2, 9)] * items, [9] * items, [0] * items, settings(steps=steps))
            counts.append(counted.operations)
        return (counts[1] - counts[0]) / 4

    assert of_a_step(1) == of_a_step(6) > 0
