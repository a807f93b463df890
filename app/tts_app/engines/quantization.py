"""Which quantization `auto` is: the best one that fits into the GPU's free memory."""

from collections.abc import Mapping

from tts_app.engines.base import EngineError

_GIB = 2**30


def chosen_quantization(quantization: str, needs: Mapping[str, float]) -> str:
    """Return `quantization`, or what it is on this machine where it is `auto`; `none` on a CPU.

    Args:
        quantization: that of the resource.
        needs: GiB that each quantization needs among which `auto` chooses, the best one first.

    Raises:
        EngineError: none fits into the free memory of the GPU.
    """
    if quantization != "auto":
        return quantization
    import torch  # noqa: PLC0415 - only the engines that have it choose

    if not torch.cuda.is_available():
        return "none"
    free, _ = torch.cuda.mem_get_info()
    return choose_quantization(needs, free / _GIB)


def choose_quantization(needs: Mapping[str, float], free: float) -> str:
    """Return the first quantization that fits into `free` GiB; `needs` has the GiB of each, best first.

    Raises:
        EngineError: none does; the message says which memory the smallest one needs.
    """
    for quantization, needed in needs.items():
        if needed <= free:
            return quantization
    smallest = min(needs, key=needs.__getitem__)
    raise EngineError(
        f"The model does not fit: it needs {needs[smallest]:g} GiB of GPU memory with quantization "
        f"{smallest}, and {free:.1f} GiB are free. Give it a GPU with more memory, or free some."
    )
