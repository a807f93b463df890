"""From phonemes to how long each lasts, at which pitch and how loud it is, and what it sounds like."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from tts_app.engines.kokoro.network.layers import (
    SLOPE,
    AdaptiveLayerNorm,
    BidirectionalLstm,
    ChannelNorm,
    Convolution,
    Extent,
    StyleBlock,
)


class TextEncoder(nn.Module):
    """Turns phonemes into the sounds that the vocoder knows."""

    def __init__(self, tokens: int, channels: int, kernel: int, layers: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(tokens, channels)
        self.cnn = nn.ModuleList(
            nn.Sequential(Convolution(channels, channels, kernel, padding=kernel // 2), ChannelNorm(channels))
            for _ in range(layers)
        )
        self.lstm = BidirectionalLstm(channels, channels)

    def forward(self, tokens: Tensor, lengths: Tensor, extent: Extent) -> Tensor:
        """Return sounds of shape (batch, length, channels). `lengths` are on the CPU."""
        x = self.embedding(tokens).transpose(1, 2) * extent.mask
        for block in self.cnn:
            x = functional.leaky_relu(block(x), SLOPE) * extent.mask
        sounds: Tensor = self.lstm(x.transpose(1, 2), lengths)
        return sounds


class DurationEncoder(nn.Module):
    """Reads features of phonemes in a style."""

    def __init__(self, size: int, style: int, layers: int) -> None:
        super().__init__()
        # Each LSTM is followed by a norm: the checkpoints number them in one list.
        self.lstms = nn.ModuleList()
        for _ in range(layers):
            self.lstms += [BidirectionalLstm(size + style, size), AdaptiveLayerNorm(style, size)]

    def forward(self, features: Tensor, style: Tensor, lengths: Tensor, mask: Tensor) -> Tensor:
        """Return features of shape (batch, length, size + style); `mask` has shape (batch, length, 1)."""
        styles = style[:, None].expand(-1, features.shape[1], -1)
        x = torch.cat([features, styles], dim=-1) * mask
        for lstm, norm in zip(self.lstms[::2], self.lstms[1::2], strict=True):
            x = torch.cat([norm(lstm(x, lengths), style), styles], dim=-1) * mask
        return x


class _Projection(nn.Module):
    """A linear layer by the name that the checkpoints have for it."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.linear_layer = nn.Linear(inputs, outputs)

    def forward(self, x: Tensor) -> Tensor:
        return self.linear_layer(x)


class ProsodyPredictor(nn.Module):
    """Predicts durations, pitch and energy."""

    def __init__(self, size: int, style: int, layers: int, most_frames: int) -> None:
        super().__init__()
        self.text_encoder = DurationEncoder(size, style, layers)
        self.lstm = BidirectionalLstm(size + style, size)
        self.duration_proj = _Projection(size, most_frames)
        self.shared = BidirectionalLstm(size + style, size)
        self.F0 = _curve_blocks(size, style)
        self.N = _curve_blocks(size, style)
        self.F0_proj = Convolution(size // 2, 1, 1)
        self.N_proj = Convolution(size // 2, 1, 1)

    def durations(self, features: Tensor, lengths: Tensor, speed: Tensor) -> Tensor:
        """Return how many frames each phoneme lasts, at least one: whole numbers, shape (batch, length)."""
        x = self.duration_proj(self.lstm(features, lengths))
        frames = torch.sigmoid(x).sum(-1) / speed[:, None]
        return torch.round(frames).clamp(min=1).long()

    def curves(self, x: Tensor, style: Tensor, frames: Extent, halves: Extent) -> tuple[Tensor, Tensor]:
        """Return pitch in Hz and energy, each of shape (batch, 1, length), for each half of a frame."""
        curves = []
        for blocks, project in ((self.F0, self.F0_proj), (self.N, self.N_proj)):
            y = blocks[0](x, style, frames, frames)
            y = blocks[1](y, style, frames, halves)
            y = blocks[2](y, style, halves, halves)
            curves.append(project(y) * halves.mask)
        return curves[0], curves[1]


def _curve_blocks(size: int, style: int) -> nn.ModuleList:
    half = size // 2
    return nn.ModuleList(
        [
            StyleBlock(size, size, style),
            StyleBlock(size, half, style, doubles=True),
            StyleBlock(half, half, style),
        ]
    )
