"""An OmniVoice of a few random weights: it fills in codes and decodes them into noise, and quickly."""

from pathlib import Path

import torch
from omnivoice import OmniVoice
from omnivoice.models.omnivoice import OmniVoiceConfig
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import (
    DacConfig,
    DacFeatureExtractor,
    HiggsAudioV2TokenizerConfig,
    HiggsAudioV2TokenizerModel,
    HubertConfig,
    PreTrainedTokenizerFast,
    Qwen3Config,
)

RATE = 24_000
FRAME = 960
"""Samples of a frame of codes."""
_SPECIAL = [
    "<|denoise|>",
    "<|lang_start|>",
    "<|lang_end|>",
    "<|instruct_start|>",
    "<|instruct_end|>",
    "<|text_start|>",
    "<|text_end|>",
]


def make(folder: Path) -> Path:
    """Write a model into `folder`, as safetensors, and return it."""
    _tokenizer().save_pretrained(folder)
    torch.manual_seed(0)
    language_model = Qwen3Config(
        vocab_size=1100,  # the package looks codes up among the words too, and drops what it finds
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
        head_dim=16,
        initializer_range=0.5,  # greater than usual: codes that differ
    )
    OmniVoice(OmniVoiceConfig(llm_config=language_model)).save_pretrained(folder)
    _codec().save_pretrained(folder / "audio_tokenizer")
    DacFeatureExtractor(sampling_rate=RATE, hop_length=FRAME).save_pretrained(folder / "audio_tokenizer")
    return folder


def _tokenizer() -> PreTrainedTokenizerFast:
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE(vocab={letter: n for n, letter in enumerate(letters)}, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(_SPECIAL)
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, additional_special_tokens=_SPECIAL)


def _codec() -> HiggsAudioV2TokenizerModel:
    """Return a codec with the model's own rates, 8 books and 25 frames a second, and narrow layers."""
    acoustic = DacConfig(
        encoder_hidden_size=4,
        decoder_hidden_size=32,
        hidden_size=16,
        downsampling_ratios=[8, 5, 4, 2, 3],
        upsampling_ratios=[8, 5, 4, 2, 3],
    )
    semantic = HubertConfig(
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=16,
        conv_dim=[8] * 7,
        num_conv_pos_embeddings=16,
        num_conv_pos_embedding_groups=2,
        mask_time_prob=0.0,
    )
    codec = HiggsAudioV2TokenizerModel(
        HiggsAudioV2TokenizerConfig(
            target_bandwidths=[2],
            codebook_dim=8,
            acoustic_model_config=acoustic.to_dict(),
            semantic_model_config=semantic.to_dict(),
            initializer_range=0.5,
        )
    )
    for quantizer in codec.quantizer.quantizers:
        quantizer.codebook.embed.normal_()  # transformers begins with zeros: all codes would sound alike
    return codec
