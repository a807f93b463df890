"""A Chatterbox checkpoint: its files, and calls that leave nothing behind."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import Any, NamedTuple

import perth
import soundfile
import torch
from chatterbox.models.s3gen import S3Gen
from chatterbox.models.t3 import T3
from chatterbox.models.t3 import t3 as t3_module
from chatterbox.models.t3.inference.alignment_stream_analyzer import AlignmentStreamAnalyzer
from chatterbox.models.t3.modules.t3_config import T3Config
from chatterbox.models.tokenizers import MTLTokenizer
from chatterbox.models.voice_encoder import VoiceEncoder
from chatterbox.mtl_tts import ChatterboxMultilingualTTS, Conditionals, punc_norm
from safetensors import SafetensorError
from safetensors.torch import load_file
from tokenizers import Tokenizer
from tqdm import tqdm

from tts_app.audio.samples import Audio
from tts_app.engines.base import Clip, EngineError

RATE = 24_000
LAST_TOKEN = RATE // 25
"""Samples of a speech token."""
VERSION_2 = "t3_mtl23ls_v2.safetensors"
VERSION_3 = "t3_mtl23ls_v3.safetensors"
TOKENIZER = "grapheme_mtl_merged_expanded_v1.json"
VOICE_ENCODER = "ve.safetensors"
DECODERS = ("s3gen.safetensors", "s3gen_v3.safetensors")
"""Where speech tokens become sound; the first one that is there. Releases of one language have the second."""
MADE_ANEW = frozenset({"tokenizer._mel_filters", "tokenizer.window"})
"""Tensors that the package computes, and that a file may lack."""
FEWEST_CHECKED = 4
"""Tokens of a text, the language's among them, below which the check of alignment fails."""
WATCHER = AlignmentStreamAnalyzer.__module__
"""Module of the functions that watch attention."""

# Each call would draw a progress bar into the log.
t3_module.tqdm = partial(tqdm, disable=True)


class Manner(NamedTuple):
    """How a text is spoken."""

    exaggeration: float
    cfg_weight: float
    temperature: float
    repetition_penalty: float | None
    """None: the checkpoint's own."""
    seed: int


@dataclass(frozen=True)
class LoadedChatterbox:
    """A checkpoint in memory."""

    model: Any
    """The package's ChatterboxMultilingualTTS."""
    check_alignment: bool
    repetition_penalty: float
    ends_in_noise: bool
    """Whether the last speech token is noise."""

    def voice(self, clip: Clip) -> Any:
        """Return what the model hears of a clip (the package's Conditionals), for any number of texts."""
        wave = BytesIO()
        soundfile.write(wave, clip.audio, clip.rate, format="WAV", subtype="FLOAT")
        wave.seek(0)
        with torch.inference_mode():
            self.model.prepare_conditionals(wave)
        voice, self.model.conds = self.model.conds, None
        return voice

    def speak(self, voice: Any, text: str, language: str, manner: Manner) -> Audio:
        """Speak a text. One call at a time."""
        device = torch.device(self.model.device)
        check = self.check_alignment and self._tokens(text, language) >= FEWEST_CHECKED
        self.model.t3.hp = T3Config.multilingual() if check else UncheckedConfig.multilingual()
        # The package changes the voice that it is given.
        self.model.conds = Conditionals(replace(voice.t3), dict(voice.gen))
        try:
            with (
                _no_hooks_left(self.model.t3),
                torch.random.fork_rng([device] if device.type == "cuda" else []),
            ):
                torch.manual_seed(manner.seed)
                spoken = self.model.generate(
                    text,
                    language,
                    exaggeration=manner.exaggeration,
                    cfg_weight=manner.cfg_weight,
                    temperature=manner.temperature,
                    repetition_penalty=manner.repetition_penalty or self.repetition_penalty,
                )
        finally:
            self.model.conds = None
        sound: Audio = spoken[0].float().numpy()
        return sound[: -LAST_TOKEN or None] if self.ends_in_noise and len(sound) > LAST_TOKEN else sound

    def _tokens(self, text: str, language: str) -> int:
        return len(self.model.tokenizer.encode(punc_norm(text), language_id=language))


class OfflineTokenizer(MTLTokenizer):  # type: ignore[misc]
    """The package's tokenizer without its converter of Chinese, for which it would fetch two files."""

    def __init__(self, path: Path) -> None:
        self.tokenizer = Tokenizer.from_file(str(path))
        self.check_vocabset_sot_eot()


class UncheckedConfig(T3Config):  # type: ignore[misc]
    """The multilingual model without the package's check of its attention."""

    is_multilingual = False
    """The package uses it for nothing but that check."""


def load_model(files: Path, check_alignment: bool | None) -> LoadedChatterbox:
    """Load a folder of safetensors and the tokenizer. Fetches nothing.

    Raises:
        EngineError: a file is missing, damaged or of another model, or the watermark cannot be made.
    """
    if perth.PerthImplicitWatermarker is None:
        raise EngineError("Chatterbox's watermark needs the package setuptools below 81: install it.")
    path = _language_model(files)
    second = path.name == VERSION_2
    model = ChatterboxMultilingualTTS(
        t3=_filled(T3(T3Config.multilingual()), path),
        s3gen=_filled(S3Gen(), _decoder(files)),
        ve=_filled(VoiceEncoder(), files / VOICE_ENCODER),
        tokenizer=_tokenizer(files / TOKENIZER),
        device="cuda" if torch.cuda.is_available() else "cpu",
    )
    for part in (model.t3, model.s3gen, model.ve):
        part.to(model.device).eval()
    # What the authors changed with version 3, in their repository (commit 3f35dfc) and in no release so far.
    return LoadedChatterbox(
        model,
        check_alignment=second if check_alignment is None else check_alignment,
        repetition_penalty=2.0 if second else 1.2,
        ends_in_noise=not second,
    )


def _language_model(files: Path) -> Path:
    """Return the weights of the language model: version 3, version 2, or the only ones."""
    found = sorted(files.glob("t3_*.safetensors"))
    for name in (VERSION_3, VERSION_2):
        if files / name in found:
            return files / name
    if len(found) != 1:
        names = ", ".join(path.name for path in found) or "none"
        raise EngineError(f"{files} must hold {VERSION_3} or one other t3_*.safetensors; it holds {names}.")
    return found[0]


def _decoder(files: Path) -> Path:
    return next((files / name for name in DECODERS if (files / name).is_file()), files / DECODERS[0])


def _tokenizer(path: Path) -> OfflineTokenizer:
    if not path.is_file():
        raise EngineError(f"{path} is missing.")
    try:
        return OfflineTokenizer(path)
    except Exception as error:  # tokenizers raises nothing more special
        raise EngineError(f"{path} is no tokenizer of Chatterbox Multilingual: {error}") from error


def _filled(part: Any, path: Path) -> Any:
    """Return a part of the model with the weights of a file."""
    if not path.is_file():
        raise EngineError(f"{path} is missing.")
    try:
        found = part.load_state_dict(load_file(path), strict=False)
    except (OSError, RuntimeError, SafetensorError) as error:
        raise EngineError(f"{path} is damaged, or of another model: {error}") from error
    wrong = [*(name for name in found.missing_keys if name not in MADE_ANEW), *found.unexpected_keys]
    if wrong:
        raise EngineError(f"{path} is of another model: it differs in {', '.join(wrong[:5])}.")
    return part


@contextmanager
def _no_hooks_left(t3: Any) -> Iterator[None]:
    """Take away what a call of the language model leaves behind.

    With its check of alignment, each call hooks into three layers to watch their attention, and never lets
    go: calls would get slower, and memory would grow. Nobody keeps the hooks' handles, so they are found by
    who made them.
    """
    try:
        yield
    finally:
        for layer in t3.tfmr.layers:
            hooks = layer.self_attn._forward_hooks
            for handle in [handle for handle, hook in hooks.items() if hook.__module__ == WATCHER]:
                del hooks[handle]
        t3.patched_model = None  # it holds what was watched
