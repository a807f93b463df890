"""Tempo without pitch: libavfilter's `atempo`, a WSOLA time-scale modification (PyAV)."""

from itertools import pairwise
from math import ceil, log2

import av
from av.audio.frame import AudioFrame
from av.filter import Graph

from tts_app.audio.frames import Blocks, to_frame, to_samples
from tts_app.audio.samples import SILENCE, Audio, AudioError, checked, checked_rate, joined

SLOWEST, FASTEST = 0.25, 4.0
"""The range of factors that `Tempo` takes."""
_FRAME = 1024
"""Samples that `atempo` gets at once: its result depends a little on how a stream is cut."""


class Tempo:
    """Speeds a stream up or slows it down; its pitch stays. Factor 1 passes it through unchanged.

    The result does not depend on how the audio is cut into pushes.
    """

    def __init__(self, rate: int, factor: float) -> None:
        """Make audio of `rate` Hz 1/`factor` times as long.

        Raises:
            AudioError: `factor` is not within 0.25 to 4, or the rate is out of range.
        """
        self._rate = checked_rate(rate)
        if not SLOWEST <= factor <= FASTEST:  # refuses NaN too
            raise AudioError(f"Tempo {factor} is out of range. Allowed: {SLOWEST} to {FASTEST}.")
        self._graph = None if factor == 1.0 else _graph(rate, factor)
        self._blocks = Blocks(_FRAME)
        self._position = 0
        self._ended = False

    def push(self, audio: Audio) -> Audio:
        """Take samples, shape (n,), and return those that are ready, perhaps none.

        Raises:
            AudioError: a sample is not a finite number, or the stream was flushed.
        """
        samples = checked(audio)
        self._check_open()
        return samples if self._graph is None else self._pass(self._graph, self._blocks.push(samples))

    def flush(self) -> Audio:
        """Return the last samples and end the stream.

        Raises:
            AudioError: the stream was flushed before.
        """
        self._check_open()
        self._ended = True
        if self._graph is None:
            return SILENCE
        last = self._pass(self._graph, self._blocks.flush())
        if not self._position:
            return SILENCE
        self._graph.push(None)
        return joined([last, _pull(self._graph)])

    def _check_open(self) -> None:
        if self._ended:
            raise AudioError("This stream has ended; every stream needs a Tempo of its own.")

    def _pass(self, graph: Graph, blocks: list[Audio]) -> Audio:
        pieces = []
        for block in blocks:
            graph.push(to_frame(block, self._rate, self._position))
            self._position += block.size
            pieces.append(_pull(graph))
        return joined(pieces)


def _pull(graph: Graph) -> Audio:
    pieces: list[Audio] = []
    while True:
        try:
            frame = graph.pull()
        except (av.BlockingIOError, av.EOFError):
            return joined(pieces)
        if isinstance(frame, AudioFrame):
            pieces.append(to_samples(frame))


def _graph(rate: int, factor: float) -> Graph:
    # Above 2 `atempo` skips samples instead of blending them, and below 0.5 it fails: so use equal stages
    # within that range.
    stages = max(1, ceil(abs(log2(factor))))
    graph = Graph()
    source = graph.add(
        "abuffer", sample_rate=str(rate), sample_fmt="fltp", channel_layout="mono", time_base=f"1/{rate}"
    )
    tempos = [graph.add("atempo", f"{factor ** (1 / stages):.9f}") for _ in range(stages)]
    planar = graph.add("aformat", "sample_fmts=fltp")
    chain = [source, *tempos, planar, graph.add("abuffersink")]
    for left, right in pairwise(chain):
        left.link_to(right)
    graph.configure()
    return graph
