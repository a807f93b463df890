"""From sounds, pitch and energy to a waveform.

A decoder makes features from them, and a generator makes a spectrum from these features and a hum at the
pitch: harmonics of it, as in "Neural source-filter waveform models" (Wang et al., 2019). The published
network adds noise to the hum. Here, as in its ONNX export, there is none: the same phrase gives the same
samples.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from tts_app.engines.kokoro.network.layers import (
    Convolution,
    Extent,
    SnakeBlock,
    StyleBlock,
    TransposedConvolution,
    extent,
)

HARMONICS = 9
_VOICED = 10
"""Pitch in Hz above which there is a voice."""
_AMPLITUDE = 0.1
_RATE = 24_000
_DECODED = 512
"""Channels of the decoder's output."""
_INNER = 1024
_SOUNDS = 64
"""Channels of the sounds as each block of the decoder sees them again."""


class Decoder(nn.Module):
    """The vocoder."""

    def __init__(self, size: int, style: int, generator: "Generator") -> None:
        super().__init__()
        seen = _INNER + _SOUNDS + 2
        self.encode = StyleBlock(size + 2, _INNER, style)
        self.decode = nn.ModuleList(
            [
                *(StyleBlock(seen, _INNER, style) for _ in range(3)),
                StyleBlock(seen, _DECODED, style, doubles=True),
            ]
        )
        self.F0_conv = Convolution(1, 1, 3, stride=2, padding=1)
        self.N_conv = Convolution(1, 1, 3, stride=2, padding=1)
        self.asr_res = nn.Sequential(Convolution(size, _SOUNDS, 1))
        self.generator = generator

    def forward(
        self, sounds: Tensor, pitch: Tensor, energy: Tensor, style: Tensor, frames: Extent, halves: Extent
    ) -> Tensor:
        """Return samples of shape (batch, samples); those after the end of a phrase mean nothing."""
        pitch_in = self.F0_conv(pitch) * frames.mask
        energy_in = self.N_conv(energy) * frames.mask
        x = self.encode(torch.cat([sounds, pitch_in, energy_in], dim=1), style, frames, frames)
        again = self.asr_res(sounds) * frames.mask
        for block in self.decode:
            seen = torch.cat([x, again, pitch_in, energy_in], dim=1)
            x = block(seen, style, frames, halves if block.pool is not None else frames)
        samples: Tensor = self.generator(x, style, pitch[:, 0], halves)
        return samples


class Generator(nn.Module):
    """Makes a waveform from features and pitch, both for each half of a frame."""

    def __init__(
        self,
        style: int,
        channels: int,
        rates: list[int],
        kernels: list[int],
        block_kernels: list[int],
        block_dilations: list[list[int]],
        window: int,
        hop: int,
    ) -> None:
        super().__init__()
        self._rates, self._window, self._hop = rates, window, hop
        self._samples = math.prod(rates) * hop
        widths = [channels >> (level + 1) for level in range(len(rates))]
        self.m_source = _Source()
        self.ups = nn.ModuleList(
            TransposedConvolution(2 * width, width, kernel, stride=rate, padding=(kernel - rate) // 2)
            for width, rate, kernel in zip(widths, rates, kernels, strict=True)
        )
        self.noise_convs = nn.ModuleList(
            _source_convolution(window + 2, width, math.prod(rates[level + 1 :]))
            for level, width in enumerate(widths)
        )
        last = len(widths) - 1
        self.noise_res = nn.ModuleList(
            SnakeBlock(width, 11 if level == last else 7, [1, 3, 5], style)
            for level, width in enumerate(widths)
        )
        self.resblocks = nn.ModuleList(
            SnakeBlock(width, kernel, dilations, style)
            for width in widths
            for kernel, dilations in zip(block_kernels, block_dilations, strict=True)
        )
        self.conv_post = Convolution(widths[-1], window + 2, 7, padding=3)
        # On the CPU even where weights are made elsewhere: these are no weights.
        self.register_buffer("window", torch.hann_window(window, device="cpu"), persistent=False)
        self.register_buffer("synthesis", _inverse_fourier(window).float(), persistent=False)

    def forward(self, x: Tensor, style: Tensor, pitch: Tensor, halves: Extent) -> Tensor:
        """Return samples of shape (batch, samples)."""
        lengths = halves.lengths[:, 0, 0].long()
        hum = self.m_source(pitch, halves.mask[:, 0], self._samples)
        spectrum = self._spectrum(hum, lengths * self._samples)
        per_half = 1
        for level, up in enumerate(self.ups):
            per_half *= self._rates[level]
            # The last level has one more, as a transform has of a signal that is extended at both ends.
            more = int(level == len(self.ups) - 1)
            inside = extent(lengths * per_half + more, x.shape[-1] * self._rates[level] + more, x.dtype)
            source = self.noise_res[level](self.noise_convs[level](spectrum) * inside.mask, style, inside)
            x = up(functional.leaky_relu(x, 0.1))
            if more:
                x = functional.pad(x, (1, 0), mode="reflect")
            x = x * inside.mask + source
            x = self._mixed(x, level, style, inside)
        return self._waveform(self.conv_post(functional.leaky_relu(x, 0.01)).to(x.dtype), inside)

    def _mixed(self, x: Tensor, level: int, style: Tensor, inside: Extent) -> Tensor:
        """Return the mean of a level's blocks."""
        count = len(self.resblocks) // len(self.ups)
        blocks = self.resblocks[level * count : (level + 1) * count]
        total = blocks[0](x, style, inside)
        for block in blocks[1:]:
            total = total + block(x, style, inside)
        return total / count

    def _spectrum(self, hum: Tensor, lengths: Tensor) -> Tensor:
        """Return magnitudes and phases, (batch, window + 2, length), of a signal mirrored at its ends."""
        edge = self._window // 2
        places = torch.arange(edge, device=hum.device)[None]
        end = lengths[:, None]
        hum = functional.pad(hum, (0, edge))
        hum = hum.scatter(1, end + places, hum.gather(1, end - 2 - places))
        mirrored = torch.cat([hum[:, 1 : edge + 1].flip(1), hum], dim=1)
        frames = mirrored.unfold(-1, self._window, self._hop) * self.window
        # Each frame by itself: a convolution rounds by where a frame is in its batch, and the phase of a
        # silent frame, whose spectrum is rounding alone, would depend on that.
        spectrum = torch.fft.rfft(frames).transpose(1, 2)
        inside = extent(lengths // self._hop + 1, spectrum.shape[-1], hum.dtype)
        # An imaginary part of -0 would turn a negative real part half a turn the other way.
        phases = torch.atan2(spectrum.imag + 0.0, spectrum.real)
        return torch.cat([spectrum.abs(), phases], dim=1) * inside.mask

    def _waveform(self, x: Tensor, inside: Extent) -> Tensor:
        """Return the signal whose logarithms of magnitudes, and sines of phases, are `x`.

        Squared windows at these hops sum to 1.5, which is not divided by: the ONNX export does not, and the
        levels of the two runtimes are equal.
        """
        logarithms, sines = x.tensor_split([self._window // 2 + 1], dim=1)
        magnitudes, phases = torch.exp(logarithms) * inside.mask, torch.sin(sines)
        parts = torch.cat([magnitudes * torch.cos(phases), magnitudes * torch.sin(phases)], dim=1)
        edge = self._window // 2
        return functional.conv_transpose1d(parts, self.synthesis, stride=self._hop)[:, 0, edge:-edge]


class _Source(nn.Module):
    """A hum: the pitch and its overtones where there is a voice, silence elsewhere."""

    def __init__(self) -> None:
        super().__init__()
        self.l_linear = nn.Linear(HARMONICS, 1)

    def forward(self, pitch: Tensor, mask: Tensor, samples: int) -> Tensor:
        """Return a signal of shape (batch, length * samples) for pitches in Hz of shape (batch, length)."""
        waves = torch.sin(2 * torch.pi * _turns(pitch, mask, samples))
        voiced = (pitch > _VOICED).to(pitch.dtype)[:, None].repeat_interleave(samples, dim=-1)
        hum = torch.tanh(self.l_linear((waves * voiced * _AMPLITUDE).transpose(1, 2)))[..., 0]
        return hum * mask.repeat_interleave(samples, dim=-1)


def _turns(pitch: Tensor, mask: Tensor, samples: int) -> Tensor:
    """Return how often each harmonic has turned, but for whole turns: (batch, HARMONICS, length * samples).

    A pitch holds for `samples` samples, and the turns run straight from the middle of one to the middle of
    the next. They are summed in float64, in which a long phrase loses nothing.
    """
    harmonics = torch.arange(1, HARMONICS + 1, device=pitch.device, dtype=torch.float64)
    a_sample = (pitch.double()[:, None] * harmonics[:, None] / _RATE) % 1 * mask.double()[:, None]
    steps = a_sample * samples
    at_middle = (steps.cumsum(-1) % 1).to(pitch.dtype)[..., None]
    after = functional.pad(steps[..., 1:], (0, 1)).to(pitch.dtype)[..., None]
    before = functional.pad(steps[..., 1:], (1, 0)).to(pitch.dtype)[..., None]
    place = (torch.arange(samples, device=pitch.device, dtype=pitch.dtype) + 0.5) / samples - 0.5
    return (at_middle + place * torch.where(place < 0, before, after)).flatten(2)


def _source_convolution(inputs: int, outputs: int, stride: int) -> Convolution:
    if stride == 1:
        return Convolution(inputs, outputs, 1)
    return Convolution(inputs, outputs, 2 * stride, stride=stride, padding=(stride + 1) // 2)


def _inverse_fourier(window: int) -> Tensor:
    """Return the kernels of a windowed inverse Fourier transform: shape (window + 2, 1, window).

    The first half of them is of real parts, the second of imaginary ones.
    """
    frequencies = torch.arange(window // 2 + 1, dtype=torch.float64, device="cpu")[:, None]
    angles = 2 * torch.pi / window * frequencies * torch.arange(window, dtype=torch.float64, device="cpu")
    # All frequencies but the first and the last stand for their mirror images too.
    twice = torch.where((frequencies == 0) | (frequencies == window // 2), 1.0, 2.0) / window
    hann = torch.hann_window(window, dtype=torch.float64, device="cpu")
    return (torch.cat([torch.cos(angles) * twice, -torch.sin(angles) * twice]) * hann)[:, None]
