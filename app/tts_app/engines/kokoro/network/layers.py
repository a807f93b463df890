"""Layers that leave alone what lies after the end of each sequence of a batch.

Sequences have shape (batch, channels, length) and are zero after their ends, before and after each layer.
Convolutions compute in the type of their weights, which may be float16. All else stays as the input is.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

SLOPE = 0.2
"""Of the leaky rectifiers outside the vocoder."""
_EPSILON = 1e-5
_HALF_POWER = 0.5**0.5


class Extent(NamedTuple):
    """How long the sequences of a batch are."""

    mask: Tensor
    """Shape (batch, 1, length): 1 inside a sequence, 0 after its end."""
    lengths: Tensor
    """Shape (batch, 1, 1)."""


def extent(lengths: Tensor, size: int, dtype: torch.dtype) -> Extent:
    """Return the extent of sequences of these lengths, shape (batch,), padded to `size`."""
    inside = torch.arange(size, device=lengths.device) < lengths[:, None]
    return Extent(inside[:, None].to(dtype), lengths[:, None, None].to(dtype))


class Convolution(nn.Conv1d):
    """A convolution in the type of its weights."""

    def forward(self, x: Tensor) -> Tensor:
        """Return the convolution of `x`, in the weights' type."""
        return super().forward(x.to(self.weight.dtype))


class TransposedConvolution(nn.ConvTranspose1d):
    """A transposed convolution in the type of its weights."""

    def forward(self, x: Tensor) -> Tensor:
        """Return the transposed convolution of `x`, in the weights' type."""
        return super().forward(x.to(self.weight.dtype))


class BidirectionalLstm(nn.LSTM):
    """One layer that reads each sequence forwards and backwards from its own end."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__(inputs, outputs // 2, batch_first=True, bidirectional=True)

    def forward(self, x: Tensor, lengths: Tensor) -> Tensor:
        """Return the outputs of `x`, shape (batch, length, inputs). `lengths` are on the CPU."""
        packed = pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
        outputs, _ = super().forward(packed)
        padded, _ = pad_packed_sequence(outputs, batch_first=True, total_length=x.shape[1])
        return padded


class ChannelNorm(nn.Module):
    """Normalises the channels at each position."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.ones(channels))
        self.beta = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        """Return `x`, shape (batch, channels, length), normalised."""
        channels = x.transpose(1, 2)
        return functional.layer_norm(channels, self.gamma.shape, self.gamma, self.beta).transpose(1, 2)


class AdaptiveLayerNorm(nn.Module):
    """Normalises the channels at each position, with a scale and a shift that the style gives."""

    def __init__(self, style: int, channels: int) -> None:
        super().__init__()
        self.fc = nn.Linear(style, 2 * channels)

    def forward(self, x: Tensor, style: Tensor) -> Tensor:
        """Return `x`, shape (batch, length, channels), normalised."""
        scale, shift = self.fc(style)[:, None].chunk(2, dim=-1)
        return (1 + scale) * functional.layer_norm(x, x.shape[-1:]) + shift


class AdaptiveInstanceNorm(nn.Module):
    """Normalises each channel over the sequence, with a scale and a shift that the style gives.

    From "Arbitrary Style Transfer in Real-time with Adaptive Instance Normalization" (Huang and Belongie,
    2017).
    """

    def __init__(self, style: int, channels: int) -> None:
        super().__init__()
        self.fc = nn.Linear(style, 2 * channels)

    def forward(self, x: Tensor, style: Tensor, extent: Extent) -> Tensor:
        """Return `x` normalised; after the ends of sequences it is the shift, not zero."""
        scale, shift = self.fc(style)[:, :, None].chunk(2, dim=1)
        mean = x.sum(-1, keepdim=True) / extent.lengths
        centred = (x - mean) * extent.mask
        variance = centred.square().sum(-1, keepdim=True) / extent.lengths
        return torch.addcmul(shift, centred, (1 + scale) * torch.rsqrt(variance + _EPSILON))


class StyleBlock(nn.Module):
    """A residual block of two convolutions under adaptive norms; it may double the length."""

    def __init__(self, inputs: int, outputs: int, style: int, doubles: bool = False) -> None:
        super().__init__()
        self.norm1 = AdaptiveInstanceNorm(style, inputs)
        self.norm2 = AdaptiveInstanceNorm(style, outputs)
        self.conv1 = Convolution(inputs, outputs, 3, padding=1)
        self.conv2 = Convolution(outputs, outputs, 3, padding=1)
        self.conv1x1 = Convolution(inputs, outputs, 1, bias=False) if inputs != outputs else None
        self.pool = (
            TransposedConvolution(inputs, inputs, 3, stride=2, padding=1, output_padding=1, groups=inputs)
            if doubles
            else None
        )

    def forward(self, x: Tensor, style: Tensor, before: Extent, after: Extent) -> Tensor:
        """Return the block's output, whose extent is `after`: that of `x`, or twice as long."""
        y = functional.leaky_relu(self.norm1(x, style, before), SLOPE) * before.mask
        if self.pool is not None:
            y = self.pool(y) * after.mask
        y = self.conv1(y) * after.mask
        y = functional.leaky_relu(self.norm2(y, style, after), SLOPE) * after.mask
        return (self.conv2(y) + self._shortcut(x)) * _HALF_POWER * after.mask

    def _shortcut(self, x: Tensor) -> Tensor:
        if self.pool is not None:
            x = x.repeat_interleave(2, dim=-1)
        return x if self.conv1x1 is None else self.conv1x1(x)


class SnakeBlock(nn.Module):
    """Three residual pairs of dilated convolutions, under adaptive norms and snake activations.

    The activation is that of "Neural Networks Fail to Learn Periodic Functions and How to Fix It" (Ziyin et
    al., 2020).
    """

    def __init__(self, channels: int, kernel: int, dilations: list[int], style: int) -> None:
        super().__init__()
        ones = [1] * len(dilations)
        self.convs1 = nn.ModuleList(_dilated(channels, kernel, dilation) for dilation in dilations)
        self.convs2 = nn.ModuleList(_dilated(channels, kernel, one) for one in ones)
        self.adain1 = nn.ModuleList(AdaptiveInstanceNorm(style, channels) for _ in dilations)
        self.adain2 = nn.ModuleList(AdaptiveInstanceNorm(style, channels) for _ in dilations)
        self.alpha1 = nn.ParameterList(torch.ones(1, channels, 1) for _ in dilations)
        self.alpha2 = nn.ParameterList(torch.ones(1, channels, 1) for _ in dilations)

    def forward(self, x: Tensor, style: Tensor, extent: Extent) -> Tensor:
        """Return the block's output, as long as `x`."""
        for index, (first, second) in enumerate(zip(self.convs1, self.convs2, strict=True)):
            y = snake(self.adain1[index](x, style, extent), self.alpha1[index])
            y = first(y * extent.mask) * extent.mask
            y = snake(self.adain2[index](y, style, extent), self.alpha2[index])
            x = (second(y * extent.mask) + x) * extent.mask
        return x


def snake(x: Tensor, alpha: Tensor) -> Tensor:
    """Return x + sin(alpha x)^2 / alpha."""
    return torch.addcdiv(x, torch.sin(alpha * x).square(), alpha)


def _dilated(channels: int, kernel: int, dilation: int) -> Convolution:
    return Convolution(channels, channels, kernel, dilation=dilation, padding=dilation * (kernel - 1) // 2)
