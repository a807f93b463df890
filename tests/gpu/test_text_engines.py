"""Tokens a second of the text engines at 1 to 64 callers, beside what the memory of the card allows.

Each step of decoding reads all weights once, for however many answers: bandwidth / bytes of the weights is
the most steps a second, and so the most tokens a second of one caller. Bandwidth is measured, by reading.
"""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import text_engines
from report import Report

if TYPE_CHECKING:
    from random_model import Shape

    Model = tuple[Shape, Path, Path]
    """A shape, a model of it, and where one of 4 bits may be written."""

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
def model(request: pytest.FixtureRequest, gpu: str, tmp_path_factory: pytest.TempPathFactory) -> "Model":
    import random_model

    shape = random_model.LLAMA_8B if request.param == "8b" else random_model.LLAMA_1B
    folder = tmp_path_factory.mktemp(request.param)
    return shape, random_model.make(folder / "plain", shape, "cuda"), folder / "gptq"


@pytest.mark.parametrize(
    ("bits", "quantization", "parameters"),
    [
        pytest.param(16, "none", {}, id="bfloat16"),
        pytest.param(16, "none", {"cuda_graphs": False}, id="bfloat16, no graphs"),
        pytest.param(8, "int8", {}, id="int8"),
        pytest.param(4, "int4", {}, id="int4"),
        pytest.param(4, "gptq-int4", TRITON, id="GPTQ 4-bit"),
    ],
)
def test_transformers_tokens_per_second(
    gpu: str,
    bandwidth: float,
    model: "Model",
    report: Report,
    request: pytest.FixtureRequest,
    bits: int,
    quantization: str,
    parameters: dict[str, Any],
) -> None:
    import random_model

    shape, files, packed = model
    if quantization == "gptq-int4":
        files = random_model.quantised(files, packed, shape)
    name = f"{shape.name}, {request.node.callspec.id.split('-', 1)[-1]}"
    rows = text_engines.transformers_rows({name: (files, quantization, parameters)}, CALLERS, TOKENS)
    _tell(report, f"transformers, random weights; {gpu}", rows, bandwidth / shape.bytes_a_step(bits))
    assert [row.callers for row in rows] == list(CALLERS)
    assert all(row.tokens_a_second > 0 for row in rows)


def test_llamacpp_tokens_per_second(gpu: str, bandwidth: float, smollm: Path, report: Report) -> None:
    xllamacpp = pytest.importorskip("xllamacpp")
    if not any("CUDA" in str(device) for device in xllamacpp.get_device_info()):
        pytest.skip("this build of xllamacpp has no CUDA: the registry's wheel is for CPUs")
    rows = text_engines.llamacpp_rows(smollm, CALLERS, TOKENS)
    size = sum(path.stat().st_size for path in smollm.glob("*.gguf"))
    _tell(report, f"llamacpp, SmolLM2 135M; {gpu}", rows, bandwidth / size)
    assert len(rows) == 2 * len(CALLERS)


def _tell(report: Report, title: str, rows: Sequence[text_engines.Row], most: float) -> None:
    """Add a table; `most`: steps a second that the memory allows."""
    report.add(
        f"\n{title}",
        "",
        "| weights | callers | tokens a second | steps a second, of the memory's limit | first token, ms |",
        "|---|---:|---:|---:|---:|",
        *(
            f"| {row.subject} | {row.callers} | {row.tokens_a_second:,.0f} "
            f"| {row.tokens_a_second / row.callers / most:.0%} of {most:,.0f} | {row.first_token_ms:,.0f} |"
            for row in rows
        ),
    )
