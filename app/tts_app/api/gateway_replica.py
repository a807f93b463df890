"""The gateway deployment: the API as Ray Serve runs it, with the catalogue that `user_config` brings."""

import asyncio
import logging
from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI
from ray import serve

from tts_app.api.app import create_app
from tts_app.api.deps import Context
from tts_app.api.listener import Address
from tts_app.api.metering import metering_of
from tts_app.api.ray_proxy import dashboard_of
from tts_app.api.recording import recording_of
from tts_app.api.voices import decoding_of
from tts_app.batch.hosted import HostedBatches
from tts_app.catalogue import CatalogueVoice
from tts_app.engines.base import Clip
from tts_app.profiles import UNENCRYPTED
from tts_app.resources import TextModel, VoiceModel, served_model
from tts_app.security.authenticator import Authenticator
from tts_app.security.issuing import Issuer
from tts_app.security.key_file import KeyFile
from tts_app.security.provider import provider_of
from tts_app.serving.clones import clones_of
from tts_app.serving.durable import DurableSpeeches
from tts_app.serving.gc_tuning import tune
from tts_app.serving.service import SpeechService
from tts_app.serving.writing import TextService
from tts_app.settings import gateway_settings
from tts_app.storage.api_keys import ApiKeys
from tts_app.storage.audio import AudioStore
from tts_app.storage.audit import AuditRows
from tts_app.storage.batches import Batches
from tts_app.storage.database import Database
from tts_app.storage.speeches import Speeches
from tts_app.telemetry.logs import Fingerprint, log, set_up
from tts_app.telemetry.metrics.speech import SpeechMetrics
from tts_app.telemetry.metrics.text import TextMetrics
from tts_app.tenants import DEFAULT_TENANT


class Gateway:
    """A replica of the gateway."""

    def __init__(self, listens: Mapping[str, Any]) -> None:
        """`listens`: where it listens itself, the fields of `Address`; empty where Serve's proxies listen."""
        self._address = Address.model_validate(listens) if listens else None
        settings = gateway_settings(proxied=self._address is None)
        set_up("gateway", settings.log_level, settings.log_dir)
        if settings.profile == "regulated":
            log("not encrypted at rest", level=logging.WARNING, detail=UNENCRYPTED)
        store = AudioStore(settings.audio_output)
        database = Database(settings.database)
        clones = clones_of(settings, database, proxied=self._address is None)
        self._service = SpeechService(settings.queue, SpeechMetrics(), settings.weights, clones)
        self._text = TextService(settings.queue, TextMetrics(), settings.weights)
        metering = metering_of(settings, database)
        self._durable = DurableSpeeches(
            self._service,
            Speeches(database),
            store,
            workers=settings.durable_workers,
            limit=settings.durable_queue,
            weights=settings.weights,
            ended=metering.speech_ended,
        )
        fingerprint = Fingerprint.from_file(settings.state / "text-hash.key")
        models, ran = (lambda: self._service.models), metering.batch_ran
        batches = HostedBatches(models, Batches(database), settings, fingerprint, ran=ran, clones=clones)
        keys, pepper = ApiKeys(database), settings.key_pepper()
        known = KeyFile(settings.keys_file, keys) if settings.keys_file else keys
        self._context = Context(
            settings,
            self._service,
            self._text,
            self._durable,
            batches,
            store,
            database,
            fingerprint,
            keys,
            Issuer(keys, pepper),
            Authenticator(
                known,
                pepper,
                api_key=settings.api_key.get_secret_value() if settings.api_key else None,
                key_required=settings.asks_for_key,
                provider=provider_of(settings),
            ),
            metering,
            AuditRows(database),
            recording_of(settings, database),
            clones,
            decoding_of(settings),
            proxied=self._address is None,
            dashboard=dashboard_of(settings),
        )

    def __serve_build_asgi_app__(self) -> FastAPI:
        """Return the API; Ray Serve calls it in the replica, once."""
        tune()
        return create_app(self._context, self._address)

    async def find_clone(self, voice_id: str) -> CatalogueVoice:
        """Return a cloned voice of the default tenant, for a job of this cluster.

        Raises:
            UnknownVoiceError: there is none.
        """
        return await asyncio.to_thread(
            self._context.clones.find, DEFAULT_TENANT, voice_id, self._service.models
        )

    async def clip_of(self, voice_id: str) -> Clip:
        """Return the clip of a cloned voice of the default tenant, for a job of this cluster.

        Raises:
            EngineError: the voice cannot be used any more.
        """
        return await asyncio.to_thread(self._context.clones.clip, DEFAULT_TENANT, voice_id)

    async def reconfigure(self, user_config: dict[str, Any]) -> None:
        """Switch to the models of `user_config`; running requests continue."""
        models = await asyncio.to_thread(_models, user_config)
        self._service.reconfigure(model for model in models if isinstance(model, VoiceModel))
        self._text.reconfigure(model for model in models if isinstance(model, TextModel))


GatewayIngress = serve.ingress(None)(Gateway)
"""The gateway as Serve runs it, wrapped in what answers HTTP."""


def _models(user_config: dict[str, Any]) -> list[VoiceModel | TextModel]:
    return [served_model(model) for model in user_config["models"]]
