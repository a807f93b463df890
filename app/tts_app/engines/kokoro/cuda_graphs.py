"""Records a function's work on a GPU once for each set of shapes, and replays it.

Kokoro's kernels are many and small: at small batches a GPU waits for Python to start each of them. A recorded
graph starts all at once.
"""

from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

Shapes = tuple[tuple[int, ...], ...]
Function = Callable[..., Tensor]
"""Takes tensors and returns one. It may not look at their numbers on the CPU."""

MOST_GRAPHS = 128
_WARM_UP = 2
"""Calls before a recording: cuDNN and cuBLAS choose their kernels and take their memory in the first ones."""


class Recorded:
    """A function whose calls are replayed. Its result is overwritten by the next call, of whatever shapes.

    Not thread-safe. All recordings share one pool of memory, which is that of the largest.
    """

    def __init__(self, function: Function, most: int = MOST_GRAPHS) -> None:
        self._function = function
        self._most = most
        self._recordings: OrderedDict[Shapes, _Recording] = OrderedDict()
        self._pool: Any = None

    def __call__(self, *inputs: Tensor) -> Tensor:
        """Return the function's result for `inputs`, which are on the GPU."""
        shapes = tuple(tuple(tensor.shape) for tensor in inputs)
        recording = self._recordings.pop(shapes, None)
        if recording is None:
            if len(self._recordings) >= self._most:
                self._recordings.popitem(last=False)
            recording = self._record(inputs)
        self._recordings[shapes] = recording  # the last one is the one that was used last
        return recording.replay(inputs)

    def _record(self, inputs: tuple[Tensor, ...]) -> "_Recording":
        if self._pool is None:
            self._pool = torch.cuda.graph_pool_handle()
        return _Recording(self._function, inputs, self._pool)


class _Recording:
    """One recorded graph with the tensors that it reads and writes."""

    def __init__(self, function: Function, inputs: tuple[Tensor, ...], pool: Any) -> None:
        self._inputs = [tensor.clone() for tensor in inputs]
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            for _ in range(_WARM_UP):
                function(*self._inputs)
        torch.cuda.current_stream().wait_stream(stream)
        self._graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self._graph, pool=pool):
            self._output = function(*self._inputs)

    def replay(self, inputs: tuple[Tensor, ...]) -> Tensor:
        for own, given in zip(self._inputs, inputs, strict=True):
            own.copy_(given)
        self._graph.replay()
        return self._output
