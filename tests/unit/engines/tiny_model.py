"""A language model of a few random weights, with a tokeniser of its own: it says nothing, and quickly."""

import os
from contextlib import chdir
from pathlib import Path

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

TEMPLATE = "{% for m in messages %}<s>{{ m['role'] }}: {{ m['content'] }}{% endfor %}<s>assistant:"
WORDS = "the sea is vast and the words of this small model are few . one two three four five six seven "
CONTEXT = 512


def make(folder: Path, width: int = 128, layers: int = 2, context: int = CONTEXT) -> Path:
    """Write the model into `folder`, as safetensors, and return it; a greater one of greater numbers."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=384,
        special_tokens=["<pad>", "<s>", "</s>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator([WORDS * 4], trainer)
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>", pad_token="<pad>"
    )
    fast.chat_template = TEMPLATE
    fast.save_pretrained(folder)
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=384,
        hidden_size=width,
        intermediate_size=width,
        num_hidden_layers=layers,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=context,
        bos_token_id=1,
        eos_token_id=2,
        pad_token_id=0,
        initializer_range=0.5,  # greater than usual: probabilities that differ
    )
    LlamaForCausalLM(config).save_pretrained(folder)
    return folder


def quantise(model: Path, folder: Path) -> Path:
    """Write a model into `folder`, quantised to 4 bits by gptqmodel, which needs no GPU; return it."""
    # Where there are two cores it takes one, and then asks for two.
    os.environ.setdefault("GPTQMODEL_CPU_WORKERS", "2")
    folder.mkdir()
    with chdir(folder.parent):  # it writes logs where it stands
        from gptqmodel import GPTQModel, QuantizeConfig

        # Packed without the kernel that it would compile first, for a minute or more.
        settings = QuantizeConfig(bits=4, group_size=32, offload_to_disk=False, pack_impl="original")
        loaded = GPTQModel.load(str(model), settings, device="cpu")
        loaded.quantize([WORDS] * 2, batch_size=1)
        loaded.save(str(folder))
    return folder
