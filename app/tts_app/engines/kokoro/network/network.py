"""The whole network, and its configuration."""

from collections.abc import Mapping
from typing import NamedTuple

import torch
from pydantic import BaseModel, ConfigDict
from torch import Tensor, nn

from tts_app.engines.kokoro.network.albert import Albert
from tts_app.engines.kokoro.network.layers import extent
from tts_app.engines.kokoro.network.prosody import ProsodyPredictor, TextEncoder
from tts_app.engines.kokoro.network.vocoder import Decoder, Generator

_TEXT_LAYERS = 3


class _Settings(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class AlbertSettings(_Settings):
    """Sizes of the encoder of phonemes: `plbert` in a config.json."""

    hidden_size: int = 768
    num_attention_heads: int = 12
    intermediate_size: int = 2048
    max_position_embeddings: int = 512
    num_hidden_layers: int = 12


class GeneratorSettings(_Settings):
    """Sizes of the generator: `istftnet` in a config.json."""

    upsample_kernel_sizes: list[int] = [20, 12]
    upsample_rates: list[int] = [10, 6]
    gen_istft_hop_size: int = 5
    gen_istft_n_fft: int = 20
    resblock_dilation_sizes: list[list[int]] = [[1, 3, 5], [1, 3, 5], [1, 3, 5]]
    resblock_kernel_sizes: list[int] = [3, 7, 11]
    upsample_initial_channel: int = 512


class NetworkSettings(_Settings):
    """Sizes of the network, as the config.json of a checkpoint has them. The defaults are Kokoro-82M's."""

    hidden_dim: int = 512
    style_dim: int = 128
    n_token: int = 178
    n_layer: int = 3
    max_dur: int = 50
    text_encoder_kernel_size: int = 5
    plbert: AlbertSettings = AlbertSettings()
    istftnet: GeneratorSettings = GeneratorSettings()


class Reading(NamedTuple):
    """How phonemes are spoken, phoneme by phoneme."""

    sounds: Tensor
    """Shape (batch, length, hidden_dim)."""
    prosody: Tensor
    """Shape (batch, length, hidden_dim + style_dim)."""
    durations: Tensor
    """Frames of each phoneme; none after the end of a phrase. Shape (batch, length)."""


class Network(nn.Module):
    """Kokoro: phonemes and a voice in, samples out.

    A caller goes through `features`, `read`, `lay_out` and `sound`. The first and the last have nearly all of
    the work and depend on no number that the CPU must know: they can be recorded as CUDA graphs.
    """

    def __init__(self, settings: NetworkSettings) -> None:
        super().__init__()
        size, style, albert = settings.hidden_dim, settings.style_dim, settings.plbert
        self._style = style
        self.bert = Albert(
            settings.n_token,
            albert.hidden_size,
            albert.intermediate_size,
            albert.num_attention_heads,
            albert.num_hidden_layers,
            albert.max_position_embeddings,
        )
        self.bert_encoder = nn.Linear(albert.hidden_size, size)
        self.predictor = ProsodyPredictor(size, style, settings.n_layer, settings.max_dur)
        self.text_encoder = TextEncoder(
            settings.n_token, size, settings.text_encoder_kernel_size, _TEXT_LAYERS
        )
        self.decoder = Decoder(size, style, _generator(settings.istftnet, style))

    def features(self, tokens: Tensor, lengths: Tensor) -> Tensor:
        """Return features of phonemes, shape (batch, length, hidden_dim).

        `tokens` has shape (batch, length), `lengths` shape (batch,); both are on the network's device.
        """
        inside = torch.arange(tokens.shape[1], device=tokens.device) < lengths[:, None]
        features: Tensor = self.bert_encoder(self.bert(tokens, inside))
        return features

    def read(
        self, features: Tensor, tokens: Tensor, lengths: Tensor, style: Tensor, speed: Tensor
    ) -> Reading:
        """Return how phonemes are spoken. `lengths`, shape (batch,), are on the CPU.

        `style` has shape (batch, 2 * style_dim), `speed` shape (batch,).
        """
        inside = extent(lengths.to(tokens.device), tokens.shape[1], features.dtype)
        prosody = self.predictor.text_encoder(
            features, style[:, self._style :], lengths, inside.mask.transpose(1, 2)
        )
        durations = self.predictor.durations(prosody, lengths, speed) * inside.mask[:, 0].long()
        return Reading(self.text_encoder(tokens, lengths, inside), prosody, durations)

    def lay_out(self, reading: Reading, frames: Tensor, size: int) -> tuple[Tensor, Tensor]:
        """Return sounds and prosody frame by frame, each of shape (batch, hidden_dim, size).

        `frames`, on the CPU, are the phrases' lengths: the sums of their durations. `size` is at least the
        longest.
        """
        ends = reading.durations.cumsum(1)
        places = torch.arange(size, device=ends.device).expand(len(ends), size).contiguous()
        which = torch.searchsorted(ends, places, right=True).clamp(max=ends.shape[1] - 1)[..., None]
        inside = extent(frames.to(ends.device), size, reading.sounds.dtype).mask.transpose(1, 2)
        sounds, prosody = (
            torch.gather(part, 1, which.expand(-1, -1, part.shape[-1])) * inside
            for part in (reading.sounds, reading.prosody)
        )
        shared: Tensor = self.predictor.shared(prosody, frames)
        return sounds.transpose(1, 2), shared.transpose(1, 2)

    def sound(self, sounds: Tensor, prosody: Tensor, style: Tensor, frames: Tensor) -> Tensor:
        """Return samples of shape (batch, size * 600); those after the end of a phrase mean nothing.

        `frames`, on the network's device, are the phrases' lengths.
        """
        size, dtype = sounds.shape[-1], sounds.dtype
        whole, halves = extent(frames, size, dtype), extent(frames * 2, size * 2, dtype)
        pitch, energy = self.predictor.curves(prosody, style[:, self._style :], whole, halves)
        samples: Tensor = self.decoder(sounds, pitch, energy, style[:, : self._style], whole, halves)
        return samples


def _generator(settings: GeneratorSettings, style: int) -> Generator:
    return Generator(
        style,
        settings.upsample_initial_channel,
        settings.upsample_rates,
        settings.upsample_kernel_sizes,
        settings.resblock_kernel_sizes,
        settings.resblock_dilation_sizes,
        settings.gen_istft_n_fft,
        settings.gen_istft_hop_size,
    )


def with_weights(settings: NetworkSettings, weights: Mapping[str, Tensor]) -> Network:
    """Return the network with `weights`, which it keeps; others than it needs are left out.

    Raises:
        ValueError: one is missing or has another shape; the message names it.
    """
    with torch.device("meta"):  # no time and memory for weights that are replaced at once
        network = Network(settings)
    wanted = network.state_dict()
    if missing := sorted(wanted.keys() - weights.keys()):
        raise ValueError(f"{len(missing)} weights are missing, such as {missing[0]}")
    for name, expected in wanted.items():
        if weights[name].shape != expected.shape:
            raise ValueError(
                f"{name} has shape {tuple(weights[name].shape)}, which must be {tuple(expected.shape)}"
            )
    network.load_state_dict({name: weights[name] for name in wanted}, assign=True)
    network.requires_grad_(False).eval()
    return network
