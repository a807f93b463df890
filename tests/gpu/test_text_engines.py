"""Tokens a second of the text engines at 1 to 64 callers, beside what the memory of the card allows.

Each step of decoding reads all weights once, for however many answers: bandwidth / bytes of the weights is
the most steps a second, and so the most tokens a second of one caller. Bandwidth is measured, by copying.
"""

import time
from pathlib import Path

import pytest
import text_engines

CALLERS = (1, 2, 4, 8, 16, 32, 64)
TOKENS = 128


@pytest.fixture(scope="module")
def bandwidth(gpu: str) -> float:
    """Bytes a second that the card reads and writes together."""
    import torch

    source = torch.empty(1 << 30, dtype=torch.uint8, device="cuda")
    target = torch.empty_like(source)
    target.copy_(source)
    torch.cuda.synchronize()
    start = time.perf_counter()
    for _ in range(20):
        target.copy_(source)
    torch.cuda.synchronize()
    return 20 * 2 * source.numel() / (time.perf_counter() - start)


@pytest.fixture(scope="module")
def llama_1b(gpu: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Random weights of the shape of Llama 3.2 1B, in bfloat16, with the tokeniser of the unit tests."""
    import tiny_model
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    folder = tiny_model.make(tmp_path_factory.mktemp("llama-1b"))
    config = LlamaConfig(
        vocab_size=128_256,
        hidden_size=2048,
        intermediate_size=8192,
        num_hidden_layers=16,
        num_attention_heads=32,
        num_key_value_heads=8,
        max_position_embeddings=8192,
        tie_word_embeddings=True,
        eos_token_id=2,
        bos_token_id=1,
        pad_token_id=0,
    )
    with torch.device("cuda"):
        LlamaForCausalLM(config).to(torch.bfloat16).save_pretrained(folder)
    return folder


@pytest.mark.parametrize("quantization", ["none", "int8"])
def test_transformers(
    gpu: str, bandwidth: float, llama_1b: Path, report: list[str], quantization: str
) -> None:
    variants = {f"transformers {quantization}": (llama_1b, quantization, {})}
    rows = text_engines.transformers_rows(variants, CALLERS, TOKENS, rounds=2)
    size = (llama_1b / "model.safetensors").stat().st_size // (2 if quantization == "int8" else 1)
    _tell(report, gpu, rows, bandwidth / size)
    assert [row.callers for row in rows] == list(CALLERS)
    assert all(row.tokens_a_second > 0 for row in rows)


def test_llamacpp(gpu: str, bandwidth: float, smollm: Path, report: list[str]) -> None:
    xllamacpp = pytest.importorskip("xllamacpp")
    if not any("CUDA" in str(device) for device in xllamacpp.get_device_info()):
        pytest.skip("this build of xllamacpp has no CUDA: the registry's wheel is for CPUs")
    rows = text_engines.llamacpp_rows(smollm, CALLERS, TOKENS, rounds=2)
    size = sum(path.stat().st_size for path in smollm.glob("*.gguf"))
    _tell(report, gpu, rows, bandwidth / size)
    assert len(rows) == 2 * len(CALLERS)


def _tell(report: list[str], gpu: str, rows: list[text_engines.Row], steps: float) -> None:
    report += [
        f"\n{gpu}; its memory allows {steps:,.0f} steps a second",
        "",
        "| engine | callers | tokens a second | share of the memory's limit | first token, ms |",
        "|---|---:|---:|---:|---:|",
    ]
    for row in rows:
        share = row.tokens_a_second / (steps * row.callers)
        report.append(
            f"| {row.subject} | {row.callers} | {row.tokens_a_second:,.0f} | {share:.0%} "
            f"| {row.first_token_ms:,.0f} |"
        )
