"""Rules over several fields, said once for Python and for the API server, so that the two never drift."""

import re
from collections.abc import Callable, Iterable, Sequence, Set
from dataclasses import dataclass
from typing import Any

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema

from tts_app.resources.engines.spec import EngineSpec


@dataclass(frozen=True, slots=True)
class Rule:
    """What must hold between the fields of a part of a resource."""

    message: str
    """What would be right."""
    cel: str
    """The rule as the API server checks it."""
    holds: Callable[[Any], bool] | None = None
    """The same in Python; None where only the API server can tell, for it knows the resource as it was."""
    found: Callable[[Any], str] | None = None
    """What is there instead; follows the message."""

    def fault(self, part: Any) -> str:
        """Return what is wrong with `part`, or an empty string."""
        if self.holds is None or self.holds(part):
            return ""
        return f"{self.message}; {self.found(part)}" if self.found else self.message


def exactly_one(what: str, **fields: str) -> Rule:
    """Return the rule that exactly one of `fields` (name in Python: name in YAML) is given."""
    names = ", ".join(fields.values())
    has = ", ".join(f"has(self.{name})" for name in fields.values())

    def given(part: Any) -> list[str]:
        return [yaml for python, yaml in fields.items() if getattr(part, python) is not None]

    return Rule(
        f"{what} needs exactly one of {names}",
        cel=f"[{has}].filter(given, given).size() == 1",
        holds=lambda part: len(given(part)) == 1,
        found=lambda part: f"it has {' and '.join(given(part)) or 'none'}",
    )


_CLAIM = "pvc://[a-z0-9]([-.a-z0-9]*[a-z0-9])?(/.*)?"
_LEADS_OUT = "pvc://(.*/)?[.][.](/.*)?"


def inside_claim(optional: bool = False) -> Rule:
    """Return the rule that a `uri` of a volume claim, where it is one, stays in the claim.

    `optional`: whether the part may lack the `uri`.
    """
    unless = "!has(self.uri) || " if optional else ""

    def holds(part: Any) -> bool:
        uri = part.uri or ""
        if not uri.startswith("pvc://"):
            return True
        return re.fullmatch(_CLAIM, uri) is not None and re.fullmatch(_LEADS_OUT, uri) is None

    return Rule(
        "a pvc:// address is pvc://claim/path: the claim's name, and a path in it without '..'",
        cel=f"{unless}!self.uri.startsWith('pvc://') || "
        f"(self.uri.matches('^{_CLAIM}$') && !self.uri.matches('^{_LEADS_OUT}$'))",
        holds=holds,
        found=lambda part: f"it is {part.uri[:100]!r}",
    )


def known_quantization(engines: Iterable[EngineSpec]) -> tuple[Rule, ...]:
    """Return a rule for each engine: which quantizations it has."""
    return tuple(_known_quantization(engine.name, engine.quantizations) for engine in engines)


def _known_quantization(engine: str, allowed: Set[str]) -> Rule:
    return Rule(
        f"engine {engine} has no such quantization; allowed: {', '.join(sorted(allowed))}",
        cel=f"self.engine != '{engine}' || self.quantization in {cel_list(allowed)}",
        holds=lambda spec: spec.engine != engine or spec.quantization in allowed,
        found=lambda spec: f"it is {spec.quantization}",
    )


def known_voice_kinds(engines: Iterable[EngineSpec]) -> tuple[Rule, ...]:
    """Return a rule for each engine: how its voices are given."""
    return tuple(_known_voice_kinds(engine.name, engine.voice_kinds) for engine in engines)


def _known_voice_kinds(engine: str, kinds: Sequence[str]) -> Rule:
    def is_known(voice: Any) -> bool:
        return any(getattr(voice, kind) is not None for kind in kinds)

    has = " || ".join(f"has(voice.{kind})" for kind in kinds)
    return Rule(
        f"a voice of engine {engine} is given by {' or '.join(kinds)}",
        cel=f"self.engine != '{engine}' || self.voices.all(voice, {has})",
        holds=lambda spec: spec.engine != engine or all(map(is_known, spec.voices)),
        found=lambda spec: (
            f"it is not so for {', '.join(voice.avatar for voice in spec.voices if not is_known(voice))}"
        ),
    )


def on_gpus(engines: Iterable[EngineSpec]) -> tuple[Rule, ...]:
    """Return a rule for each engine that runs on GPUs alone: that it asks for some."""
    return tuple(_on_gpus(engine.name) for engine in engines if engine.gpu_only)


def _on_gpus(engine: str) -> Rule:
    return Rule(
        f"engine {engine} runs on GPUs alone: say in resources.gpu how many",
        cel=f"self.engine != '{engine}' || (has(self.resources.gpu) && double(self.resources.gpu) > 0.0)",
        holds=lambda spec: spec.engine != engine or spec.resources.gpus > 0,
    )


def immutable(field: str, why: str, unless: str = "") -> Rule:
    """Return the rule that `field` never changes, be it there or not, unless `unless` (in CEL) holds."""
    same = (
        f"has(self.{field}) == has(oldSelf.{field}) && "
        f"(!has(self.{field}) || self.{field} == oldSelf.{field})"
    )
    return Rule(f"{field} cannot be changed: {why}", cel=f"{unless} || {same}" if unless else same)


def cel_list(values: Iterable[str]) -> str:
    """Return the words as a list in CEL, sorted."""
    return f"[{', '.join(repr(value) for value in sorted(values))}]"


@dataclass(frozen=True, slots=True)
class OneOf:
    """Annotates a text that is one of some names; `what` says what they name."""

    what: str
    names: tuple[str, ...]

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_after_validator_function(self._check, handler(source))

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        return {**handler(schema), "enum": list(self.names)}

    def _check(self, name: str) -> str:
        if name not in self.names:
            raise ValueError(f"there is no {self.what} {name!r}; there are: {', '.join(self.names)}")
        return name


@dataclass(frozen=True, slots=True)
class Unique:
    """Annotates a list whose items differ: in the fields `keys`, or as wholes where there are none.

    The API server then merges the lists of two appliers item by item; it would else replace one by the other.
    """

    keys: tuple[str, ...] = ()

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_after_validator_function(self._refuse_twins, handler(source))

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        kind = {"x-kubernetes-list-type": "map" if self.keys else "set"}
        keys = {"x-kubernetes-list-map-keys": list(self.keys)} if self.keys else {}
        return {**handler(schema), **kind, **keys}

    def _refuse_twins(self, items: list[Any]) -> list[Any]:
        names = ["_".join(str(getattr(item, key)) for key in self.keys) or str(item) for item in items]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            by = f" by {' and '.join(self.keys)}" if self.keys else ""
            raise ValueError(f"items must be unique{by}; given twice: {', '.join(twice)}")
        return items
