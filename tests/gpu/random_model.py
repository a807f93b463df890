"""Language models of random weights in the shape of real ones: they write noise, at the real speed."""

import json
from dataclasses import dataclass
from pathlib import Path

import tiny_model
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from transformers import LlamaConfig, LlamaForCausalLM

VOCABULARY = 128_256
GROUP = 128
"""Weights of GPTQ that share a scale."""


@dataclass(frozen=True)
class Shape:
    """What a Llama's size depends on."""

    name: str
    width: int
    inner: int
    layers: int
    heads: int
    key_value_heads: int = 8

    @property
    def linear_weights(self) -> int:
        """Number of weights that quantisation compresses."""
        keys_and_values = 2 * self.key_value_heads * (self.width // self.heads)
        return self.layers * self.width * (2 * self.width + keys_and_values + 3 * self.inner)

    def bytes_a_step(self, bits: int) -> float:
        """Return the bytes that a step reads: the linear layers at so many bits, and the output's 16."""
        return self.linear_weights * bits / 8 + VOCABULARY * self.width * 2

    def config(self) -> LlamaConfig:
        """Return the configuration for transformers."""
        return LlamaConfig(
            vocab_size=VOCABULARY,
            hidden_size=self.width,
            intermediate_size=self.inner,
            num_hidden_layers=self.layers,
            num_attention_heads=self.heads,
            num_key_value_heads=self.key_value_heads,
            max_position_embeddings=8192,
            tie_word_embeddings=True,
            eos_token_id=2,
            bos_token_id=1,
            pad_token_id=0,
        )


LLAMA_1B = Shape("Llama 3.2 1B", 2048, 8192, 16, 32)
LLAMA_8B = Shape("Llama 3.1 8B", 4096, 14336, 32, 32)


def make(folder: Path, shape: Shape, device: str) -> Path:
    """Write a model of bfloat16 weights into `folder`, with the tokeniser of the unit tests; return it."""
    folder.mkdir()
    tiny_model.make(folder)
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.bfloat16)
    try:
        with torch.device(device):
            LlamaForCausalLM(shape.config()).save_pretrained(folder, max_shard_size="100GB")
    finally:
        torch.set_default_dtype(before)
    return folder


def quantised(model: Path, folder: Path, shape: Shape) -> Path:
    """Write `model` into `folder`, its linear layers random numbers packed as GPTQ of 4 bits; return it."""
    folder.mkdir()
    for path in model.iterdir():
        if path.suffix != ".safetensors":
            (folder / path.name).write_bytes(path.read_bytes())
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    config["quantization_config"] = {
        "bits": 4,
        "group_size": GROUP,
        "desc_act": False,
        "sym": True,
        "lm_head": False,
        "quant_method": "gptq",
        "checkpoint_format": "gptq",
        "pack_dtype": "int32",
    }
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    tensors = {}
    with safe_open(model / "model.safetensors", framework="pt") as weights:
        for name in weights.keys():  # noqa: SIM118 - it is no dict
            if "_proj." in name:
                outputs, inputs = weights.get_slice(name).get_shape()
                layer = name.removesuffix(".weight")
                tensors |= {f"{layer}.{part}": tensor for part, tensor in _packed(inputs, outputs).items()}
            else:
                tensors[name] = weights.get_tensor(name)
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    return folder


def _packed(inputs: int, outputs: int) -> dict[str, torch.Tensor]:
    groups = inputs // GROUP
    anything = torch.iinfo(torch.int32)
    return {
        "qweight": torch.randint(anything.min, anything.max, (inputs // 8, outputs), dtype=torch.int32),
        "qzeros": torch.full((groups, outputs // 8), 0x77777777, dtype=torch.int32),
        "scales": torch.full((groups, outputs), 0.004, dtype=torch.float16),
        "g_idx": torch.arange(inputs, dtype=torch.int32) // GROUP,
    }
