"""Rewrites of Kokoro's exported graph that make it faster on a CPU and leave its result unchanged.

Each takes an `OnnxGraph` and returns how many places it changed: 0 where an export lacks its pattern.

"Unchanged" was measured. Kokoro is chaotic at the scale of rounding: its source sums the pitch into
a phase, and the int8 graph rounds every activation to 256 steps. Scaling the style by one part in a million
moves int8 speech by 2 to 3 dB (mean log-spectral distance) and fp32 speech by 0.6 to 0.9 dB. The rewrites
move it by no more (tests/unit/engines), except `convolve_spectrum` on fp32, which corrects a fault.
`x ** 2` as `x * x` was tried and left out: onnxruntime does that by itself, to the same bits.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import permutations
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper


class OnnxGraph:
    """A graph with indexed edges. Replace nodes through it: it keeps the topological order."""

    def __init__(self, graph: onnx.GraphProto) -> None:
        self.proto = graph
        self._producers = {output: node for node in graph.node for output in node.output}
        self._constants = {tensor.name: tensor for tensor in graph.initializer}
        self._replacements: dict[str, list[onnx.NodeProto]] = {}

    def nodes(self, op: str) -> Iterator[onnx.NodeProto]:
        """Yield the nodes of an operator."""
        return (node for node in self.proto.node if node.op_type == op)

    def producer(self, value: str, op: str) -> onnx.NodeProto | None:
        """Return the node that makes `value`, if it is an `op`."""
        node = self._producers.get(value)
        return node if node is not None and node.op_type == op else None

    def constant(self, value: str) -> NDArray[np.generic] | None:
        """Return the array of `value` where it is a constant."""
        if tensor := self._constants.get(value):
            return numpy_helper.to_array(tensor)
        if node := self.producer(value, "Constant"):
            return numpy_helper.to_array(next(a.t for a in node.attribute if a.name == "value"))
        return None

    def add_constant(self, name: str, value: NDArray[np.generic]) -> str:
        """Add an initialiser unless there is one of that name; return the name."""
        if name not in self._constants:
            self.proto.initializer.append(numpy_helper.from_array(value, name))
            self._constants[name] = self.proto.initializer[-1]
        return name

    def replace(self, node: onnx.NodeProto, by: Sequence[onnx.NodeProto]) -> None:
        """Replace `node` with `by`, which together must produce all its outputs."""
        self._replacements[node.output[0]] = list(by)

    def commit(self) -> None:
        """Apply the replacements, then drop the nodes and constants that nothing uses any more."""
        nodes: list[onnx.NodeProto] = []
        for node in self.proto.node:
            nodes += self._replacements.pop(node.output[0], [node])
        needed = {output.name for output in self.proto.output}
        kept: list[onnx.NodeProto] = []
        for node in reversed(nodes):
            if needed.intersection(node.output):
                needed.update(node.input)
                kept.append(node)
        constants = [tensor for tensor in self.proto.initializer if tensor.name in needed]
        del self.proto.node[:], self.proto.initializer[:]
        self.proto.node.extend(reversed(kept))
        self.proto.initializer.extend(constants)
        self._producers = {output: node for node in self.proto.node for output in node.output}
        self._constants = {tensor.name: tensor for tensor in self.proto.initializer}


def fuse_adaptive_norms(graph: OnnxGraph) -> int:
    """Replace each adaptive instance norm, seven passes over the activations, by one InstanceNormalization.

    The operator takes scale and shift as vectors, one value per channel; at batch 1 the style has that form.
    """
    count = 0
    for add in graph.nodes("Add"):
        for scaled, shift in permutations(add.input):
            found = _match_scaled_norm(graph, scaled)
            if found is None or not _is_column(graph, shift):
                continue
            source, scale, epsilon = found
            prefix = add.output[0]
            flat = graph.add_constant("tts_flat", np.array([-1], np.int64))
            graph.replace(
                add,
                [
                    helper.make_node("Reshape", [scale, flat], [f"{prefix}/scale"]),
                    helper.make_node("Reshape", [shift, flat], [f"{prefix}/shift"]),
                    helper.make_node(
                        "InstanceNormalization",
                        [source, f"{prefix}/scale", f"{prefix}/shift"],
                        [prefix],
                        epsilon=epsilon,
                    ),
                ],
            )
            count += 1
            break
    graph.commit()
    return count


def _match_scaled_norm(graph: OnnxGraph, value: str) -> tuple[str, str, float] | None:
    """Return input, scale and epsilon where `value` is a normalised tensor times a style's scale."""
    if (product := graph.producer(value, "Mul")) is None:
        return None
    for normal, scale in permutations(product.input):
        ratio = graph.producer(normal, "Div")
        found = _match_norm(graph, ratio) if ratio is not None else None
        if found is not None and _is_column(graph, scale):
            return found[0], scale, found[1]
    return None


def _match_norm(graph: OnnxGraph, ratio: onnx.NodeProto) -> tuple[str, float] | None:
    """Return x and epsilon where `ratio` is (x - mean) / deviation, both over time."""
    centred = graph.producer(ratio.input[0], "Sub")
    root = graph.producer(ratio.input[1], "Sqrt")
    total = graph.producer(root.input[0], "Add") if root is not None else None
    if centred is None or total is None or _mean_over_time(graph, centred.input[1]) != centred.input[0]:
        return None
    for variance, offset in permutations(total.input):
        epsilon = graph.constant(offset)
        squared = _mean_over_time(graph, variance)
        if epsilon is not None and squared is not None and _is_square(graph, squared, centred.output[0]):
            return centred.input[0], float(epsilon.item())
    return None


def _mean_over_time(graph: OnnxGraph, value: str) -> str | None:
    """Return x where `value` is its mean over axis 2 with the axis kept."""
    mean = graph.producer(value, "ReduceMean")
    if mean is None or len(mean.input) < 2 or _attributes(mean).get("keepdims", 1) != 1:
        return None
    axes = graph.constant(mean.input[1])
    return mean.input[0] if axes is not None and axes.tolist() in ([2], [-1]) else None


def _is_square(graph: OnnxGraph, value: str, of: str) -> bool:
    if product := graph.producer(value, "Mul"):
        return list(product.input) == [of, of]
    power = graph.producer(value, "Pow")
    return power is not None and power.input[0] == of and _is_two(graph, power.input[1])


def _is_two(graph: OnnxGraph, value: str) -> bool:
    exponent = graph.constant(value)
    return exponent is not None and exponent.size == 1 and exponent.item() == 2


def _is_column(graph: OnnxGraph, value: str) -> bool:
    """Return whether `value` has shape (batch, channels, 1): half of a style vector, with 1 added or not."""
    if add := graph.producer(value, "Add"):
        value = next((name for name in add.input if graph.constant(name) is None), value)
    half = graph.producer(value, "Slice") or graph.producer(value, "Split")
    column = graph.producer(half.input[0], "Unsqueeze") if half is not None else None
    axes = graph.constant(column.input[1]) if column is not None else None
    return axes is not None and axes.tolist() in ([2], [-1])


def convolve_spectrum(graph: OnnxGraph) -> int:
    """Turn the source's short-time Fourier transform into two convolutions by the window times cos and -sin.

    onnxruntime transforms a frame of 20 samples by Bluestein's algorithm. That is slow, and leaves rounding
    noise in the imaginary parts at 0 Hz and at the highest frequency, which should be zero. By their sign the
    phase branch adds half a turn to the angle of a negative real part, or subtracts it. With exact zeros it
    must add, as atan2 does, so its `>` becomes `>=`.
    """
    count = 0
    for transform in graph.nodes("STFT"):
        parts = _spectrum_parts(graph, transform)
        signal, step = transform.input[0], graph.constant(transform.input[1])
        window = graph.constant(transform.input[2])
        if parts is None or step is None or window is None or _attributes(transform).get("onesided", 1) != 1:
            continue
        channel = f"{transform.output[0]}/signal"
        axis = graph.add_constant("tts_channel_axis", np.array([1], np.int64))
        # The exporter's signal is (batch, samples); a convolution takes (batch, channel, samples).
        graph.replace(transform, [helper.make_node("Unsqueeze", [signal, axis], [channel])])
        for (output, node), kernel in zip(parts, _fourier_kernels(window), strict=True):
            weights = graph.add_constant(f"{output}/kernel", kernel)
            graph.replace(
                node,
                [
                    helper.make_node(
                        "Conv",
                        [channel, weights],
                        [output],
                        kernel_shape=[window.size],
                        strides=[step.item()],
                    )
                ],
            )
        _include_zero(graph, parts[1][0])
        count += 1
    graph.commit()
    return count


def _spectrum_parts(graph: OnnxGraph, transform: onnx.NodeProto) -> list[tuple[str, onnx.NodeProto]] | None:
    """Return the values and nodes that select the real and the imaginary part, frequencies before frames."""
    parts: dict[int, tuple[str, onnx.NodeProto]] = {}
    for gather in graph.nodes("Gather"):
        turned = graph.producer(gather.input[0], "Transpose")
        if turned is None or turned.input[0] != transform.output[0]:
            continue
        index = graph.constant(gather.input[1])
        swaps = list(_attributes(turned).get("perm", [])) == [0, 2, 1, 3]
        if index is not None and swaps and _attributes(gather).get("axis") == 3:
            parts[int(index.item())] = (gather.output[0], gather)
    return [parts[0], parts[1]] if set(parts) == {0, 1} else None


def _fourier_kernels(window: NDArray[np.generic]) -> tuple[NDArray[np.generic], NDArray[np.generic]]:
    """Return kernels (frequencies, 1, samples) whose products with a frame are the parts of its spectrum."""
    size = window.size
    # Whole turns are removed first, so that sines of multiples of half a turn are 0 and not 1e-16.
    turns = np.outer(np.arange(size // 2 + 1), np.arange(size)) % size / size
    real = np.cos(2 * np.pi * turns) * window
    imaginary = np.where(turns * 2 % 1 == 0, 0.0, -np.sin(2 * np.pi * turns)) * window
    return real[:, None].astype(window.dtype), imaginary[:, None].astype(window.dtype)


def _include_zero(graph: OnnxGraph, imaginary: str) -> None:
    for compare in graph.nodes("Greater"):
        limit = graph.constant(compare.input[1])
        if compare.input[0] == imaginary and limit is not None and limit.item() == 0:
            graph.replace(compare, [helper.make_node("GreaterOrEqual", compare.input, compare.output)])


def fold_snake_scales(graph: OnnxGraph) -> int:
    """Let the norm before each snake activation, x + sin(a x)^2 / a, produce a x, which saves a pass.

    With u = a x the activation is (u + sin(u)^2) / a. The method is ours; the activation is that of
    "Neural Networks Fail to Learn Periodic Functions and How to Fix It" (Ziyin et al., 2020).
    """
    count = 0
    uses: dict[str, int] = {}
    for node in graph.proto.node:
        for name in node.input:
            uses[name] = uses.get(name, 0) + 1
    for add in graph.nodes("Add"):
        found = _match_snake(graph, add)
        if found is None or uses[found[0].output[0]] != 2:
            continue
        norm, alpha, inverse = found
        prefix = add.output[0]
        rates = graph.constant(alpha)
        if rates is None:
            continue
        flat = graph.add_constant(f"{alpha}/flat", rates.reshape(-1))
        scale, shift, inner, sine, square, total = (
            f"{prefix}/{n}" for n in ("a", "b", "u", "sin", "sq", "sum")
        )
        graph.replace(
            add,
            [
                helper.make_node("Mul", [norm.input[1], flat], [scale]),
                helper.make_node("Mul", [norm.input[2], flat], [shift]),
                helper.make_node(
                    "InstanceNormalization", [norm.input[0], scale, shift], [inner], **_attributes(norm)
                ),
                helper.make_node("Sin", [inner], [sine]),
                helper.make_node("Mul", [sine, sine], [square]),
                helper.make_node("Add", [inner, square], [total]),
                helper.make_node("Mul", [total, inverse], [prefix]),
            ],
        )
        count += 1
    graph.commit()
    return count


def _match_snake(graph: OnnxGraph, add: onnx.NodeProto) -> tuple[onnx.NodeProto, str, str] | None:
    """Return the norm, a and 1 / a where `add` is the end of a snake activation of a norm's output."""
    for value, wave in permutations(add.input):
        norm, product = graph.producer(value, "InstanceNormalization"), graph.producer(wave, "Mul")
        if norm is None or product is None:
            continue
        for inverse, square in permutations(product.input):
            sine = graph.producer(_square_of(graph, square), "Sin")
            inner = graph.producer(sine.input[0], "Mul") if sine is not None else None
            if inner is None or value not in inner.input or graph.constant(inverse) is None:
                continue
            alpha = next(name for name in inner.input if name != value)
            return norm, alpha, inverse
    return None


def _square_of(graph: OnnxGraph, value: str) -> str:
    """Return x where `value` is its square, else an empty name."""
    node = graph.producer(value, "Mul") or graph.producer(value, "Pow")
    return node.input[0] if node is not None and _is_square(graph, value, node.input[0]) else ""


def widen_convolutions(graph: OnnxGraph) -> int:
    """Give floating-point convolutions a second axis of size 1: onnxruntime's fast kernels are 2-D only."""
    count = 0
    for conv in graph.nodes("Conv"):
        weights = graph.constant(conv.input[1])
        if weights is None or weights.ndim != 3 or weights.shape[0] % 8 or weights.shape[1] % 8:
            continue
        prefix = conv.output[0]
        axis = graph.add_constant("tts_row_axis", np.array([2], np.int64))
        wide = graph.add_constant(f"{conv.input[1]}/wide", weights[:, :, None])
        graph.replace(
            conv,
            [
                helper.make_node("Unsqueeze", [conv.input[0], axis], [f"{prefix}/wide_in"]),
                helper.make_node(
                    "Conv",
                    [f"{prefix}/wide_in", wide, *conv.input[2:]],
                    [f"{prefix}/wide_out"],
                    **_widen(_attributes(conv)),
                ),
                helper.make_node("Squeeze", [f"{prefix}/wide_out", axis], [prefix]),
            ],
        )
        count += 1
    graph.commit()
    return count


def _widen(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """Return a 1-D convolution's attributes for a 2-D one over one row."""
    wide = dict(attributes)
    for name in ("kernel_shape", "strides", "dilations"):
        if name in wide:
            wide[name] = [1, *wide[name]]
    if "pads" in wide:
        wide["pads"] = [0, wide["pads"][0], 0, wide["pads"][1]]
    return wide


def _attributes(node: onnx.NodeProto) -> dict[str, Any]:
    return {a.name: helper.get_attribute_value(a) for a in node.attribute}


REWRITES: dict[str, Callable[[OnnxGraph], int]] = {
    "fuse_adaptive_norms": fuse_adaptive_norms,
    "convolve_spectrum": convolve_spectrum,
    "fold_snake_scales": fold_snake_scales,
    "widen_convolutions": widen_convolutions,
}
"""The rewrites, in the order in which they are applied."""


def rewrite(model: onnx.ModelProto, names: Sequence[str] = tuple(REWRITES)) -> dict[str, int]:
    """Apply the named rewrites to `model` in place; return how many places each changed."""
    graph = OnnxGraph(model.graph)
    return {name: REWRITES[name](graph) for name in names}
