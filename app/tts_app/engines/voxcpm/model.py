"""A VoxCPM2 model by its package: loaded from a folder alone, warmed up, and repeatable."""

import io
import json
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import soundfile
import torch
import voxcpm.model.voxcpm2
from safetensors import safe_open
from voxcpm import VoxCPM

from tts_app.audio.samples import Audio
from tts_app.engines.base import Clip, EngineError
from tts_app.engines.voxcpm.call import Call

_WEIGHTS = ("model.safetensors",)
_CODEC = ("audiovae.safetensors", "audiovae.pth")
"""Either; the package reads the second one by torch's loader of weights alone, which runs no code."""
_WARM_UP_PIECES = 3


class Prompt(NamedTuple):
    """What was computed of a clip, as the package keeps it."""

    continued: Any
    """For speech that goes on where the clip ends: the most alike."""
    styled: Any
    """For speech that follows instructions, which the model does not where it goes on."""


@dataclass(frozen=True)
class LoadedVoxCpm:
    """A model in memory. It has one cache of keys and values, so there is one call at a time."""

    model: Any

    @property
    def rate(self) -> int:
        """Samples a second."""
        return int(self.model.sample_rate)

    def prompt(self, clip: Clip) -> Prompt:
        """Return what the model needs of a clip."""
        transcript = clip.transcript.strip()
        styled = self.model.build_prompt_cache(reference_wav_path=_wave(clip))
        if not transcript:
            return Prompt(styled, styled)
        continued = self.model.build_prompt_cache(
            prompt_text=f"{transcript} ", prompt_wav_path=_wave(clip), reference_wav_path=_wave(clip)
        )
        return Prompt(continued, styled)

    def speak(self, call: Call) -> Audio:
        """Return the sound of a call. What is much too long for its text is made again, twice at most.

        Raises:
            EngineError: the package fails, such as for lack of memory.
        """
        torch.manual_seed(call.seed)  # the package draws from torch's own generator
        try:
            sound, _, _ = self.model.generate_with_prompt_cache(**_options(call), retry_badcase=True)
        except (RuntimeError, ValueError) as error:
            raise EngineError(f"VoxCPM failed: {error}") from error
        return _samples(sound)

    def stream(self, call: Call) -> Generator[Audio, None, None]:
        """Yield the sound of a call, piece by piece.

        Raises:
            EngineError: the package fails, such as for lack of memory.
        """
        torch.manual_seed(call.seed)
        pieces = self.model.generate_with_prompt_cache_streaming(**_options(call), retry_badcase=False)
        try:
            for sound, _, _ in pieces:
                yield _samples(sound)
        except (RuntimeError, ValueError) as error:
            raise EngineError(f"VoxCPM failed: {error}") from error
        finally:
            pieces.close()

    def warm_up(self) -> None:
        """Speak a few pieces by a clip: the first call compiles what reads clips, for minutes at worst."""
        noise = np.random.default_rng(0).normal(0, 0.05, 3 * 16_000).astype(np.float32)
        prompt = self.prompt(Clip("", noise, 16_000, "Good morning."))
        self.model.generate_with_prompt_cache(
            target_text="Good morning.", prompt_cache=prompt.continued, max_len=_WARM_UP_PIECES
        )


def load_model(files: Path, quantization: str, compiled: bool) -> LoadedVoxCpm:
    """Load the folder of a VoxCPM2 model, and nothing from anywhere else.

    Args:
        files: the model's folder.
        quantization: none or int8; of the two language models alone.
        compiled: whether torch compiles the model, where it is on a GPU.

    Raises:
        EngineError: a file is missing or damaged, or it is another model.
    """
    _check_files(files)
    gpu = torch.cuda.is_available()
    # Its bar of progress would write a line of the log for each piece of sound.
    voxcpm.model.voxcpm2.tqdm = lambda pieces: pieces
    try:
        model = VoxCPM(
            str(files),
            zipenhancer_model_path=None,  # cleans clips; it would come from another hub
            enable_denoiser=False,
            optimize=compiled and gpu and quantization == "none",
            device="cuda" if gpu else "cpu",
        ).tts_model
        _check_weights(files / _WEIGHTS[0], model)
        if quantization == "int8":
            _quantise(model)
        loaded = LoadedVoxCpm(model)
        loaded.warm_up()
    except Exception as error:  # the package, safetensors and torchao have no other common base
        raise EngineError(f"VoxCPM cannot load {files} ({quantization}): {error}") from error
    return loaded


def _check_files(files: Path) -> None:
    """Raise EngineError unless the folder has a VoxCPM2 model, as safetensors."""
    for names in (("config.json",), _WEIGHTS, _CODEC):
        if not any((files / name).is_file() for name in names):
            raise EngineError(f"No VoxCPM2 in {files}: {' or '.join(names)} is missing.")
    path = files / "config.json"
    try:
        kind = json.loads(path.read_text(encoding="utf-8")).get("architecture")
    except (ValueError, AttributeError) as error:
        raise EngineError(f"{path} is damaged: {error}.") from error
    if kind != "voxcpm2":  # the earlier ones speak Chinese and English, and clone differently
        raise EngineError(f"{files} holds a model of architecture {kind}, not voxcpm2.")


def _check_weights(file: Path, model: Any) -> None:
    """Raise EngineError if the file lacks weights of the model: the package would leave them random."""
    with safe_open(file, framework="pt") as weights:
        given = set(weights.keys())
    needed = {name.replace("_orig_mod.", "") for name, _ in model.named_parameters()}
    if missing := sorted(name for name in needed - given if not name.startswith("audio_vae.")):
        raise EngineError(f"{file} lacks weights: {', '.join(missing[:5])}")


def _quantise(model: Any) -> None:
    """Compress the language models' weights in place; diffusion and codec stay as they are."""
    from torchao.quantization import (  # noqa: PLC0415 - takes seconds, and only int8 needs it
        Int8WeightOnlyConfig,
        quantize_,
    )

    for part in (model.base_lm, model.residual_lm):
        quantize_(part, Int8WeightOnlyConfig())


def _options(call: Call) -> dict[str, Any]:
    return {
        "target_text": call.text,
        "prompt_cache": call.prompt,
        "inference_timesteps": call.steps,
        "cfg_value": call.guidance_scale,
    }


def _wave(clip: Clip) -> io.BytesIO:
    """Return the clip as a WAV file in memory: the package opens a file, and no voice goes to a disk."""
    file = io.BytesIO()
    soundfile.write(file, clip.audio, clip.rate, format="WAV", subtype="FLOAT")
    file.seek(0)
    return file


def _samples(sound: Any) -> Audio:
    """Return the samples of a tensor of shape (1, n)."""
    samples: Audio = sound.squeeze(0).float().cpu().numpy()
    return samples
