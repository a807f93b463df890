"""Each rewrite on a small graph of the export's very pattern: same results, fewer operations."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from onnx import TensorProto, helper, numpy_helper

from tts_app.engines.kokoro.graph import REWRITES, rewrite

CHANNELS = 16
RANDOM = np.random.default_rng(7)
node = helper.make_node


def make_model(
    nodes: Sequence[onnx.NodeProto], constants: Mapping[str, Any], inputs: Mapping[str, Sequence[Any]]
) -> onnx.ModelProto:
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in inputs.items()],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9)


def run(model: onnx.ModelProto, **inputs: Any) -> Any:
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, inputs)[0]


def operators(model: onnx.ModelProto) -> Counter[str]:
    return Counter(n.op_type for n in model.graph.node)


NORM_CONSTANTS = {
    "time": np.array([2], np.int64),
    "eps": np.array([1e-5], np.float32),
    "one": np.array([1], np.float32),
    "zero": np.array([0], np.int64),
    "half": np.array([CHANNELS], np.int64),
    "end": np.array([2 * CHANNELS], np.int64),
    "channel": np.array([1], np.int64),
    "two": np.array([2], np.float32),
}


def norm_nodes(square: str = "Mul", swap: bool = False, output: str = "y") -> list[onnx.NodeProto]:
    """An adaptive instance norm as PyTorch's exporter writes it, of x and a style h (1, 2C)."""

    def both(a: str, b: str) -> list[str]:
        return [b, a] if swap else [a, b]

    squared = node("Mul", ["d", "d"], ["sq"]) if square == "Mul" else node("Pow", ["d", "two"], ["sq"])
    return [
        node("Unsqueeze", ["h", "time"], ["column"]),
        node("Slice", ["column", "zero", "half", "channel"], ["gain"]),
        node("Slice", ["column", "half", "end", "channel"], ["shift"]),
        node("Add", both("gain", "one"), ["scale"]),
        node("ReduceMean", ["x", "time"], ["mean"], keepdims=1),
        node("Sub", ["x", "mean"], ["d"]),
        squared,
        node("ReduceMean", ["sq", "time"], ["variance"], keepdims=1),
        node("Add", both("variance", "eps"), ["total"]),
        node("Sqrt", ["total"], ["deviation"]),
        node("Div", ["d", "deviation"], ["normal"]),
        node("Mul", both("scale", "normal"), ["scaled"]),
        node("Add", both("scaled", "shift"), [output]),
    ]


def norm_inputs() -> dict[str, Any]:
    return {
        "x": (RANDOM.standard_normal((1, CHANNELS, 301)) * 3 + 5).astype(np.float32),
        "h": RANDOM.standard_normal((1, 2 * CHANNELS)).astype(np.float32),
    }


SHAPES = {"x": [1, CHANNELS, "time"], "h": [1, 2 * CHANNELS]}


@pytest.mark.parametrize("square", ["Mul", "Pow"])
@pytest.mark.parametrize("swap", [False, True])
def test_fuse_adaptive_norms_makes_one_operation(square: str, swap: bool) -> None:
    model = make_model(norm_nodes(square, swap), NORM_CONSTANTS, SHAPES)
    inputs = norm_inputs()
    before = run(model, **inputs)
    assert rewrite(model, ["fuse_adaptive_norms"]) == {"fuse_adaptive_norms": 1}
    assert np.abs(run(model, **inputs) - before).max() < 1e-5 * np.abs(before).max()
    left = operators(model)
    assert left["InstanceNormalization"] == 1
    assert not left["ReduceMean"] + left["Sqrt"] + left["Div"] + left["Sub"]
    assert "two" not in {tensor.name for tensor in model.graph.initializer}


def test_fuse_adaptive_norms_skips_a_norm_over_channels() -> None:
    constants = NORM_CONSTANTS | {"time": np.array([1], np.int64)}
    model = make_model(norm_nodes()[4:], constants, {**SHAPES, "scale": [1, 1, 1], "shift": [1, 1, 1]})
    assert rewrite(model, ["fuse_adaptive_norms"]) == {"fuse_adaptive_norms": 0}
    assert operators(model)["ReduceMean"] == 2


def test_fuse_adaptive_norms_skips_a_scale_that_is_not_a_column() -> None:
    model = make_model(
        norm_nodes()[4:], NORM_CONSTANTS, {**SHAPES, "scale": [1, 1, 301], "shift": [1, 1, 301]}
    )
    assert rewrite(model, ["fuse_adaptive_norms"]) == {"fuse_adaptive_norms": 0}


def snake_model(others: Sequence[onnx.NodeProto] = ()) -> onnx.ModelProto:
    rates = RANDOM.uniform(0.2, 4, (1, CHANNELS, 1)).astype(np.float32)
    nodes = [
        node("InstanceNormalization", ["x", "g", "b"], ["n"], epsilon=1e-5),
        node("Mul", ["alpha", "n"], ["u"]),
        node("Sin", ["u"], ["s"]),
        node("Pow", ["s", "two"], ["sq"]),
        node("Mul", ["inverse", "sq"], ["w"]),
        node("Add", ["n", "w"], ["y" if not others else "z"]),
        *others,
    ]
    constants = {"alpha": rates, "inverse": 1 / rates, "two": np.array([2], np.float32)}
    return make_model(nodes, constants, {"x": [1, CHANNELS, "t"], "g": [CHANNELS], "b": [CHANNELS]})


def snake_inputs() -> dict[str, Any]:
    return {
        "x": RANDOM.standard_normal((1, CHANNELS, 301)).astype(np.float32),
        "g": RANDOM.standard_normal(CHANNELS).astype(np.float32),
        "b": RANDOM.standard_normal(CHANNELS).astype(np.float32),
    }


def test_fold_snake_scales_takes_the_scale_from_the_norm() -> None:
    model, inputs = snake_model(), snake_inputs()
    before = run(model, **inputs)
    assert rewrite(model, ["fold_snake_scales"]) == {"fold_snake_scales": 1}
    assert np.abs(run(model, **inputs) - before).max() < 1e-5 * np.abs(before).max()


def test_fold_snake_scales_skips_a_norm_that_others_read() -> None:
    model = snake_model([node("Add", ["z", "n"], ["y"])])
    assert rewrite(model, ["fold_snake_scales"]) == {"fold_snake_scales": 0}


def spectrum_model(output: str) -> onnx.ModelProto:
    window = np.hanning(21)[:20].astype(np.float32)
    nodes = [
        node("STFT", ["x", "step", "window", "length"], ["spectrum"], onesided=1),
        node("Transpose", ["spectrum"], ["turned"], perm=[0, 2, 1, 3]),
        node("Gather", ["turned", "first"], ["real"], axis=3),
        node("Gather", ["turned", "second"], ["imaginary"], axis=3),
        node("Greater", ["imaginary", "nought"], ["up"]),
        node("Where", ["up", "plus", "minus"], ["turn"]),
        node("Identity", [output], ["y"]),
    ]
    constants = {
        "step": np.array(5, np.int64),
        "window": window,
        "length": np.array(20, np.int64),
        "first": np.array(0, np.int64),
        "second": np.array(1, np.int64),
        "nought": np.array(0, np.float32),
        "plus": np.array(1, np.float32),
        "minus": np.array(-1, np.float32),
    }
    return make_model(nodes, constants, {"x": [1, "samples"]})


@pytest.mark.parametrize("part", ["real", "imaginary"])
def test_convolve_spectrum_replaces_stft(part: str) -> None:
    signal = RANDOM.standard_normal((1, 1000)).astype(np.float32)
    model = spectrum_model(part)
    before = run(model, x=signal)
    assert rewrite(model, ["convolve_spectrum"]) == {"convolve_spectrum": 1}
    assert not operators(model)["STFT"]
    after = run(model, x=signal)
    frames = np.lib.stride_tricks.sliding_window_view(signal[0].astype(np.float64), 20)[::5]
    exact = np.fft.rfft(frames * np.hanning(21)[:20]).T[None]
    assert after.shape == before.shape == exact.shape == (1, 11, 197)
    assert np.abs(after - getattr(exact, part[:4])).max() < 1e-5
    assert np.abs(after - before).max() < 1e-4


def test_convolve_spectrum_gives_pi_on_the_negative_axis() -> None:
    """The imaginary part is zero at 0 Hz and at the highest frequency; atan2(0, -1) is +pi."""
    signal = RANDOM.standard_normal((1, 1000)).astype(np.float32)
    model = spectrum_model("turn")
    rewrite(model, ["convolve_spectrum"])
    turns = run(model, x=signal)
    assert (turns[:, [0, 10]] == 1).all()
    exact = spectrum_model("imaginary")
    rewrite(exact, ["convolve_spectrum"])
    imaginary = run(exact, x=signal)
    assert (imaginary[:, [0, 10]] == 0).all()
    assert (turns == np.where(imaginary >= 0, 1, -1)).all()


@pytest.mark.parametrize("attributes", [{"pads": [6, 6], "dilations": [3]}, {"strides": [2]}])
def test_widen_convolutions_makes_them_two_dimensional(attributes: dict[str, Any]) -> None:
    weights = RANDOM.standard_normal((24, CHANNELS, 5)).astype(np.float32)
    bias = RANDOM.standard_normal(24).astype(np.float32)
    nodes = [node("Conv", ["x", "w", "b"], ["y"], kernel_shape=[5], **attributes)]
    model = make_model(nodes, {"w": weights, "b": bias}, {"x": [1, CHANNELS, "t"]})
    signal = RANDOM.standard_normal((1, CHANNELS, 77)).astype(np.float32)
    before = run(model, x=signal)
    assert rewrite(model, ["widen_convolutions"]) == {"widen_convolutions": 1}
    after = run(model, x=signal)
    assert after.shape == before.shape
    assert np.abs(after - before).max() < 1e-4


def test_rewrite_skips_a_graph_without_the_patterns() -> None:
    model = make_model([node("Relu", ["x"], ["y"])], {}, {"x": [1, "t"]})
    same = model.SerializeToString()
    assert rewrite(model) == dict.fromkeys(REWRITES, 0)
    assert model.SerializeToString() == same
