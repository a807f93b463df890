"""Kokoro's weights for torch: read from a checkpoint, or taken out of the fp32 ONNX export.

Nothing of a checkpoint is run: torch reads tensors alone (`weights_only`).
"""

import pickle
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from tts_app.engines.base import EngineError

Weights = dict[str, Tensor]
"""By the names of the parts of `network.Network`."""

_LSTM_PARTS = {"/encoder/shared/LSTM": "predictor.shared"}
"""Nodes of the ONNX export whose path is not that of their part."""


def read_weights(path: Path) -> Weights:
    """Read the weights of a checkpoint (`.pth`) or of an ONNX export (`.onnx`), in float32.

    Raises:
        EngineError: the file is damaged, or holds something else.
    """
    try:
        read = _from_onnx(path) if path.suffix == ".onnx" else _from_checkpoint(path)
        weights = _plain(read)
    except (
        OSError,
        ValueError,
        TypeError,
        KeyError,
        RuntimeError,
        EOFError,
        pickle.UnpicklingError,
    ) as error:
        raise EngineError(f"{path} cannot be read as weights of Kokoro; is it damaged? {error}") from error
    if not weights:
        raise EngineError(f"{path} has no weights of Kokoro.")
    return weights


def read_tensor(path: Path) -> Tensor:
    """Read a file that holds one tensor, such as a voice (`.pt`), in float32.

    Raises:
        EngineError: the file is damaged, or holds something else.
    """
    try:
        tensor = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, ValueError, RuntimeError, EOFError, pickle.UnpicklingError) as error:
        raise EngineError(f"{path} cannot be read as a tensor; is it damaged? {error}") from error
    if not isinstance(tensor, Tensor):
        raise EngineError(f"{path} holds a {type(tensor).__name__}, which must be a tensor.")
    return tensor.float()


def _from_checkpoint(path: Path) -> Weights:
    """Read a checkpoint: the weights of each part by the part's name."""
    parts = torch.load(path, map_location="cpu", weights_only=True)
    if not isinstance(parts, dict) or not all(isinstance(tensors, dict) for tensors in parts.values()):
        raise ValueError("it must hold the weights of each part, by the part's name")
    return {
        # Parts that were trained on several GPUs have this prefix.
        f"{part}.{name.removeprefix('module.')}": tensor
        for part, tensors in parts.items()
        for name, tensor in tensors.items()
        if isinstance(tensor, Tensor)
    }


def _plain(read: Mapping[str, Tensor]) -> Weights:
    """Return weights as the network has them: norms of weights and of instances are folded into layers."""
    weights = {
        _norm_name(name): tensor.float() for name, tensor in read.items() if tensor.is_floating_point()
    }
    for name in [name for name in weights if name.endswith(".weight_v")]:
        layer = name.removesuffix("_v")
        direction, length = weights.pop(name), weights.pop(f"{layer}_g")
        norms = direction.flatten(1).norm(dim=1).reshape(length.shape)
        weights[layer] = direction * (length / norms)
    for name in [name for name in weights if re.search(r"\bnorm\.weight$", name)]:
        block = name.removesuffix("norm.weight")
        scale, shift = weights.pop(name), weights.pop(f"{block}norm.bias")
        weight, bias = weights[f"{block}fc.weight"], weights[f"{block}fc.bias"]
        weights[f"{block}fc.weight"], weights[f"{block}fc.bias"] = _with_affine(weight, bias, scale, shift)
    return weights


def _norm_name(name: str) -> str:
    """Return a weight's name with the parts of a norm of weights called as older versions of torch do."""
    older = name.replace(".parametrizations.weight.original0", ".weight_g")
    return older.replace(".parametrizations.weight.original1", ".weight_v")


def _with_affine(weight: Tensor, bias: Tensor, scale: Tensor, shift: Tensor) -> tuple[Tensor, Tensor]:
    """Return a layer that gives an adaptive norm its scale and shift as if its input had them already.

    The norm of x is (1 + a) x + b, where the layer gives a and b. Of x * scale + shift it is that with
    a' = (1 + a) * scale - 1 and b' = b + (1 + a) * shift.
    """
    (weight_a, weight_b), (bias_a, bias_b) = weight.chunk(2), bias.chunk(2)
    return (
        torch.cat([weight_a * scale[:, None], weight_b + weight_a * shift[:, None]]),
        torch.cat([(1 + bias_a) * scale - 1, bias_b + (1 + bias_a) * shift]),
    )


def _from_onnx(path: Path) -> Weights:
    """Take the weights out of an ONNX export of torch, which kept most of their names.

    It has folded norms of weights already, transposed the matrices of linear layers and turned round the
    gates of LSTMs. What such a node belongs to is told by the name of its bias, or else by its own.
    """
    import onnx  # noqa: PLC0415 - a checkpoint needs none of it
    from google.protobuf.message import DecodeError  # noqa: PLC0415

    try:
        graph = onnx.load(str(path)).graph
    except DecodeError as error:
        raise ValueError("it is no ONNX graph") from error
    constants = {constant.name: constant for constant in graph.initializer}

    def tensor(name: str) -> Tensor:
        return torch.from_numpy(onnx.numpy_helper.to_array(constants[name]).copy())

    weights = {_part(name): tensor(name) for name in constants if name.startswith(("encoder.", "decoder."))}
    added_to = {name: node for node in graph.node if node.op_type == "Add" for name in node.input}
    for node in graph.node:
        given = [name for name in node.input if name in constants]
        if node.op_type in {"Conv", "ConvTranspose"} and given and not given[0].endswith(".weight"):
            weights[f"{_convolution_part(node, given)}.weight"] = tensor(given[0])
        elif node.op_type == "MatMul" and given and node.output[0] in added_to:
            bias = next((name for name in added_to[node.output[0]].input if name.endswith(".bias")), None)
            if bias is not None:
                weights[f"{_part(bias).removesuffix('.bias')}.weight"] = tensor(given[0]).T.contiguous()
        elif node.op_type == "LSTM":
            part = _LSTM_PARTS.get(node.name) or _part(_path_of(node.name))
            weights.update(_lstm_weights(part, *(tensor(name) for name in given[:3])))
    return weights


def _convolution_part(node: Any, given: list[str]) -> str:
    """Return the part of a convolution: by its bias or, without one, by its path."""
    if len(given) > 1:
        return _part(given[1].removesuffix(".bias"))
    path = _path_of(node.name)
    # The exporter leaves the predictor out of the paths of its curves.
    return re.sub(r"^(F0|N)\.", r"predictor.\1.", _part(path))


def _path_of(node: str) -> str:
    """Return the path of a node's module: /decoder/decoder/encode/Conv is of decoder.decoder.encode."""
    return ".".join(node.strip("/").split("/")[:-1])


def _part(name: str) -> str:
    """Return a part's name without that of the half of the export that it is in."""
    return re.sub(r"^(encoder|decoder)\.", "", name)


def _lstm_weights(part: str, inputs: Tensor, states: Tensor, biases: Tensor) -> Iterator[tuple[str, Tensor]]:
    """Yield the weights of an LSTM as torch has them. The first axis is the direction."""
    for direction, suffix in enumerate(("", "_reverse")):
        bias_inputs, bias_states = biases[direction].chunk(2)
        yield f"{part}.weight_ih_l0{suffix}", _gates(inputs[direction])
        yield f"{part}.weight_hh_l0{suffix}", _gates(states[direction])
        yield f"{part}.bias_ih_l0{suffix}", _gates(bias_inputs)
        yield f"{part}.bias_hh_l0{suffix}", _gates(bias_states)


def _gates(weights: Tensor) -> Tensor:
    """Return gates in torch's order: input, forget, cell, output. ONNX has input, output, forget, cell."""
    gate_in, gate_out, gate_forget, gate_cell = weights.chunk(4)
    return torch.cat([gate_in, gate_forget, gate_cell, gate_out])
