"""The avatar mapping: which voice of which model speaks a locale and gender. Pure, driven by VoiceModels."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from tts_app.resources import License, Voice, VoiceModel
from tts_app.resources.base import VOICE_ID
from tts_app.resources.locales import caveat_of, default_locale, language_of

OPENAI_VOICES = {
    "alloy": "female_en-US",
    "ash": "male_en-US",
    "ballad": "male_en-GB",
    "cedar": "male_en-US",
    "coral": "female_en-US",
    "echo": "male_en-US",
    "fable": "male_en-GB",
    "marin": "female_en-US",
    "nova": "female_en-US",
    "onyx": "male_en-US",
    "sage": "female_en-US",
    "shimmer": "female_en-GB",
    "verse": "male_en-US",
}
"""OpenAI's voice names and the avatar that stands for each, so that its clients work unchanged."""


def is_clone(name: str) -> bool:
    """Whether `name` is the id of a cloned voice."""
    return re.fullmatch(VOICE_ID, name) is not None


class UnknownVoiceError(LookupError):
    """There is no avatar of that name; the message lists those that exist."""


@dataclass(frozen=True, slots=True)
class CatalogueVoice:
    """An avatar and the model that speaks it."""

    model: str
    engine: str
    voice: Voice
    license: License
    clone: str = ""
    """Id of the cloned voice that this is; empty: it is one of the model's own."""
    speaker: str = ""
    """The model's own speaker, or mix of them, that a caller named; empty: it is an avatar or a clone."""
    consent: str = ""
    """Id of the speaker's consent, of a voice that imitates a clip."""
    clip: str = ""
    """Digest of the clip that it imitates, as replicas know it; empty: it imitates none."""

    @property
    def id(self) -> str:
        """The avatar id, such as `female_en-US`, that of the cloned voice, or the model's speaker."""
        return self.clone or self.speaker or self.voice.avatar

    @property
    def label(self) -> str:
        """The avatar id; of a cloned voice, both: `voice_0a1b...@female_en-US`."""
        return f"{self.clone}@{self.voice.avatar}" if self.clone else self.voice.avatar

    def describe(self) -> dict[str, Any]:
        """Return what the API says of this voice, honest about its quality and license."""
        voice = self.voice
        return {
            "id": self.id,
            "name": f"{language_of(voice.locale).name} ({voice.locale}), {voice.gender}",
            "locale": voice.locale,
            "language": voice.locale.split("-")[0],
            "gender": voice.gender,
            "model": self.model,
            "engine": self.engine,
            "quality": voice.quality,
            "approximation": voice.approximation or caveat_of(voice.locale) or None,
            "measured": voice.measured.model_dump() if voice.measured else None,
            "license": {"spdx": self.license.spdx, "commercial_use": self.license.commercial_use},
        }


class Catalogue:
    """Every avatar that a set of VoiceModels offers.

    Where two models offer one avatar, the model whose name sorts first speaks it: the choice depends
    only on the resources.
    """

    def __init__(self, models: Iterable[VoiceModel]) -> None:
        self.models: Sequence[VoiceModel] = sorted(models, key=lambda model: model.name)
        self._voices: dict[str, CatalogueVoice] = {}
        for model in self.models:
            for voice in model.spec.voices:
                reference = voice.reference
                entry = CatalogueVoice(
                    model.name,
                    model.spec.engine,
                    voice,
                    voice.license or model.spec.license,
                    consent=reference.consent.id if reference else "",
                    clip=reference.key if reference else "",
                )
                self._voices.setdefault(entry.id, entry)

    def __iter__(self) -> Iterator[CatalogueVoice]:
        """Yield the voices in the order of the resources."""
        return iter(self._voices.values())

    def __len__(self) -> int:
        return len(self._voices)

    def find(self, name: str) -> CatalogueVoice:
        """Return the voice called `name`: an avatar id or an OpenAI voice name, in any case.

        `female_en` means the language's default locale, else the only locale that this catalogue has.

        Raises:
            UnknownVoiceError: there is none; the message lists the voices that exist.
        """
        wanted = name.strip().lower()
        gender, _, locale = OPENAI_VOICES.get(wanted, wanted).lower().partition("_")
        by_id = {voice.id.lower(): voice for voice in self}
        found = by_id.get(f"{gender}_{locale}")
        default = default_locale(locale, (voice.voice.locale for voice in self))
        if found is None and default:
            found = by_id.get(f"{gender}_{default.lower()}")
        if found:
            return found
        raise UnknownVoiceError(f"Unknown voice {name!r}. Allowed: {', '.join(v.id for v in self)}.")

    def select(
        self, language: str | None = None, locale: str | None = None, gender: str | None = None
    ) -> list[CatalogueVoice]:
        """Return the voices that match every filter; `None` matches all."""
        return [
            v
            for v in self
            if (language is None or v.voice.locale.split("-")[0] == language)
            and (locale is None or v.voice.locale.lower() == locale.lower())
            and (gender is None or v.voice.gender == gender)
        ]
