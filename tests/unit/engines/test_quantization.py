"""What `auto` chooses."""

import pytest

from tts_app.engines.base import EngineError
from tts_app.engines.quantization import choose_quantization, chosen_quantization
from tts_app.resources.engines import ENGINES

NEEDS = {"none": 8.0, "int8": 6.5, "int4": 5.0}


@pytest.mark.parametrize(
    ("free", "chosen"), [(80.0, "none"), (8.0, "none"), (7.9, "int8"), (6.5, "int8"), (5.0, "int4")]
)
def test_choose_quantization_takes_the_first_that_fits(free: float, chosen: str) -> None:
    assert choose_quantization(NEEDS, free) == chosen


def test_choose_quantization_says_what_the_smallest_needs() -> None:
    says = r"needs 5 GiB of GPU memory with quantization int4, and 3\.2 GiB are free"
    with pytest.raises(EngineError, match=says):
        choose_quantization(NEEDS, 3.2)


def test_chosen_quantization_is_that_of_the_resource_unless_it_is_auto(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert chosen_quantization("int8", NEEDS) == "int8"
    import torch

    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert chosen_quantization("auto", NEEDS) == "none"
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda: (7 * 2**30, 24 * 2**30))
    assert chosen_quantization("auto", NEEDS) == "int8"


@pytest.mark.parametrize("engine", ENGINES.values(), ids=ENGINES)
def test_engine_has_auto_if_it_knows_what_it_needs(engine) -> None:
    assert bool(engine.gpu_memory) == ("auto" in engine.quantizations)
    assert set(engine.gpu_memory) <= engine.quantizations - {"auto"}
