"""How continuous batching chooses the next token of each answer: temperature, top-k and top-p.

transformers' own way sorts the whole vocabulary for top-k at every step, even without top-k. It also chooses
arbitrarily among equally probable tokens, as the best ones often are in 16 bits: greedy answers would differ.
"""

from collections.abc import Sequence
from typing import Any

import torch
from transformers import LogitsProcessorList, TopKLogitsWarper, TopPLogitsWarper
from transformers.generation.continuous_batching.cb_logits_processors import (
    ContinuousBatchingLogitsProcessor,
    ContinuousBatchingLogitsProcessorList,
    ContinuousBatchingTopPLogitsWarper,
)

GREEDY = 1e-4
"""Temperatures below it count as 0: scores divided by one near 0 are infinite, and their probabilities are
NaN. Drawing by these raises, or stops the GPU, which ends every answer in the batch."""


def sampling(top_k: int) -> Any:
    """Return what continuous batching does to logits; with `top_k`, only so many tokens can be chosen."""
    of_each = [_Temperature(), ContinuousBatchingTopPLogitsWarper(TopPLogitsWarper(1.0))]
    of_all = [TopKLogitsWarper(top_k)] if top_k else []
    processors = ContinuousBatchingLogitsProcessorList(
        LogitsProcessorList([of_each[0], *of_all, *of_each[1:]])
    )
    processors.tensors_required = len(of_each)  # it counts only the processors that it makes itself
    return processors


class _Temperature(ContinuousBatchingLogitsProcessor):  # type: ignore[misc]
    """Applies each answer's temperature; below GREEDY the most probable token wins, the first of several."""

    supported_kwargs = {"temperature": float}  # noqa: RUF012 - as its base has it
    ignored_kwargs = ()

    def fill_defaults(self, int32_tensor: torch.Tensor) -> None:
        """Write 1.0, as bits: a step's settings are a tensor of integers."""
        int32_tensor.view(torch.float32).fill_(1.0)

    def prepare_tensor_args(self, requests_with_new_token: Sequence[Any]) -> torch.Tensor:
        """Return the answers' temperatures, as bits."""
        temperatures = [
            request.state.logit_processor_kwargs.get("temperature", 1.0)
            for request in requests_with_new_token
        ]
        return torch.tensor(temperatures, dtype=torch.float32).view(torch.int32)

    def __call__(self, scores: torch.Tensor, tensor_arg: torch.Tensor) -> torch.Tensor:
        """Return `scores` (answers x tokens) divided; for a greedy answer all but one are -inf."""
        temperature = tensor_arg[: scores.size(0)].view(torch.float32).unsqueeze(-1)
        greedy = temperature < GREEDY
        best = scores.argmax(dim=-1, keepdim=True)
        alone = torch.full_like(scores, -torch.inf).scatter_(-1, best, 0.0)
        return torch.where(greedy, alone, scores / torch.where(greedy, 1.0, temperature))
