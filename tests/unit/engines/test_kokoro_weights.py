"""What is read of checkpoints: small ones, made here."""

from pathlib import Path

import pytest
import torch

from tts_app.engines.base import EngineError
from tts_app.engines.kokoro.network.layers import AdaptiveInstanceNorm, extent
from tts_app.engines.kokoro.weights import read_tensor, read_weights


def random(*shape: int) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(sum(shape)))


NORM_NAMES = [
    ("weight_g", "weight_v"),
    ("parametrizations.weight.original0", "parametrizations.weight.original1"),
]
"""Of lengths and directions, as older and newer versions of torch have them."""


@pytest.mark.parametrize(("lengths", "directions"), NORM_NAMES)
def test_read_weights_folds_the_norms_of_weights(tmp_path: Path, lengths: str, directions: str) -> None:
    direction, length = random(4, 3, 5), random(4, 1, 1)
    parts = {
        "decoder": {f"conv1.{directions}": direction, f"conv1.{lengths}": length, "conv1.bias": random(4)}
    }
    torch.save(parts, tmp_path / "a.pth")
    weights = read_weights(tmp_path / "a.pth")
    assert set(weights) == {"decoder.conv1.weight", "decoder.conv1.bias"}
    plain = torch.nn.utils.parametrizations.weight_norm(torch.nn.Conv1d(3, 4, 5))
    plain.load_state_dict(
        {
            "bias": parts["decoder"]["conv1.bias"],
            "parametrizations.weight.original0": length,
            "parametrizations.weight.original1": direction,
        }
    )
    x = random(1, 3, 9)
    folded = torch.nn.functional.conv1d(x, weights["decoder.conv1.weight"], weights["decoder.conv1.bias"])
    assert torch.allclose(folded, plain(x), atol=1e-6)


def test_read_weights_takes_off_the_prefix_of_training_on_several_gpus(tmp_path: Path) -> None:
    torch.save({"bert": {"module.a.weight": random(2), "module.ids": torch.arange(3)}}, tmp_path / "a.pth")
    assert set(read_weights(tmp_path / "a.pth")) == {"bert.a.weight"}


def test_read_weights_folds_the_affine_part_of_instance_norms(tmp_path: Path) -> None:
    scale, shift, style, x = random(6), random(6), random(2, 3), random(2, 6, 8)
    norm = AdaptiveInstanceNorm(3, 6)
    names = {"norm1.norm.weight": scale, "norm1.norm.bias": shift}
    torch.save(
        {"d": {**names, **{f"norm1.{k}": v for k, v in norm.state_dict().items()}}}, tmp_path / "a.pth"
    )
    weights = read_weights(tmp_path / "a.pth")
    assert set(weights) == {"d.norm1.fc.weight", "d.norm1.fc.bias"}
    factor, addend = norm.fc(style)[:, :, None].chunk(2, 1)
    affine = torch.nn.functional.instance_norm(x, weight=scale, bias=shift)
    norm.load_state_dict({name.removeprefix("d.norm1."): tensor for name, tensor in weights.items()})
    found = norm(x, style, extent(torch.tensor([8, 8]), 8, torch.float32))
    assert torch.allclose(found, (1 + factor) * affine + addend, atol=1e-5)


class Code:
    """What a checkpoint must not run."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return Path, ("/",)


@pytest.mark.parametrize(
    "content",
    [b"", b"not a checkpoint", {"bert": Code()}, {"bert": 1}, [1, 2]],
    ids=lambda c: type(c).__name__,
)
def test_read_weights_refuses_what_is_no_checkpoint(tmp_path: Path, content: object) -> None:
    path = tmp_path / "kokoro.pth"
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        torch.save(content, path)
    with pytest.raises(
        EngineError, match=r"kokoro\.pth cannot be read as weights of Kokoro; is it damaged\?"
    ):
        read_weights(path)


def test_read_weights_refuses_a_checkpoint_without_weights(tmp_path: Path) -> None:
    torch.save({"bert": {}}, tmp_path / "a.pth")
    with pytest.raises(EngineError, match="has no weights of Kokoro"):
        read_weights(tmp_path / "a.pth")


def test_read_weights_refuses_what_is_no_graph(tmp_path: Path) -> None:
    (tmp_path / "model.onnx").write_bytes(b"not a graph")
    with pytest.raises(EngineError, match=r"model\.onnx cannot be read as weights of Kokoro"):
        read_weights(tmp_path / "model.onnx")


def test_read_tensor_reads_a_voice(tmp_path: Path) -> None:
    torch.save(torch.ones(510, 1, 256, dtype=torch.float16), tmp_path / "af_msa.pt")
    assert read_tensor(tmp_path / "af_msa.pt").dtype == torch.float32


@pytest.mark.parametrize(("content", "message"), [(None, "is it damaged"), ([1], "holds a list")])
def test_read_tensor_refuses_anything_else(tmp_path: Path, content: object, message: str) -> None:
    path = tmp_path / "af_msa.pt"
    if content is None:
        path.write_bytes(b"no tensor")
    else:
        torch.save(content, path)
    with pytest.raises(EngineError, match=message):
        read_tensor(path)
