"""What requests are made of: ours, which are strict, and those of OpenAI's API, which forgive."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Self
from urllib.parse import quote

from pydantic import (
    BaseModel,
    ConfigDict,
    ModelWrapValidatorHandler,
    PrivateAttr,
    ValidationError,
    model_validator,
)
from starlette.responses import Response

HEADER = "x-ignored-parameters"
_LONGEST = 64
"""Most characters of a name."""
_MOST = 1024
"""Most bytes of the header: proxies refuse long ones."""

Place = tuple[int | str, ...]
"""Where something is in a body: names of fields and numbers of elements."""


class Strict(BaseModel):
    """Base of requests: no field that we don't know, no value turned into another type."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


def without_nulls(fields: Any) -> Any:
    """Return a request's `fields` without those that are null: as OpenAI has it, these are left out."""
    if isinstance(fields, dict):
        return {name: value for name, value in fields.items() if value is not None}
    return fields


class Forgiving(Strict):
    """Base of the requests of OpenAI's API: a field that we do not know, at any depth, is left out.

    Clients of other servers send fields of these, and newer ones those of OpenAI that came since. A field
    that we know and that has a wrong value is an error all the same.
    """

    model_config = ConfigDict(json_schema_extra={"additionalProperties": True})

    _ignored: tuple[str, ...] = PrivateAttr(())

    @model_validator(mode="wrap")
    @classmethod
    def _leave_unknown_out(cls, given: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        unknown: list[Place] = []
        if isinstance(given, dict):  # most are here, and an error for each would take long
            known = {name: value for name, value in given.items() if name in cls.model_fields}
            unknown = [(name,) for name, value in given.items() if name not in known and value is not None]
            given = known
        try:
            request = handler(given)
        except ValidationError as error:
            faults = error.errors(include_url=False, include_context=False, include_input=False)
            deeper = [fault["loc"] for fault in faults if fault["type"] == "extra_forbidden"]
            if not deeper:
                raise
            request = handler(_without(given, deeper))
            unknown += deeper
        request._ignored = tuple(".".join(map(str, place)) for place in unknown)
        return request

    @property
    def ignored(self) -> tuple[str, ...]:
        """The fields that were left out, as `user` or `messages.0.cache_control`."""
        return self._ignored


def tell_ignored(answer: Response, names: Iterable[str]) -> None:
    """Name what was ignored of a request in a header of its answer: in ASCII, and at most 1 KiB of it."""
    told = ""
    for name in names:
        # A caller wrote the name: it must not end the header, nor look like two names.
        safe = quote(name[:_LONGEST], safe="[]$@", errors="replace")
        longer = f"{told}, {safe}" if told else safe
        if len(longer) > _MOST:
            break
        told = longer
    if told:
        answer.headers[HEADER] = told


def _without(given: Any, places: Sequence[Place]) -> Any:
    """Return a copy of `given` without what is at `places`. Linear in their number, not in `given`'s size."""
    if not places:
        return given
    here = {place[0] for place in places if len(place) == 1}
    deeper: dict[int | str, list[Place]] = {}
    for place in places:
        if len(place) > 1:
            deeper.setdefault(place[0], []).append(place[1:])
    if isinstance(given, Mapping):
        left = {name: value for name, value in given.items() if name not in here}
        return left | {name: _without(left[name], found) for name, found in deeper.items() if name in left}
    if isinstance(given, list):
        copy = list(given)
        for number, found in deeper.items():
            if isinstance(number, int) and number < len(copy):
                copy[number] = _without(copy[number], found)
        return copy
    return given
