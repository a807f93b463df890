"""The gauges of the gateway: what it looks at, again and again."""

import asyncio

from tts_app.api.deps import Context
from tts_app.storage.room import local_stores, room_of
from tts_app.telemetry.metrics.build import BuildMetrics
from tts_app.telemetry.metrics.labels import Kind
from tts_app.telemetry.metrics.models import ModelMetrics
from tts_app.telemetry.metrics.storage import StorageMetrics
from tts_app.telemetry.showing import Showing

_PROBE = 2.0
"""Seconds that a model has to answer."""


def showing_of(context: Context) -> Showing:
    """Return what shows the gauges of the gateway that works with `context`."""
    models, storage, build = ModelMetrics(), StorageMetrics(), BuildMetrics()
    stores = local_stores(context.settings)

    def show_requests() -> None:
        context.http.show()
        context.service.served.show_queues()
        context.text.served.show_queues()
        build.show()

    async def show_models() -> None:
        for kind, served in ((Kind.SPEECH, context.service.served), (Kind.TEXT, context.text.served)):
            for name, ready in (await served.ready(_PROBE)).items():
                models.ready(kind, name, ready)

    async def show_room() -> None:
        for store, place in stores.items():
            storage.room(store, *await asyncio.to_thread(room_of, place))

    return Showing(show_requests, show_models, show_room, context.batches.show)
