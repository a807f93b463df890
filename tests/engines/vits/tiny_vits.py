"""A VITS of a few random weights, with letters for tokens: it says nothing, and quickly."""

import json
from pathlib import Path
from typing import Any

import torch
from transformers import VitsConfig, VitsModel, VitsTokenizer

RATE = 16_000
LETTERS = "abcdefghijklmnopqrstuvwxyz '-"
OF_A_TINY_ONE: dict[str, Any] = {
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "ffn_dim": 16,
    "flow_size": 16,
    "spectrogram_bins": 9,
    "upsample_initial_channel": 16,
    "upsample_rates": [4, 2],
    "upsample_kernel_sizes": [8, 4],
    "resblock_kernel_sizes": [3, 5],
    "resblock_dilation_sizes": [[1, 3], [1, 3]],
    "duration_predictor_filter_channels": 16,
    "prior_encoder_num_flows": 2,
    "prior_encoder_num_wavenet_layers": 2,
    "posterior_encoder_num_wavenet_layers": 1,
    "initializer_range": 0.3,  # greater than usual: sounds that differ
    "sampling_rate": RATE,
}
"""Settings that make it small."""


def make(
    folder: Path, *, speakers: int = 1, phonemize: bool = False, is_uroman: bool = False, **config: Any
) -> Path:
    """Write a checkpoint into `folder`, as safetensors, and return it."""
    folder.mkdir(parents=True, exist_ok=True)
    vocabulary = folder / "vocab.json"
    vocabulary.write_text(json.dumps({letter: number for number, letter in enumerate(f"_{LETTERS}")}))
    tokenizer = VitsTokenizer(
        str(vocabulary),
        pad_token="_",
        unk_token="-",
        language="eng",
        phonemize=phonemize,
        is_uroman=is_uroman,
    )
    tokenizer.save_pretrained(folder)
    torch.manual_seed(0)
    many = {"num_speakers": speakers, "speaker_embedding_size": 8 if speakers > 1 else 0}
    settings = VitsConfig(vocab_size=len(LETTERS) + 1, **{**OF_A_TINY_ONE, **many, **config})
    VitsModel(settings).save_pretrained(folder)
    return folder
