"""Types of the custom resources (`ttsplayground.dev/v1alpha1`): pure data and validation, no I/O."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from tts_app.resources.base import (
    API_VERSION,
    GROUP,
    VERSION,
    CustomResource,
    License,
    Metadata,
    Replicas,
    Source,
)
from tts_app.resources.faults import AS_SERVED
from tts_app.resources.locales import LANGUAGE_DEFAULTS, LOCALES, Gender, Locale, resolve_locale
from tts_app.resources.playground import Playground, PlaygroundSpec
from tts_app.resources.quantities import Resources
from tts_app.resources.text_model import TextModel, TextModelSpec
from tts_app.resources.tts_job import TTSJob, TTSJobSpec
from tts_app.resources.voice_model import Measured, Voice, VoiceModel, VoiceModelSpec, VoiceReference

Model = VoiceModel | TextModel
"""What is served: each an application of its own."""
MODELS = MappingProxyType[str, type[Model]]({"VoiceModel": VoiceModel, "TextModel": TextModel})
"""The kinds that are served, by name."""
KINDS = MappingProxyType(
    {"VoiceModel": VoiceModel, "TextModel": TextModel, "TTSJob": TTSJob, "Playground": Playground}
)
"""The kinds by name."""


def served_model(written: Mapping[str, Any]) -> Model:
    """Return a model as it is served already, whatever `parameters` it was let in with.

    Raises:
        KeyError: there is no such kind of model.
        ValidationError: it is not valid.
    """
    return MODELS[written["kind"]].model_validate(written, context=AS_SERVED)


__all__ = [
    "API_VERSION",
    "GROUP",
    "KINDS",
    "LANGUAGE_DEFAULTS",
    "LOCALES",
    "MODELS",
    "VERSION",
    "CustomResource",
    "Gender",
    "License",
    "Locale",
    "Measured",
    "Metadata",
    "Model",
    "Playground",
    "PlaygroundSpec",
    "Replicas",
    "Resources",
    "Source",
    "TTSJob",
    "TTSJobSpec",
    "TextModel",
    "TextModelSpec",
    "Voice",
    "VoiceModel",
    "VoiceModelSpec",
    "VoiceReference",
    "resolve_locale",
    "served_model",
]
