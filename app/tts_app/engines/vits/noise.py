"""Random numbers for the segments of a batch: each has its own, whoever shares its call."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch.overrides import TorchFunctionMode


class Noise(NamedTuple):
    """How chance changes one segment."""

    seed: int
    rhythm: float
    """Factor of the noise of durations."""
    sound: float
    """Factor of the noise of the spectrogram."""


class BatchNoise(TorchFunctionMode):  # type: ignore[misc]
    """Answers VitsModel's calls of `torch.randn` (rhythm) and `torch.randn_like` (sound) while it is entered.

    VitsModel draws for the whole batch from one generator: an item's numbers would depend on its place and on
    the longest item. Here each item and call has a generator of its own. It draws frame by frame, so that
    padding at the end changes nothing before it.
    """

    def __init__(self, items: Sequence[Noise]) -> None:
        super().__init__()
        self._items = items

    def __torch_function__(
        self,
        function: Callable[..., Any],
        types: Any,
        arguments: Sequence[Any] = (),
        options: Mapping[str, Any] | None = None,
    ) -> Any:
        if function is torch.randn:
            _, channels, frames = arguments
            return self._draw(0, [item.rhythm for item in self._items], channels, frames)
        if function is torch.randn_like:
            (like,) = arguments
            noise = self._draw(1, [item.sound for item in self._items], *like.shape[1:])
            return noise.to(like.device, like.dtype)
        return function(*arguments, **(options or {}))

    def _draw(self, use: int, factors: Sequence[float], channels: int, frames: int) -> torch.Tensor:
        """Return numbers of shape (items, channels, frames); calls of another `use` are independent."""
        numbers = [
            factor * np.random.default_rng((item.seed, use)).standard_normal((frames, channels), np.float32).T
            for item, factor in zip(self._items, factors, strict=True)
        ]
        return torch.from_numpy(np.stack(numbers).astype(np.float32))
