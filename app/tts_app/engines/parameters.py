"""The engines' own `parameters` of a resource, checked where an engine is loaded."""

from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from tts_app.engines.base import EngineError
from tts_app.resources.faults import faults

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
