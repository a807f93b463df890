"""The engines' own `parameters` of a resource, checked where an engine is loaded."""

from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from tts_app.engines.base import EngineError
from tts_app.resources.faults import faults

MAX_BATCH_ON_CPU = 1
"""Default of `max_batch` on a CPU. There a batch takes about as long as its segments one by one, a large one
longer (docs/benchmarks-batching.md), and each of its callers waits for all of it."""

_Parameters = TypeVar("_Parameters", bound=BaseModel)


def checked_parameters(
    engine: str, settings: type[_Parameters], parameters: Mapping[str, Any]
) -> _Parameters:
    """Return `parameters` as an instance of `settings`.

    Raises:
        EngineError: one is unknown or out of range; the message names each.
    """
    try:
        return settings.model_validate(dict(parameters))
    except ValidationError as error:
        known = ", ".join(settings.model_fields)
        wrong = "; ".join(faults(error))
        raise EngineError(f"Wrong parameters of {engine}: {wrong}. It has: {known}.") from error


def max_batch_on(device: str, asked: int | None, on_gpu: int) -> int:
    """Return the most segments of one call.

    Args:
        device: type of the device that the model was loaded on, as torch names it: `cpu`, `cuda`.
        asked: the model's parameter `max_batch`, if it is set.
        on_gpu: the engine's default on a GPU.
    """
    if asked is not None:
        return asked
    return MAX_BATCH_ON_CPU if device == "cpu" else on_gpu
