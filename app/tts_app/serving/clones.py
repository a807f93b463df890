"""Cloned voices as they are used: found by tenant, their clips decrypted when a replica asks for them.

Each use reads the database: a voice that was revoked by another gateway is not used here any more.
"""

import asyncio
import json
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any

import numpy as np

from tts_app.audio.frames import to_pcm16
from tts_app.audio.samples import Audio
from tts_app.catalogue import CatalogueVoice, UnknownVoiceError, is_clone
from tts_app.cloning.clips import GetClip, digest_of
from tts_app.cloning.sandbox import CLIP_RATE
from tts_app.cloning.vault import Vault
from tts_app.engines.base import Clip, EngineError
from tts_app.resources import Voice, VoiceModel
from tts_app.settings import Settings
from tts_app.storage.acts import UNRECORDED, Act
from tts_app.storage.database import Database
from tts_app.storage.voices import ClonedVoice, ClonedVoices


class NoVaultError(Exception):
    """There is no key with which voices are encrypted; the message says what to set."""

    def __init__(self) -> None:
        super().__init__(
            "Voices are stored encrypted, and no key for that is set: name a file of at least 32 random "
            "characters in TTSP_VOICE_KEY_FILE (on a cluster: security.voices.keySecret of the Playground)."
        )


@dataclass(frozen=True, slots=True)
class Record:
    """What is known of a cloned voice; stored encrypted."""

    name: str
    transcript: str
    """The words of the clip."""
    consent: dict[str, Any]
    """The record of the consent, as it was sent."""
    measured: dict[str, float]
    """Of the clip: seconds, signal-to-noise ratio and so on."""
    speakers: dict[str, Any]
    """Whether the speakers of clip and consent were compared, and how alike they are."""


@dataclass(frozen=True, slots=True)
class NewVoice:
    """A voice to be stored."""

    id: str
    model: str
    locale: str
    gender: str
    expires: float | None
    record: Record
    clip: Audio
    """Mono, at `CLIP_RATE`."""
    consent_clip: Audio
    idempotency_key: str | None = None
    request_hash: str | None = None
    """Keyed hash of the request, where it has a key."""


class Clones:
    """The cloned voices of all tenants. Blocking, but for `getter`: call it in threads."""

    def __init__(self, voices: ClonedVoices, vault: Vault | None) -> None:
        self._voices = voices
        self._vault = vault

    @property
    def vault(self) -> Vault:
        """What encrypts voices. Raises NoVaultError."""
        if self._vault is None:
            raise NoVaultError
        return self._vault

    def add(self, tenant: str, new: NewVoice, act: Act = UNRECORDED) -> ClonedVoice:
        """Encrypt and store a voice; return it, or the one that the same request made meanwhile.

        Raises:
            IdempotencyConflictError: its key was used for another request.
            NoVaultError, AuditError: it cannot be stored.
        """
        clip, consent_clip = (to_pcm16(audio).tobytes() for audio in (new.clip, new.consent_clip))
        parts = {
            "record": json.dumps(asdict(new.record)).encode(),
            "clip": clip,
            "consent_clip": consent_clip,
        }
        wrapped_key, sealed = self.vault.seal(tenant, new.id, parts)
        voice = ClonedVoice(
            id=new.id,
            created=time.time(),
            expires=new.expires,
            model=new.model,
            locale=new.locale,
            gender=new.gender,
            digest=digest_of(new.id, _samples(clip), new.record.transcript),
            wrapped_key=wrapped_key,
            idempotency_key=new.idempotency_key,
            request_hash=new.request_hash,
            **sealed,
        )
        return self._voices.add(tenant, voice, act)

    def repeated(self, tenant: str, key: str, request_hash: str) -> tuple[ClonedVoice, Record] | None:
        """Return the voice that the same request made before; None if it is the first with its key.

        Raises:
            IdempotencyConflictError: the key was used for another request.
            NoVaultError, VaultError: the voice cannot be read.
        """
        found = self._voices.repeated(tenant, ClonedVoice(idempotency_key=key, request_hash=request_hash))
        return None if found is None else (found, self._record(found))

    def list(self, tenant: str) -> list[tuple[ClonedVoice, Record]]:
        """Return the voices that are not revoked. Raises NoVaultError, VaultError."""
        return [(voice, self._record(voice)) for voice in self._voices.list(tenant)]

    def get(self, tenant: str, voice_id: str) -> tuple[ClonedVoice, Record] | None:
        """Return a voice that is not revoked, or None. Raises NoVaultError, VaultError."""
        voice = self._voices.get(tenant, voice_id)
        return None if voice is None or voice.revoked is not None else (voice, self._record(voice))

    def count(self, tenant: str) -> int:
        """Return how many voices a tenant has that are not revoked."""
        return self._voices.count(tenant)

    def revoke(self, tenant: str, voice_id: str, act: Act = UNRECORDED) -> ClonedVoice | None:
        """Destroy what is stored of a voice; return what is left of it, or None if there is none.

        It must not need the key: a voice can be revoked whose key is lost. Raises AuditError.
        """
        if self._voices.revoke(tenant, voice_id, time.time(), act) is None:
            return None
        return self._voices.get(tenant, voice_id)

    def find(self, tenant: str, voice_id: str, models: Iterable[VoiceModel]) -> CatalogueVoice:
        """Return a voice that can be used now, spoken by one of `models`, those that are served.

        Raises:
            UnknownVoiceError: there is none of that id, or it was revoked, or its consent has ended, or its
                model is not among them.
            NoVaultError, VaultError: it cannot be read.
        """
        voice = self._usable(tenant, voice_id)
        model = next((model for model in models if model.name == voice.model), None)
        if model is None:
            raise UnknownVoiceError(
                f"The voice {voice_id!r} is spoken by the model {voice.model!r}, which is not served now."
            )
        return CatalogueVoice(
            model.name,
            model.spec.engine,
            Voice.model_validate({"locale": voice.locale, "gender": voice.gender, "speaker": voice.id}),
            model.spec.license,
            clone=voice.id,
            consent=str(self._record(voice).consent["id"]),
            clip=voice.digest,
        )

    def clip(self, tenant: str, voice_id: str) -> Clip:
        """Return the clip of a voice that can be used now.

        Raises:
            EngineError: it cannot be used any more.
            NoVaultError, VaultError: it cannot be read.
        """
        try:
            voice = self._usable(tenant, voice_id, with_clip=True)
        except UnknownVoiceError as error:
            raise EngineError(str(error.args[0])) from error
        samples = _samples(self._open(voice, "clip"))
        return Clip(voice.digest, samples, CLIP_RATE, self._record(voice).transcript)

    def getter(self, tenant: str, voice: CatalogueVoice) -> GetClip | None:
        """Return what reads the clip of a voice when it is asked for; None if it is no cloned voice."""
        if not voice.clone:
            return None
        return partial(asyncio.to_thread, self.clip, tenant, voice.clone)

    def _usable(self, tenant: str, voice_id: str, *, with_clip: bool = False) -> ClonedVoice:
        voice = self._voices.get(tenant, voice_id, with_clip=with_clip) if is_clone(voice_id) else None
        if voice is None:
            raise UnknownVoiceError(f"There is no voice {voice_id[:60]!r}. GET /v1/voices lists yours.")
        if voice.revoked is not None:
            raise UnknownVoiceError(f"The voice {voice_id!r} was revoked: choose another one.")
        if voice.expires is not None and voice.expires <= time.time():
            last_day = datetime.fromtimestamp(voice.expires - 1, UTC).date().isoformat()
            raise UnknownVoiceError(
                f"The consent for the voice {voice_id!r} has ended with {last_day}: clone it with a new one."
            )
        return voice

    def _record(self, voice: ClonedVoice) -> Record:
        return Record(**json.loads(self._open(voice, "record")))

    def _open(self, voice: ClonedVoice, name: str) -> bytes:
        if voice.wrapped_key is None:  # revoked since it was read
            raise UnknownVoiceError(f"The voice {voice.id!r} was revoked: choose another one.")
        return self.vault.open(voice.tenant, voice.id, voice.wrapped_key, name, getattr(voice, name))


def _samples(pcm: bytes) -> Audio:
    """Return stored samples, shape (n,)."""
    samples: Audio = np.frombuffer(pcm, "<i2").astype(np.float32) / np.float32(32_768)
    return samples


def clones_of(settings: Settings, database: Database, *, proxied: bool) -> Clones:
    """Return the cloned voices of `database`, with the key that `settings` name or make.

    Raises:
        OSError, ValueError: the key cannot be read, or is too short.
    """
    key = settings.voice_key(proxied=proxied)
    return Clones(ClonedVoices(database), None if key is None else Vault(key))
