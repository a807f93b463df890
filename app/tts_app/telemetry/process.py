"""What this process has of the machine."""

import sys
from typing import Any

import psutil

from tts_app.telemetry.metrics.engine import Device, Memory


def device_of_process() -> Device:
    """Return what computes in this process, once its model is loaded."""
    return Device.GPU if _cuda() is not None else Device.CPU


def memory_of_process() -> dict[Memory, int]:
    """Return the bytes that this process has resident in the machine's memory, and on GPUs if it uses any."""
    sizes = {Memory.HOST: psutil.Process().memory_info().rss}
    if (cuda := _cuda()) is not None:
        sizes[Memory.GPU] = sum(cuda.memory_reserved(number) for number in range(cuda.device_count()))
    return sizes


def _cuda() -> Any:
    """Return torch's module of CUDA, if this process uses it. It is not imported here: that takes seconds."""
    torch: Any = sys.modules.get("torch")
    return torch.cuda if torch is not None and torch.cuda.is_initialized() else None
