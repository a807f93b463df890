"""An F5 checkpoint with its vocoder: its files, and batches whose items do not change each other."""

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import torch
from f5_tts.model import CFM, DiT
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch.nn.utils.rnn import pad_sequence
from vocos import Vocos
from vocos.heads import ISTFTHead
from vocos.models import VocosBackbone

from tts_app.audio.resample import resample
from tts_app.audio.samples import Audio
from tts_app.engines.base import Clip, EngineError
from tts_app.engines.f5.files import VOCABULARY, VOCODER
from tts_app.engines.f5.prompt import HOP, MARKS, RATE, Prompt, Sampling, clip_words

MEL = 100
"""Channels of the mel spectrogram."""
HEAD = 64
"""Channels of an attention head: in every release of F5, and not to be seen from the weights."""
LEVEL = 0.1
"""RMS that a quieter clip is brought to before the model hears it, as in its training."""

Weights = dict[str, Any]


class Voice(NamedTuple):
    """What is computed of a clip."""

    mel: Any
    """Tensor of shape (frames, MEL)."""
    level: float
    """Factor that brings what is spoken to the clip's own level."""
    words: str
    """What the clip says, as it stands before a new text."""

    @property
    def frames(self) -> int:
        """Frames of the clip."""
        return int(self.mel.shape[0])


@dataclass(frozen=True)
class LoadedF5:
    """A checkpoint in memory."""

    flow: Any
    """Text and the mel spectrogram of a clip to a mel spectrogram: a CFM."""
    vocoder: Any
    """Mel spectrogram to samples: a Vocos."""
    vocabulary: Mapping[str, int]
    """Token of each character."""

    @property
    def device(self) -> str:
        """Type of the device that it is on, as torch names it."""
        return str(self.flow.device.type)

    @torch.inference_mode()  # type: ignore[untyped-decorator]
    def voice(self, clip: Clip) -> Voice:
        """Return what is computed of a clip, for any number of texts."""
        wave = torch.from_numpy(resample(clip.audio, clip.rate, RATE))
        rms = float(wave.square().mean().sqrt())
        level = min(1.0, max(rms, 1e-4) / LEVEL)
        mel = self.flow.mel_spec((wave / level)[None].to(self.flow.device))[0].T
        # A frame is centred at each hop, so that there is one more at the end, half of it silence.
        return Voice(mel[: wave.shape[0] // HOP], level, clip_words(clip.transcript))

    @torch.inference_mode()  # type: ignore[untyped-decorator]
    def speak(self, voices: Sequence[Voice], prompts: Sequence[Prompt], sampling: Sampling) -> list[Audio]:
        """Speak each prompt in the voice beside it; return a sound for each. One call at a time."""
        device = self.flow.device
        lengths = torch.tensor([voice.frames for voice in voices], device=device)
        text = [torch.tensor(prompt.tokens) for prompt in prompts]
        cuda = [device] if device.type == "cuda" else []
        try:
            # The noise is drawn from torch's global generator, seeded anew for each item.
            with torch.random.fork_rng(cuda):
                mels, _ = self.flow.sample(
                    cond=pad_sequence([voice.mel for voice in voices], batch_first=True),
                    text=pad_sequence(text, batch_first=True, padding_value=-1).to(device),
                    duration=torch.tensor([prompt.frames for prompt in prompts], device=device),
                    lens=lengths,
                    steps=sampling.steps,
                    cfg_strength=sampling.cfg_strength,
                    sway_sampling_coef=sampling.sway,
                    seed=sampling.seed,
                )
        finally:
            # It keeps the embedded text for the steps of a call: after a failed one, for the next call.
            self.flow.transformer.clear_cache()
        return [
            self._sound(mel[voice.frames : prompt.frames], voice.level)
            for mel, voice, prompt in zip(mels, voices, prompts, strict=True)
        ]

    def _sound(self, mel: Any, level: float) -> Audio:
        """Return the samples of one item. The vocoder gets it alone: it has no mask for padding."""
        samples = self.vocoder.decode(mel.float().T[None])[0]
        sound: Audio = (samples * level).float().cpu().numpy()
        return sound


class EachTextAlone(torch.nn.Module):  # type: ignore[misc]
    """Embeds the texts of a batch one by one.

    F5 embeds them padded to the longest item, and normalises over all frames, padding included: a text would
    change with the others of its batch. This happens once a call, so that it costs next to nothing.
    """

    def __init__(self, embedding: Any) -> None:
        super().__init__()
        self._embedding = embedding

    def forward(self, text: torch.Tensor, seq_len: Any, drop_text: bool = False) -> torch.Tensor:
        """Return the embedded texts, shape (items, frames, channels), zero behind the end of each.

        Args:
            text: tokens, shape (items, longest text), padded with -1.
            seq_len: frames of each item, shape (items,); a number where there is no padding.
            drop_text: whether the model is asked what it would say without a text.
        """
        if not torch.is_tensor(seq_len):
            return self._embedding(text, seq_len=seq_len, drop_text=drop_text)
        rows = [
            self._embedding(row[None], seq_len=int(frames), drop_text=drop_text)[0]
            for row, frames in zip(text, seq_len, strict=True)
        ]
        return pad_sequence(rows, batch_first=True)


def load_model(files: Path, quantization: str, dialects: bool) -> LoadedF5:
    """Load a folder: weights (*.safetensors), vocab.txt and vocos/model.safetensors. Runs no code from it.

    Raises:
        EngineError: a file is missing or damaged, they do not belong together, or fp16 is wanted on a CPU.
    """
    cuda = torch.cuda.is_available()
    if quantization == "fp16" and not cuda:
        raise EngineError("fp16 runs on a GPU only; on a CPU set quantization: none.")
    vocabulary = _read_vocabulary(files / VOCABULARY, dialects)
    checkpoint = _checkpoint(files)
    try:
        flow = _flow(_read(checkpoint), len(vocabulary))
    except (KeyError, RuntimeError, ZeroDivisionError) as error:
        raise EngineError(f"{checkpoint} is no F5 v1 checkpoint with a DiT: {error}") from error
    try:
        vocoder = _vocoder(_read(files / VOCODER))
    except (KeyError, RuntimeError) as error:
        raise EngineError(f"{files / VOCODER} is no Vocos for mel spectrograms: {error}") from error
    device = torch.device("cuda" if cuda else "cpu")
    flow.to(device, torch.float16 if quantization == "fp16" else torch.float32).eval()
    flow.transformer.text_embed = EachTextAlone(flow.transformer.text_embed)
    return LoadedF5(flow, vocoder.to(device).eval(), vocabulary)


def _checkpoint(files: Path) -> Path:
    """Return the one file of weights in the folder itself."""
    found = sorted(files.glob("*.safetensors"))
    if len(found) != 1:
        names = ", ".join(path.name for path in found) or "none"
        raise EngineError(f"{files} must hold one file *.safetensors, the checkpoint; it holds {names}.")
    return found[0]


def _read(path: Path) -> Weights:
    if not path.is_file():
        raise EngineError(
            f"{path} is missing. `hack/f5-files` puts together what this engine needs, and makes safetensors "
            "of a .pt or .bin file."
        )
    try:
        weights: Weights = load_file(path)
    except (OSError, SafetensorError) as error:
        raise EngineError(f"{path} is damaged: {error}.") from error
    return weights


def _read_vocabulary(path: Path, dialects: bool) -> dict[str, int]:
    """Return the token of each character: its line, the first one of which is the space."""
    if not path.is_file():
        raise EngineError(f"{path} is missing: the characters that the checkpoint reads, one a line.")
    lines = path.read_text(encoding="utf-8").removesuffix("\n").split("\n")
    vocabulary = {line: token for token, line in enumerate(lines)}
    if lines[0] != " " or len(vocabulary) != len(lines):
        raise EngineError(f"{path} is damaged: its first line must be a space, and no line may occur twice.")
    missing = [dialect for dialect, mark in MARKS.items() if mark not in vocabulary]
    if dialects and missing:
        raise EngineError(
            f"{path} has no marks of dialects ({', '.join(missing)}): only Habibi's Unified checkpoint has "
            "them. Set parameters.dialects: false."
        )
    return vocabulary


def _flow(file: Weights, characters: int) -> Any:
    """Build the model in the sizes of its weights, and load them."""
    weights = _bare(file)
    embedding = weights["transformer.text_embed.text_embed.weight"]
    if embedding.shape[0] != characters + 1:  # and one for padding
        raise EngineError(
            f"The checkpoint reads {embedding.shape[0] - 1} characters, and vocab.txt has {characters}: "
            "they do not belong together."
        )
    channels, dim = weights["transformer.proj_out.weight"].shape
    if channels != MEL:
        raise EngineError(f"The checkpoint makes {channels} mel channels; this engine's vocoder reads {MEL}.")
    with warnings.catch_warnings():
        # It warns of the mask's memory.
        warnings.simplefilter("ignore", UserWarning)
        transformer = DiT(
            dim=dim,
            depth=_layers(weights, "transformer.transformer_blocks."),
            heads=weights["transformer.transformer_blocks.0.attn.to_q.weight"].shape[0] // HEAD,
            dim_head=HEAD,
            ff_mult=weights["transformer.transformer_blocks.0.ff.ff.0.0.weight"].shape[0] // dim,
            mel_dim=MEL,
            text_num_embeds=characters,
            text_dim=embedding.shape[1],
            conv_layers=_layers(weights, "transformer.text_embed.text_blocks."),
            # Without it the frames of a shorter item attend to its padding.
            attn_mask_enabled=True,
        )
    flow = CFM(
        transformer,
        mel_spec_kwargs={
            "n_fft": 1024,
            "hop_length": HOP,
            "win_length": 1024,
            "n_mel_channels": MEL,
            "target_sample_rate": RATE,
            "mel_spec_type": "vocos",
        },
    )
    flow.load_state_dict(weights)
    return flow


def _bare(weights: Weights) -> Weights:
    """Return the weights by the model's own names, without what training kept beside them."""
    named = {name.removeprefix("ema_model."): tensor for name, tensor in weights.items()}
    return {name: tensor for name, tensor in named.items() if name.startswith("transformer.")}


def _vocoder(weights: Weights) -> Any:
    """Build Vocos in the sizes of its weights, and load them.

    Not by its config.yaml: that may name any class of any module, which Vocos would call.
    """
    inner, dim = weights["backbone.convnext.0.pwconv1.weight"].shape
    n_fft = weights["head.out.weight"].shape[0] - 2
    vocoder = Vocos(
        feature_extractor=torch.nn.Identity(),  # it makes mels of sound, which is not needed here
        backbone=VocosBackbone(
            input_channels=MEL,
            dim=dim,
            intermediate_dim=inner,
            num_layers=_layers(weights, "backbone.convnext."),
        ),
        head=ISTFTHead(dim=dim, n_fft=n_fft, hop_length=HOP, padding="center"),
    )
    vocoder.load_state_dict(
        {name: tensor for name, tensor in weights.items() if not name.startswith("feature_extractor.")}
    )
    return vocoder


def _layers(weights: Weights, prefix: str) -> int:
    """Return how many layers have weights under `prefix`."""
    return len({name.removeprefix(prefix).split(".")[0] for name in weights if name.startswith(prefix)})
