"""Types of the custom resources (`ttsplayground.dev/v1alpha1`): pure data and validation, no I/O."""

from tts_app.resources.locales import LANGUAGE_DEFAULTS, LOCALES, Gender, Locale, resolve_locale
from tts_app.resources.voice_model import (
    API_VERSION,
    License,
    Measured,
    Metadata,
    Replicas,
    Resources,
    Source,
    Voice,
    VoiceModel,
    VoiceModelSpec,
    VoiceReference,
)

__all__ = [
    "API_VERSION",
    "LANGUAGE_DEFAULTS",
    "LOCALES",
    "Gender",
    "License",
    "Locale",
    "Measured",
    "Metadata",
    "Replicas",
    "Resources",
    "Source",
    "Voice",
    "VoiceModel",
    "VoiceModelSpec",
    "VoiceReference",
    "resolve_locale",
]
