"""The package's OmniVoice with batches whose items do not depend on each other; and how it is loaded."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from omnivoice import OmniVoice
from omnivoice.models.omnivoice import OmniVoiceGenerationConfig

from tts_app.audio.samples import Audio
from tts_app.engines.base import Clip, EngineError
from tts_app.engines.omnivoice.item import Item
from tts_app.engines.omnivoice.unmask import Settings, unmask

_NEVER = 1e6
"""Seconds beyond which the package would cut a text into pieces: its segments are short already."""
_FADE = 0.01
"""Seconds at both ends, so that no segment begins or ends with a click."""


@dataclass
class _SeededConfig(OmniVoiceGenerationConfig):  # type: ignore[misc]
    """The package's settings of a call, with the seed of each item."""

    seeds: Sequence[int] = ()


class BatchedOmniVoice(OmniVoice):  # type: ignore[misc]
    """OmniVoice whose batches are computed by `unmask`."""

    def _generate_iterative(self, task: Any, gen_config: Any) -> list[torch.Tensor]:
        """Fill in the codes of all items of `task`. The package calls this from `generate`."""
        prompts = [
            self._prepare_inference_inputs(
                text=text,
                num_target_tokens=length,
                ref_text=ref_text,
                ref_audio_tokens=ref_codes,
                lang=language,
                instruct=description,
                denoise=gen_config.denoise,
            )
            for text, length, ref_text, ref_codes, language, description in zip(
                task.texts,
                task.target_lens,
                task.ref_texts,
                task.ref_audio_tokens,
                task.langs,
                task.instructs,
                strict=True,
            )
        ]
        settings = Settings(
            steps=gen_config.num_step,
            guidance_scale=gen_config.guidance_scale,
            position_temperature=gen_config.position_temperature,
            t_shift=gen_config.t_shift,
            layer_penalty=gen_config.layer_penalty_factor,
        )
        return unmask(self, prompts, task.target_lens, gen_config.seeds, settings)


@dataclass(frozen=True)
class LoadedOmniVoice:
    """A model in memory."""

    model: Any

    @property
    def device(self) -> str:
        """Type of the device that it is on, as torch names it."""
        return str(self.model.device.type)

    @property
    def rate(self) -> int:
        """Samples a second."""
        return int(self.model.sampling_rate)

    @property
    def frame_rate(self) -> float:
        """Frames of codes a second."""
        return float(self.model.audio_tokenizer.config.frame_rate)

    def frames(self, text: str, speed: float, clip: Clip | None) -> int:
        """Return about how many frames a call has for a text: those of its sound and of its clip."""
        if clip is None:
            return int(self.model._estimate_target_tokens(text, None, None, speed=speed))
        of_clip = max(1, round(len(clip.audio) / clip.rate * self.frame_rate))
        return of_clip + int(self.model._estimate_target_tokens(text, clip.transcript, of_clip, speed=speed))

    @torch.inference_mode()  # type: ignore[untyped-decorator]
    def prompt(self, clip: Clip) -> Any:
        """Return what the model needs of a clip: its codes, transcript and level."""
        return self.model.create_voice_clone_prompt(
            ref_audio=(torch.from_numpy(clip.audio), clip.rate), ref_text=clip.transcript
        )

    def speak(
        self, items: Sequence[Item], steps: int, guidance_scale: float, position_temperature: float
    ) -> list[Audio]:
        """Speak the items; return a sound for each.

        Raises:
            EngineError: the package fails, such as for lack of memory.
        """
        cloned = items[0].prompt is not None
        config = _SeededConfig(
            num_step=steps,
            guidance_scale=guidance_scale,
            position_temperature=position_temperature,
            audio_chunk_threshold=_NEVER,
            pad_duration=0.0,
            fade_duration=_FADE,
            seeds=[item.seed for item in items],
        )
        try:
            sounds: list[Audio] = self.model.generate(
                text=[item.text for item in items],
                language=[item.language for item in items],
                voice_clone_prompt=[item.prompt for item in items] if cloned else None,
                instruct=[item.description for item in items],
                speed=[item.speed for item in items],
                generation_config=config,
            )
        except (RuntimeError, ValueError) as error:
            raise EngineError(f"OmniVoice failed: {error}") from error
        return sounds


def load_model(files: Path, quantization: str, dtype: str | None) -> LoadedOmniVoice:
    """Load the folder of a model: safetensors alone, and nothing from anywhere else.

    Args:
        files: the model's folder, which has that of its audio tokenizer inside.
        quantization: none, int8 or int4; of the language model alone.
        dtype: the language model's type; None: float16 on a GPU, float32 on a CPU.

    Raises:
        EngineError: a file is missing or damaged, or the quantization cannot run here.
    """
    for name in ("config.json", "audio_tokenizer/config.json", "audio_tokenizer/preprocessor_config.json"):
        if not (files / name).is_file():  # the package would fetch an audio tokenizer from the hub
            raise EngineError(f"No OmniVoice in {files}: {name} is missing.")
    gpu = torch.cuda.is_available()
    if quantization == "int4" and not gpu:
        raise EngineError("int4 runs on a GPU only: torchao has no such kernel for a CPU. int8 does.")
    try:
        model = BatchedOmniVoice.from_pretrained(
            str(files),
            device_map="cuda:0" if gpu else "cpu",
            dtype=getattr(torch, dtype or ("float16" if gpu else "float32")),
            local_files_only=True,
            use_safetensors=True,
        )
        model.eval()
        _quantise(model.llm, quantization)
    except Exception as error:  # transformers, safetensors and torchao have no other common base
        raise EngineError(f"OmniVoice cannot load {files} ({quantization}): {error}") from error
    return LoadedOmniVoice(model)


def _quantise(language_model: Any, quantization: str) -> None:
    """Compress the language model's weights in place; the codes' embeddings and heads stay as they are."""
    if quantization == "none":
        return
    from torchao.quantization import (  # noqa: PLC0415 - takes seconds, and only these need it
        Int4WeightOnlyConfig,
        Int8WeightOnlyConfig,
        quantize_,
    )

    if quantization == "int8":
        quantize_(language_model, Int8WeightOnlyConfig())
    else:
        quantize_(
            language_model, Int4WeightOnlyConfig(group_size=32, int4_packing_format="tile_packed_to_4d")
        )
