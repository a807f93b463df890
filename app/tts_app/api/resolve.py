"""From what a request says to the voice that speaks it."""

import asyncio
import re

from tts_app.api.deps import Context
from tts_app.api.errors import ApiError
from tts_app.catalogue import Catalogue, CatalogueVoice, UnknownVoiceError, is_clone
from tts_app.language.detect import find_language
from tts_app.language.markup import InputFormat, MarkupError, parse
from tts_app.resources import resolve_locale
from tts_app.resources.locales import default_locale
from tts_app.serving.service import SpeechService, UnknownModelError

OPENAI_MODELS = ("tts-1", "tts-1-hd", "gpt-4o-mini-tts")
"""OpenAI's model names: each of them means the model here that has the voice."""
OPENAI_SNAPSHOTS = (
    "tts-1-1106",
    "tts-1-hd-1106",
    "gpt-4o-mini-tts-2025-03-20",
    "gpt-4o-mini-tts-2025-12-15",
)
"""OpenAI's names of dated versions of its models, which mean the same; those of other dates do so too."""
AUTO = "auto"
"""The `language` of a request that has it found in its text."""
_DATED = re.compile(rf"(?:{'|'.join(map(re.escape, OPENAI_MODELS))})(?:-\d{{4}}(?:-\d\d-\d\d)?)?", re.ASCII)
_KOKORO_LANGUAGES = {
    "a": "en-US",
    "b": "en-GB",
    "e": "es",
    "f": "fr",
    "h": "hi",
    "i": "it",
    "j": "ja",
    "p": "pt-BR",
    "z": "zh",
}
"""The letters by which Kokoro's own package, and servers of it, call languages."""


def is_openai_model(name: str) -> bool:
    """Whether `name` is one of OpenAI's models that speak, or a dated version of it."""
    return _DATED.fullmatch(name) is not None


def voices_of(service: SpeechService, model: str) -> Catalogue:
    """Return the voices that the request's `model` offers.

    Raises:
        ApiError: no such model.
    """
    if is_openai_model(model):
        return service.catalogue
    try:
        return service.catalogue_of(model)
    except UnknownModelError:
        allowed = [*OPENAI_MODELS, *(known.name for known in service.models)]
        raise ApiError(
            400,
            f"There is no model {model!r}. Allowed: {', '.join(allowed)}.",
            param="model",
            code="unknown_model",
        ) from None


def writer_of(playground: Context, model: str) -> str:
    """Return the request's `model`, checked to be a text model.

    Raises:
        ApiError: no such model, or it is a voice model.
    """
    names = [known.name for known in playground.text.models]
    if model in names:
        return model
    if model in [known.name for known in playground.service.models]:
        wrong = f"Model {model!r} speaks and does not write."
    else:
        wrong = f"There is no model {model!r}."
    allowed = f"Allowed: {', '.join(names)}." if names else "No model that writes is served here."
    raise ApiError(400, f"{wrong} {allowed}", param="model", code="unknown_model")


async def voice_of(
    playground: Context, tenant: str, model: str, name: str, param: str = "voice"
) -> CatalogueVoice:
    """Return the voice called `name` of the request's `model`, or the tenant's cloned voice of that id.

    Where no avatar has that name, it may be a speaker of Kokoro's, or a mix of them.

    Raises:
        ApiError: there is none; the message says what there is.
        NoVaultError, VaultError: a cloned voice cannot be read.
    """
    catalogue = voices_of(playground.service, model)
    if not is_clone(name):
        try:
            return catalogue.find(name)
        except UnknownVoiceError:
            speaker = await playground.service.speaker(name, None if is_openai_model(model) else model)
            return speaker or by_name(catalogue, name, param)
    try:
        found = await asyncio.to_thread(playground.clones.find, tenant, name, playground.service.models)
    except UnknownVoiceError as error:
        raise ApiError(400, str(error.args[0]), param=param, code="unknown_voice") from None
    if model != found.model and not is_openai_model(model):
        raise ApiError(
            400,
            f"The voice {name!r} is spoken by the model {found.model!r}: name that, or {OPENAI_MODELS[0]}.",
            param="model",
            code="unknown_voice",
        )
    return found


def in_language(catalogue: Catalogue, voice: CatalogueVoice, wanted: str) -> CatalogueVoice | None:
    """Return who of `catalogue` speaks the language or locale `wanted` in place of `voice`.

    That is the voice itself where it is of that language, else the avatar of the same gender. None: there is
    no such avatar. A cloned voice and a model's speaker have no place but their own.
    """
    asked = _KOKORO_LANGUAGES.get(wanted.strip().lower(), wanted.strip().replace("_", "-")).lower()
    own = voice.voice.locale.lower()
    if asked in (own, own.partition("-")[0]):
        return voice
    if voice.clone or voice.speaker:
        return None
    spoken = {one.voice.locale for one in catalogue}
    default = asked if "-" in asked else default_locale(asked, spoken) or asked
    gender = voice.voice.gender
    found = catalogue.select(locale=default, gender=gender) or catalogue.select(asked, gender=gender)
    return found[0] if found else None


async def language_of_text(text: str, input_format: InputFormat, catalogue: Catalogue) -> str | None:
    """Return the language of a text, of those that `catalogue` speaks; None where it cannot be told.

    Raises:
        ApiError: the text is not of its format.
    """
    languages = {voice.voice.locale.partition("-")[0] for voice in catalogue}

    def find() -> str | None:
        spoken = " ".join(span.text for span in parse(text, input_format).spans)
        return find_language(spoken, languages)

    try:
        return await asyncio.to_thread(find)
    except MarkupError as error:
        raise ApiError(400, str(error), code="invalid_markup") from None


def by_name(catalogue: Catalogue, name: str, param: str = "voice") -> CatalogueVoice:
    """Return the voice called `name`, the value of the request's `param`.

    Raises:
        ApiError: there is none; the message lists the voices that exist.
    """
    try:
        return catalogue.find(name)
    except UnknownVoiceError as error:
        raise ApiError(400, str(error.args[0]), param=param, code="unknown_voice") from None


def by_description(
    catalogue: Catalogue, language: str | None, dialect: str | None, gender: str | None
) -> CatalogueVoice:
    """Return the voice of a language, dialect and gender (female where none is given).

    Raises:
        ApiError: one of them is unknown, or no model here speaks it; the message lists what is allowed.
    """
    if language is None:
        raise ApiError(
            400,
            "Parameter 'language' is required where no 'voice' is given.",
            param="language",
            code="missing_parameter",
        )
    try:
        locale = resolve_locale(language, dialect, {voice.voice.locale for voice in catalogue})
    except ValueError as error:
        message, param = error.args
        raise ApiError(400, message, param=param, code=f"unknown_{param}") from None
    voices = catalogue.select(locale=locale)
    if not voices:
        offered = ", ".join(sorted({voice.voice.locale for voice in catalogue}))
        raise ApiError(
            400,
            f"No model here speaks {locale}. Allowed: {offered}.",
            param="language",
            code="unknown_language",
        )
    wanted = gender or "female"
    for voice in voices:
        if voice.voice.gender == wanted:
            return voice
    raise ApiError(
        400,
        f"{locale} has no {wanted} voice here. Allowed: {', '.join(v.voice.gender for v in voices)}.",
        param="gender",
        code="unknown_gender",
    )
