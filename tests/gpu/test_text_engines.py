"""Tokens a second of the text engines at 1 to 64 callers, beside what the memory of the card allows.

Each step of decoding reads all weights once, for however many answers: bandwidth / bytes of the weights is
the most steps a second, and so the most tokens a second of one caller. Bandwidth is measured, by reading.
"""

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import text_engines

if TYPE_CHECKING:
    from random_model import Shape

CALLERS = (1, 2, 4, 8, 16, 32, 64)
TOKENS = 64
TRITON = {"gptq_backend": "gptq_triton"}
"""The others are compiled when they are first used, for minutes."""


@pytest.fixture(scope="module")
def bandwidth(gpu: str) -> float:
    """Bytes a second that the card reads."""
    import torch

    numbers = torch.ones(1 << 30, dtype=torch.float32, device="cuda")
    numbers.sum()
    torch.cuda.synchronize()
    start = time.perf_counter()
    for _ in range(20):
        numbers.sum()
    torch.cuda.synchronize()
    return 20 * numbers.nbytes / (time.perf_counter() - start)


@pytest.fixture(scope="module", params=["1b", "8b"])
def model(
    request: pytest.FixtureRequest, gpu: str, tmp_path_factory: pytest.TempPathFactory
) -> "tuple[Shape, Path, Path]":
    """A shape, a model of it, and one of 4 bits."""
    import random_model

    shape = random_model.LLAMA_8B if request.param == "8b" else random_model.LLAMA_1B
    folder = tmp_path_factory.mktemp(request.param)
    plain = random_model.make(folder / "plain", shape, "cuda")
    return shape, plain, random_model.quantised(plain, folder / "gptq", shape)


def test_transformers(
    gpu: str, bandwidth: float, model: "tuple[Shape, Path, Path]", report: list[str]
) -> None:
    shape, plain, gptq = model
    variants = {
        "bfloat16": (plain, "none", {}),
        "bfloat16, no graphs": (plain, "none", {"cuda_graphs": False}),
        "int8": (plain, "int8", {}),
        "int4": (plain, "int4", {}),
        "GPTQ 4-bit": (gptq, "gptq-int4", TRITON),
    }
    bits = {"int8": 8, "int4": 4, "GPTQ 4-bit": 4}
    rows = text_engines.transformers_rows(variants, CALLERS, TOKENS, rounds=2)
    most = {name: bandwidth / shape.bytes_a_step(bits.get(name, 16)) for name in variants}
    _tell(report, f"transformers, random weights in the shape of {shape.name}; {gpu}", rows, most)
    assert [row.callers for row in rows] == [count for count in CALLERS for _ in variants]
    assert all(row.tokens_a_second > 0 for row in rows)


def test_llamacpp(gpu: str, bandwidth: float, smollm: Path, report: list[str]) -> None:
    xllamacpp = pytest.importorskip("xllamacpp")
    if not any("CUDA" in str(device) for device in xllamacpp.get_device_info()):
        pytest.skip("this build of xllamacpp has no CUDA: the registry's wheel is for CPUs")
    rows = text_engines.llamacpp_rows(smollm, CALLERS, TOKENS, rounds=2)
    size = sum(path.stat().st_size for path in smollm.glob("*.gguf"))
    _tell(report, f"llamacpp; {gpu}", rows, {row.subject: bandwidth / size for row in rows})
    assert len(rows) == 2 * len(CALLERS)


def _tell(report: list[str], title: str, rows: Sequence[text_engines.Row], most: Mapping[str, float]) -> None:
    """Add a table; `most`: steps a second that the memory allows, by subject."""
    report += [
        f"\n{title}",
        "",
        "| weights | callers | tokens a second | steps a second, of the memory's limit | first token, ms |",
        "|---|---:|---:|---:|---:|",
    ]
    for row in rows:
        share = row.tokens_a_second / row.callers / most[row.subject]
        report.append(
            f"| {row.subject} | {row.callers} | {row.tokens_a_second:,.0f} | {share:.0%} of "
            f"{most[row.subject]:,.0f} | {row.first_token_ms:,.0f} |"
        )
