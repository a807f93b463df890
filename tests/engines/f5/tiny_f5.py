"""An F5 of a few random weights: it makes noise of noise, and quickly."""

from pathlib import Path
from typing import Any

import torch
from f5_tts.model import DiT
from safetensors.torch import save_file
from vocos.heads import ISTFTHead
from vocos.models import VocosBackbone

from tts_app.engines.f5.prompt import MARKS

RATE = 24_000
LETTERS = " abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.,!?مساءالخير"
DIALECTS = "".join(MARKS.values()) + "〈〉"


def make(folder: Path, letters: str = LETTERS + DIALECTS) -> Path:
    """Write a model into `folder`, as safetensors, and return it."""
    (folder / "vocos").mkdir(parents=True, exist_ok=True)
    (folder / "vocab.txt").write_text("".join(f"{letter}\n" for letter in dict.fromkeys(letters)))
    torch.manual_seed(0)
    transformer = DiT(
        dim=128,
        depth=3,
        heads=2,
        ff_mult=2,
        text_dim=32,
        text_num_embeds=len(dict.fromkeys(letters)),
        conv_layers=2,
    )
    save(transformer, folder / "model_1.safetensors", "ema_model.transformer.")
    vocoder = torch.nn.ModuleDict(
        {
            "backbone": VocosBackbone(input_channels=100, dim=32, intermediate_dim=64, num_layers=2),
            "head": ISTFTHead(dim=32, n_fft=1024, hop_length=256, padding="center"),
        }
    )
    save(vocoder, folder / "vocos" / "model.safetensors")
    return folder


def save(model: Any, path: Path, prefix: str = "") -> None:
    """Write the weights of a model. What begins as zero becomes random: else its layers would do nothing."""
    weights = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    for tensor in weights.values():
        if not tensor.any():
            tensor.normal_(std=0.3)
    save_file({prefix + name: tensor for name, tensor in weights.items()}, path)
