"""Keeps what is behind the end of a shorter item out of its sound, in the decoder of a VitsModel."""

from typing import Any

import torch


def mask_decoder(model: Any) -> None:
    """Make the decoder of `model` (a VitsModel) see zeros behind the end of each item, in every layer.

    The flow before it gets a mask and the decoder does not: its layers make something of the padding, which
    reaches back into the last frames of the item. A convolution pads with zeros itself, so with zeros behind
    the end an item sounds as it does alone. One call at a time: the mask is kept between flow and decoder.
    """
    masks = _Masks()
    model.flow.register_forward_pre_hook(masks.keep)
    for name, layer in model.decoder.named_modules():
        # `cond` reads the speaker's vector, which has no frames.
        if isinstance(layer, torch.nn.Conv1d | torch.nn.ConvTranspose1d) and name != "cond":
            layer.register_forward_pre_hook(masks.apply)


def keeps_frames_whole(config: Any) -> bool:
    """Return whether each layer of the decoder makes a whole number of samples of a frame.

    Only then can a mask of frames be stretched to the length of every layer.
    """
    return all(
        (kernel - rate) % 2 == 0
        for kernel, rate in zip(config.upsample_kernel_sizes, config.upsample_rates, strict=True)
    )


class _Masks:
    """Passes the mask of a call from the flow to the layers of the decoder."""

    def __init__(self) -> None:
        self._mask: torch.Tensor | None = None
        """Shape (items, 1, frames); None where no item is padded."""

    def keep(self, flow: Any, inputs: tuple[Any, ...]) -> None:
        mask = inputs[1]
        self._mask = None if bool(mask.all()) else mask

    def apply(self, layer: Any, inputs: tuple[Any, ...]) -> tuple[Any, ...] | None:
        if self._mask is None:
            return None
        values, *others = inputs
        stretched = self._mask.repeat_interleave(values.shape[-1] // self._mask.shape[-1], dim=-1)
        return (values * stretched, *others)
