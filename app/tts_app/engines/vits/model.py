"""A VITS checkpoint by transformers: its files, tokens, and batches whose items do not change each other."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from transformers import VitsModel, VitsTokenizer

from tts_app.audio.samples import Audio
from tts_app.engines.base import EngineError
from tts_app.engines.vits.item import Item
from tts_app.engines.vits.noise import BatchNoise, Noise
from tts_app.engines.vits.padding import keeps_frames_whole, mask_decoder


@dataclass(frozen=True)
class LoadedVits:
    """A checkpoint in memory."""

    model: Any
    tokenizer: Any
    romanise: Callable[[str], str] | None
    """Writes a text in Latin letters, where the checkpoint reads only those."""

    @property
    def device(self) -> str:
        """Type of the device that it is on, as torch names it."""
        return str(self.model.device.type)

    @property
    def rate(self) -> int:
        """Samples a second."""
        return int(self.model.config.sampling_rate)

    @property
    def speakers(self) -> int:
        """How many speakers the checkpoint has."""
        return max(1, int(self.model.config.num_speakers))

    @cached_property
    def batches(self) -> bool:
        """Whether items of different lengths can share a call."""
        return keeps_frames_whole(self.model.config)

    def tokens(self, text: str) -> list[int]:
        """Return the tokens of a text. What is not in the vocabulary is left out.

        Raises:
            EngineError: nothing is left.
        """
        read = self.romanise(text) if self.romanise else text
        tokens: list[int] = self.tokenizer(read).input_ids
        if len(tokens) <= int(self.tokenizer.add_blank):
            # Without the text itself: it is a user's, and errors are logged.
            raise EngineError(
                f"Nothing to speak: none of {len(text)} characters is in the checkpoint's vocabulary. "
                "Is the voice's locale the language of the checkpoint?"
            )
        return tokens

    @torch.inference_mode()  # type: ignore[untyped-decorator]
    def speak(self, items: Sequence[Item], speaker: int) -> list[Audio]:
        """Speak the items by one speaker; return a sound for each. One call at a time.

        Raises:
            EngineError: transformers fails, such as for lack of memory.
        """
        config, device = self.model.config, self.model.device
        longest = max(len(item.tokens) for item in items)
        ids = torch.zeros(len(items), longest, dtype=torch.long)
        mask = torch.zeros_like(ids)
        for row, item in enumerate(items):
            ids[row, : len(item.tokens)] = torch.tensor(item.tokens)
            mask[row, : len(item.tokens)] = 1
        rates = torch.tensor([item.speed * config.speaking_rate for item in items], device=device)
        try:
            with BatchNoise([_noise(item, config) for item in items]):
                spoken = self.model(
                    input_ids=ids.to(device),
                    attention_mask=mask.to(device),
                    speaker_id=speaker if self.speakers > 1 else None,
                    speaking_rate=rates[:, None, None],
                )
        except RuntimeError as error:
            raise EngineError(f"VITS failed: {error}") from error
        sounds = spoken.waveform.float().cpu().numpy()
        return [
            sound[: int(length)].copy() for sound, length in zip(sounds, spoken.sequence_lengths, strict=True)
        ]


def load_model(files: Path) -> LoadedVits:
    """Load the folder of a checkpoint: safetensors alone.

    Raises:
        EngineError: a file is missing or damaged, it is no VITS, or a package of its text is missing.
    """
    _check_kind(files)
    try:
        tokenizer = VitsTokenizer.from_pretrained(files, local_files_only=True)
        model, loading = VitsModel.from_pretrained(
            files, local_files_only=True, use_safetensors=True, output_loading_info=True
        )
        model.to("cuda" if torch.cuda.is_available() else "cpu").eval()
    except Exception as error:  # transformers and safetensors have no other common base
        raise EngineError(f"transformers cannot load {files} as VITS: {error}") from error
    if loading["missing_keys"]:
        raise EngineError(f"{files} lacks weights: {', '.join(sorted(loading['missing_keys'])[:5])}.")
    if tokenizer.phonemize:
        raise EngineError(
            f"{files.name} reads phonemes of the package phonemizer, which this engine does not use (its "
            "license is the GPL). Choose a checkpoint that reads letters, such as one of MMS-TTS."
        )
    model.noise_scale = model.noise_scale_duration = 1.0  # each item's noise comes with its own factor
    mask_decoder(model)
    return LoadedVits(model, tokenizer, _romaniser(files) if tokenizer.is_uroman else None)


def _check_kind(files: Path) -> None:
    """Raise EngineError unless the folder's config.json is that of a VITS."""
    path = files / "config.json"
    if not path.is_file():
        raise EngineError(f"No config.json in {files}: this engine needs a checkpoint in transformers' form.")
    try:
        kind = json.loads(path.read_text(encoding="utf-8")).get("model_type")
    except (ValueError, AttributeError) as error:
        raise EngineError(f"{path} is damaged: {error}.") from error
    if kind != "vits":
        raise EngineError(f"{files} holds a model of type {kind}, not vits.")


def _romaniser(files: Path) -> Callable[[str], str]:
    """Return uroman's romanisation. The tokenizer would read uroman's tables anew for every text."""
    try:
        from uroman import Uroman  # noqa: PLC0415 - few checkpoints need it
    except ImportError as error:
        raise EngineError(
            f"{files.name} reads Latin letters alone and needs the package uroman: install it."
        ) from error
    romanise: Callable[[str], str] = Uroman().romanize_string
    return romanise


def _noise(item: Item, config: Any) -> Noise:
    sound = config.noise_scale if item.noise_scale is None else item.noise_scale
    rhythm = config.noise_scale_duration if item.noise_scale_duration is None else item.noise_scale_duration
    return Noise(item.seed, rhythm, sound)
