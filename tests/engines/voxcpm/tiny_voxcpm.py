"""A VoxCPM2 of a few random weights: it speaks noise, and quickly."""

import json
from pathlib import Path

import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer, models
from transformers import LlamaTokenizerFast
from voxcpm.model.voxcpm2 import VoxCPM2Model, VoxCPMConfig
from voxcpm.modules.audiovae import AudioVAEV2

RATE = 48_000
_LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ .,()"
_LANGUAGE_MODEL = {
    "bos_token_id": 1,
    "eos_token_id": 2,
    "hidden_size": 32,
    "intermediate_size": 32,
    "max_position_embeddings": 1024,
    "num_attention_heads": 2,
    "num_hidden_layers": 2,
    "num_key_value_heads": 2,
    "rms_norm_eps": 1e-5,
    "rope_scaling": {
        "type": "longrope",
        "long_factor": [1.0] * 8,
        "short_factor": [1.0] * 8,
        "original_max_position_embeddings": 1024,
    },
    "vocab_size": 256,
    "use_mup": False,
    "scale_emb": 1.0,
    "dim_model_base": 32,
    "scale_depth": 1.0,
    "rope_theta": 10_000.0,
}
_PART = {"hidden_dim": 32, "ffn_dim": 32, "num_heads": 2, "num_layers": 1}
_CONFIG = {
    "architecture": "voxcpm2",
    "lm_config": _LANGUAGE_MODEL,
    "patch_size": 2,
    "feat_dim": 8,
    "residual_lm_num_layers": 1,
    "scalar_quantization_latent_dim": 8,
    "encoder_config": _PART,
    "dit_config": {**_PART, "cfm_config": {}},
    "audio_vae_config": {
        "encoder_dim": 4,
        "encoder_rates": [2, 5, 8, 8],
        "latent_dim": 8,
        "decoder_dim": 32,
        "decoder_rates": [8, 8, 5, 6],
        "sample_rate": 16_000,
        "out_sample_rate": RATE,
    },
    "max_length": 1024,
    "device": "cpu",
    "dtype": "float32",
}


def make(folder: Path) -> Path:
    """Write a model into `folder`, as safetensors, and return it."""
    folder.mkdir(parents=True, exist_ok=True)
    words = {word: n for n, word in enumerate(["<unk>", "<s>", "</s>", *_LETTERS])}
    tokenizer = Tokenizer(models.BPE(vocab=words, merges=[], unk_token="<unk>"))
    LlamaTokenizerFast(tokenizer_object=tokenizer).save_pretrained(folder)
    (folder / "config.json").write_text(json.dumps(_CONFIG))
    torch.manual_seed(0)
    config = VoxCPMConfig.model_validate(_CONFIG)
    model = VoxCPM2Model(
        config, LlamaTokenizerFast.from_pretrained(folder), AudioVAEV2(config.audio_vae_config)
    )
    _stop_soon(model)
    weights = {name: value.contiguous().clone() for name, value in model.state_dict().items()}
    codec = {n.removeprefix("audio_vae."): w for n, w in weights.items() if n.startswith("audio_vae.")}
    save_file(codec, folder / "audiovae.safetensors")
    save_file(
        {n: w for n, w in weights.items() if not n.startswith("audio_vae.")}, folder / "model.safetensors"
    )
    return folder


def _stop_soon(model: VoxCPM2Model) -> None:
    """Make the model end its sound as soon as the package lets it, after four pieces."""
    with torch.no_grad():
        model.stop_proj.weight.zero_()
        model.stop_proj.bias.fill_(1.0)
        model.stop_head.weight[0] = -1.0
        model.stop_head.weight[1] = 1.0
