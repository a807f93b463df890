"""Kubernetes quantities, and what a replica or a process asks of its node in them."""

from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema

from tts_app.resources.base import Resource


@dataclass(frozen=True, slots=True)
class Quantity:
    """Annotates a string that is a quantity; whole numbers are taken too, as Kubernetes does (`cpu: 4`)."""

    pattern: str

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        text = core_schema.str_schema(pattern=self.pattern, max_length=32)
        return core_schema.no_info_before_validator_function(_from_whole_number, text)

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        return {"x-kubernetes-int-or-string": True, "pattern": self.pattern, "maxLength": 32, "minimum": 0}


def _from_whole_number(value: Any) -> Any:
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


_BYTES = r"^[0-9]+(\.[0-9]+)?(k|[MGTPE]|[KMGTPE]i)?$"
Cores = Annotated[str, Quantity(r"^[0-9]+(\.[0-9]+)?m?$")]
Bytes = Annotated[str, Quantity(_BYTES)]
Devices = Annotated[str, Quantity(r"^[0-9]+(\.[0-9]+)?$")]

_FACTORS = {
    **{"Ki": 1 << 10, "Mi": 1 << 20, "Gi": 1 << 30, "Ti": 1 << 40, "Pi": 1 << 50, "Ei": 1 << 60},
    **{"k": 10**3, "M": 10**6, "G": 10**9, "T": 10**12, "P": 10**15, "E": 10**18},
}


class Compute(Resource):
    """What a process asks of its node, as Kubernetes quantities."""

    cpu: Cores = "1"
    """CPU cores, such as "4" or 500m."""
    memory: Bytes = "1Gi"
    """Memory, such as 16Gi."""

    @property
    def cpus(self) -> float:
        """CPU cores as a number."""
        return float(self.cpu[:-1]) / 1000 if self.cpu.endswith("m") else float(self.cpu)

    @property
    def memory_bytes(self) -> int:
        """Memory in bytes."""
        for suffix, factor in _FACTORS.items():
            if self.memory.endswith(suffix):
                return int(float(self.memory.removesuffix(suffix)) * factor)
        return int(float(self.memory))


class Resources(Compute):
    """What one replica of a model asks of its node, as Kubernetes quantities."""

    gpu: Devices = "0"
    """GPUs, such as "1". In the playground replicas share one by fractions; on a cluster they do not."""

    @property
    def gpus(self) -> float:
        """GPUs as a number."""
        return float(self.gpu)
