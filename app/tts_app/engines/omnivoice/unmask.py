"""How OmniVoice fills in the codes of a sound: a batch at a time, each item as it would be alone.

The method is the package's (`OmniVoice._generate_iterative` of omnivoice 0.2.1): all codes begin as masks; in
each step the model guesses all of them, with and without the prompt, and the surest are kept. The package
picks them item by item in Python, and takes all chance from one generator. Here the items of a step are
computed together, and each has its own generator: an item does not depend on those that share its call, but
for rounding.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Self

import numpy as np
import torch


@dataclass(frozen=True, slots=True)
class Settings:
    """How the codes are filled in: for all items alike."""

    steps: int
    guidance_scale: float
    position_temperature: float
    t_shift: float
    """Below 1, the first steps keep fewer codes than the last ones."""
    layer_penalty: float
    """What each code book's sureness is lowered by for each book before it: they are filled in in order."""


def unmask(
    model: Any,
    prompts: Sequence[Mapping[str, Any]],
    lengths: Sequence[int],
    seeds: Sequence[int],
    settings: Settings,
) -> list[torch.Tensor]:
    """Return the codes of each item, shape (books, frames), all filled in.

    Args:
        model: an OmniVoice.
        prompts: of each item `input_ids`, shape (1, books, length), which ends with `lengths` frames of
            masks, and `audio_mask`, shape (1, length), which is true where these are codes and not text.
        lengths: frames of each item.
        seeds: seed of each item.
        settings: how they are filled in.
    """
    batch = _Batch.of(prompts, lengths, model.config.audio_mask_id)
    books = batch.input_ids.shape[1]
    kept = torch.tensor(
        [schedule(length * books, settings) for length in lengths], device=batch.input_ids.device
    )
    generators = [np.random.default_rng(seed) for seed in seeds]
    penalty = settings.layer_penalty * torch.arange(books, device=batch.input_ids.device)
    for step in range(settings.steps):
        logits = model(
            input_ids=batch.input_ids, audio_mask=batch.audio_mask, attention_mask=batch.attention_mask
        ).logits
        guessed, sureness = _guess(
            *batch.of_frames(logits), settings.guidance_scale, model.config.audio_mask_id
        )
        scores = sureness - penalty
        if settings.position_temperature > 0:
            scores = scores / settings.position_temperature + _gumbel(generators, lengths, books).to(
                scores.device
            )
        batch.keep(guessed, scores, kept[:, step])
    return batch.codes(lengths)


def schedule(codes: int, settings: Settings) -> list[int]:
    """Return how many of an item's `codes` are kept in each step; their sum is `codes`."""
    # In float32, as the package computes them: counts are rounded up, and else differ by one now and then.
    times = torch.linspace(0.0, 1.0, settings.steps + 1)
    shifted = (settings.t_shift * times / (1 + (settings.t_shift - 1) * times)).tolist()
    left, counts = codes, []
    for begin, end in pairwise(shifted[:-1]):
        counts.append(min(math.ceil(codes * (end - begin)), left))
        left -= counts[-1]
    return [*counts, left]


def _guess(
    prompted: torch.Tensor, unprompted: torch.Tensor, guidance: float, mask: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the likeliest codes and how sure they are (log probabilities), both of shape (frames, books).

    The logits have shape (frames, books, vocabulary).
    """
    sure = prompted.float().log_softmax(-1)
    if guidance:
        sure = (sure + guidance * (sure - unprompted.float().log_softmax(-1))).log_softmax(-1)
    sure[..., mask] = -torch.inf
    sureness, guessed = sure.max(-1)
    return guessed, sureness


def _gumbel(generators: Sequence[np.random.Generator], lengths: Sequence[int], books: int) -> torch.Tensor:
    """Return Gumbel noise of shape (frames of all items, books), each item's from its own generator."""
    pairs = zip(generators, lengths, strict=True)
    uniform = np.concatenate([generator.random((length, books), np.float32) for generator, length in pairs])
    return torch.from_numpy(-np.log(-np.log(uniform + 1e-10) + 1e-10))


@dataclass
class _Batch:
    """The model's input: each item with its prompt, and then again without. Codes are written into it."""

    input_ids: torch.Tensor
    """Shape (2 items, books, length): those with a prompt, then those without."""
    audio_mask: torch.Tensor
    """Shape (2 items, length): where there are codes and not text."""
    attention_mask: torch.Tensor
    """Shape (2 items, 1, length, length)."""
    items: torch.Tensor
    """The item of each frame of all items, shape (frames,)."""
    frames: torch.Tensor
    """The place of each of these frames in its item's sound: its place in the row without a prompt too."""
    places: torch.Tensor
    """The place of each of these frames in the row with a prompt."""
    mask: int
    """The code that stands for one that is not filled in."""

    @classmethod
    def of(cls, prompts: Sequence[Mapping[str, Any]], lengths: Sequence[int], mask: int) -> Self:
        count = len(prompts)
        whole = [prompt["input_ids"].shape[-1] for prompt in prompts]
        longest = max(whole)
        _, books, _ = prompts[0]["input_ids"].shape
        device = prompts[0]["input_ids"].device
        input_ids = torch.full((2 * count, books, longest), mask, dtype=torch.long, device=device)
        audio_mask = torch.zeros(2 * count, longest, dtype=torch.bool, device=device)
        # Padding attends to itself: a row that attends to nothing has no softmax.
        attention_mask = torch.eye(longest, dtype=torch.bool, device=device).repeat(2 * count, 1, 1, 1)
        for row, (prompt, size, length) in enumerate(zip(prompts, whole, lengths, strict=True)):
            for target, used in ((row, size), (count + row, length)):
                input_ids[target, :, :used] = prompt["input_ids"][0, :, -used:]
                audio_mask[target, :used] = prompt["audio_mask"][0, -used:]
                attention_mask[target, :, :used, :used] = True
        sizes = torch.tensor(lengths, device=device)
        items = torch.arange(count, device=device).repeat_interleave(sizes)
        frames = torch.cat([torch.arange(length, device=device) for length in lengths])
        begins = torch.tensor(whole, device=device) - sizes
        return cls(input_ids, audio_mask, attention_mask, items, frames, begins[items] + frames, mask)

    def of_frames(self, logits: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the logits of the sounds' frames, with and without prompts: (frames, books, vocabulary)."""
        return logits[self.items, :, self.places], logits[self._rows_without, :, self.frames]

    def keep(self, guessed: torch.Tensor, scores: torch.Tensor, counts: torch.Tensor) -> None:
        """Write the best-scored guesses of each item that are still masks; `counts` of each item."""
        now = self.input_ids[self.items, :, self.places]
        scores = scores.masked_fill(now != self.mask, -torch.inf)
        best = self._greatest(scores, counts)
        codes = torch.where(best, guessed, now)
        self.input_ids[self.items, :, self.places] = codes
        self.input_ids[self._rows_without, :, self.frames] = codes

    def codes(self, lengths: Sequence[int]) -> list[torch.Tensor]:
        """Return each item's codes, shape (books, frames)."""
        count = len(lengths)
        return [self.input_ids[count + row, :, :length] for row, length in enumerate(lengths)]

    @property
    def _rows_without(self) -> torch.Tensor:
        """The row without a prompt of each frame's item."""
        return self.items + self.input_ids.shape[0] // 2

    def _greatest(self, scores: torch.Tensor, counts: torch.Tensor) -> torch.Tensor:
        """Return which scores, shape (frames, books), are among the `counts` greatest of their item."""
        count, books = len(counts), scores.shape[-1]
        padded = scores.new_full((count, books, int(self.frames.max()) + 1), -torch.inf)
        padded[self.items, :, self.frames] = scores
        order = padded.flatten(1).sort(dim=-1, descending=True, stable=True).indices
        ranks = torch.empty_like(order).scatter_(
            1, order, torch.arange(order.shape[1], device=order.device).expand_as(order)
        )
        best = (ranks < counts[:, None]).view_as(padded)
        return best[self.items, :, self.frames]
