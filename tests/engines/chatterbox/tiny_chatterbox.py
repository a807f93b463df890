"""A Chatterbox of random weights whose language model is small and says a fixed number of tokens.

What makes sound of the tokens (S3Gen) has the release's own size, for the package builds no other.
"""

from pathlib import Path
from typing import Any

import torch
from chatterbox.models.s3gen import S3Gen
from chatterbox.models.s3tokenizer import EOS, SPEECH_VOCAB_SIZE
from chatterbox.models.t3 import T3
from chatterbox.models.t3.llama_configs import LLAMA_CONFIGS
from chatterbox.models.t3.modules.t3_config import T3Config
from chatterbox.models.voice_encoder import VoiceEncoder
from safetensors.torch import save_file
from tokenizers import Tokenizer, models

from tts_app.engines.chatterbox.model import MADE_ANEW

RATE = 24_000
TOKENS = 8
"""Speech tokens of a call; where attention is watched, it may put the end off."""
# Heads of layers 9, 12 and 13 are watched, up to the sixteenth; other parts of the package have its width.
LLAMA_CONFIGS["Llama_520M"].update(
    intermediate_size=64, num_hidden_layers=14, head_dim=4, num_key_value_heads=1
)


def make(folder: Path, language_model: str = "t3_mtl23ls_v3.safetensors") -> Path:
    """Write a model into `folder`, as safetensors, and return it."""
    folder.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(0)
    save(_language_model(), folder / language_model)
    save(S3Gen(), folder / "s3gen.safetensors")
    save(VoiceEncoder(), folder / "ve.safetensors")
    _tokenizer().save(str(folder / "grapheme_mtl_merged_expanded_v1.json"))
    return folder


def save(model: Any, path: Path) -> None:
    """Write the weights of a model, without those that the package computes, as the release has them."""
    kept = {name: tensor for name, tensor in model.state_dict().items() if name not in MADE_ANEW}
    save_file({name: tensor.clone().contiguous() for name, tensor in kept.items()}, path)


@torch.no_grad()
def _language_model() -> T3:
    """Return one whose first two channels say whether it is time to end: place, not text, sets them."""
    model = T3(T3Config.multilingual())
    places = model.speech_pos_emb.emb.weight
    places[:, :2] = 0
    places[:TOKENS, 0] = 10
    places[TOKENS:, 1] = 10
    head = model.speech_head.weight
    head.normal_(std=0.02)
    head[:, 0] = torch.where(torch.arange(len(head)) < SPEECH_VOCAB_SIZE, 1.0, -1.0)
    head[:, 1] = torch.where(torch.arange(len(head)) < SPEECH_VOCAB_SIZE, -1.0, -2.0)
    head[EOS, :2] = torch.tensor([-1.0, 1.0])
    return model


def _tokenizer() -> Tokenizer:
    letters = "abcdefghijklmnopqrstuvwxyz.,!?'مساءالخيرशुभसंध्या"
    words = ["[STOP]", "[UNK]", *dict.fromkeys(letters)]
    tokenizer = Tokenizer(
        models.BPE(vocab={word: n for n, word in enumerate(words)}, merges=[], unk_token="[UNK]")
    )
    tokenizer.add_special_tokens(["[START]", "[SPACE]", "[en]", "[es]", "[ar]", "[hi]"])
    return tokenizer
