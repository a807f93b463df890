"""`hack/f5-files`: pickled weights become the safetensors that the engine f5 reads."""

import subprocess
import sys
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

PROGRAM = Path(__file__).resolve().parents[3] / "hack" / "f5-files"


def run(tmp_path: Path, *options: str | Path) -> subprocess.CompletedProcess[str]:
    named = {"--vocabulary": tmp_path / "letters.txt", "--vocoder": tmp_path / "pytorch_model.bin"}
    fixed = [str(part) for pair in named.items() for part in pair]
    command = [sys.executable, str(PROGRAM), str(tmp_path / "out"), *fixed, *map(str, options)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_folder_has_safetensors_alone(tmp_path: Path) -> None:
    (tmp_path / "letters.txt").write_text(" \na\n")
    torch.save({"head.out.weight": torch.ones(2)}, tmp_path / "pytorch_model.bin")
    whole = {
        "model_state_dict": {"transformer.a": torch.zeros(2), "step": 7},
        "ema_model_state_dict": {"ema_model.transformer.a": torch.ones(2)},
        "optimizer_state_dict": {"state": {}},
    }
    torch.save(whole, tmp_path / "model.pt")
    done = run(tmp_path, "--checkpoint", tmp_path / "model.pt")
    assert done.returncode == 0, done.stderr
    out = tmp_path / "out"
    files = sorted(path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file())
    assert files == ["model.safetensors", "vocab.txt", "vocos/model.safetensors"]
    weights = load_file(out / "model.safetensors")
    assert {name: tensor.tolist() for name, tensor in weights.items()} == {"transformer.a": [0.0, 0.0]}
    assert set(load_file(out / "vocos" / "model.safetensors")) == {"head.out.weight"}


def test_program_refuses_a_file_without_the_weights(tmp_path: Path) -> None:
    (tmp_path / "letters.txt").write_text(" \n")
    save_file({"head.out.weight": torch.ones(2)}, tmp_path / "pytorch_model.bin")
    torch.save({"step": 7}, tmp_path / "model.pt")
    done = run(tmp_path, "--checkpoint", tmp_path / "model.pt")
    assert (done.returncode, done.stderr.strip()) == (
        1,
        f"{tmp_path / 'model.pt'} has no model_state_dict; it has step",
    )
