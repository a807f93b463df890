"""What pydantic found wrong, in words that repeat none of the text that was given."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pydantic import ValidationError, ValidationInfo
from pydantic_core import PydanticCustomError

AS_SERVED: Mapping[str, Any] = {"as_served": True}
"""Context for a resource that is served already: a version with narrower `parameters` lets it go on."""
_PARAMETER = "parameter_not_allowed"


def check_parameters(found: Sequence[str], info: ValidationInfo) -> None:
    """Raise the fault of a resource whose `parameters` have `found` wrong, unless it is read as served.

    Raises:
        PydanticCustomError: something was found.
    """
    if found and not (info.context and info.context.get("as_served")):
        raise PydanticCustomError(_PARAMETER, "{faults}", {"faults": "; ".join(found)})


def of_parameters(error: ValidationError) -> bool:
    """Return whether `parameters` alone are wrong."""
    return all(detail["type"] == _PARAMETER for detail in error.errors(include_input=False))


def faults(error: ValidationError) -> Iterator[str]:
    """Yield each fault as `path.to.field: what is wrong`; without a path where it is of the whole."""
    for detail in error.errors(include_url=False, include_input=False, include_context=False):
        where = ".".join(map(str, detail["loc"]))
        yield f"{where}: {detail['msg']}" if where else detail["msg"]
