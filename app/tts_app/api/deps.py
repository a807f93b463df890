"""What routes depend on: the service of this replica, a JSON body.

They are coroutines: FastAPI runs a plain function in a thread, and for that it looks through all tasks of the
event loop; there are thousands.
"""

from dataclasses import dataclass, field
from typing import Annotated

from fastapi import Depends, Request

from tts_app.api.errors import ApiError
from tts_app.api.metering import Metering
from tts_app.api.ray_proxy import RayDashboard
from tts_app.api.recording import Recording
from tts_app.api.scopes import principal_of
from tts_app.batch.hosted import HostedBatches
from tts_app.security.authenticator import Authenticator
from tts_app.security.issuing import Issuer
from tts_app.security.principal import Principal
from tts_app.serving.admission import Admission
from tts_app.serving.clones import Clones
from tts_app.serving.durable import DurableSpeeches
from tts_app.serving.service import SpeechService
from tts_app.serving.writing import TextService
from tts_app.settings import Settings
from tts_app.storage.api_keys import ApiKeys
from tts_app.storage.audio import AudioStore
from tts_app.storage.audit import AuditRows
from tts_app.storage.database import Database
from tts_app.telemetry.logs import Fingerprint
from tts_app.telemetry.metrics.http import HttpMetrics


@dataclass(frozen=True, slots=True)
class Context:
    """What the routes work with."""

    settings: Settings
    service: SpeechService
    text: TextService
    durable: DurableSpeeches
    batches: HostedBatches
    store: AudioStore
    database: Database
    fingerprint: Fingerprint
    keys: ApiKeys
    issuer: Issuer
    authenticator: Authenticator
    metering: Metering
    audit: AuditRows
    recording: Recording
    clones: Clones
    decoding: Admission
    """Who may have recordings decoded now."""
    proxied: bool = False
    """Whether requests come through Ray Serve's proxy."""
    http: HttpMetrics = field(default_factory=HttpMetrics)
    dashboard: RayDashboard | None = None
    """Ray's dashboard, where administrators may see it."""


async def _context(request: Request) -> Context:
    context: Context = request.app.state.context
    return context


Playground = Annotated[Context, Depends(_context)]


async def _caller(request: Request) -> Principal:
    return principal_of(request.scope)


Caller = Annotated[Principal, Depends(_caller)]


async def _tenant(request: Request) -> str:
    return principal_of(request.scope).tenant


Tenant = Annotated[str, Depends(_tenant)]
"""Whose request it is: routes reach what is stored through it."""


async def json_only(request: Request) -> None:
    """Refuse bodies that are not JSON."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise ApiError(415, "The body must be JSON, with `Content-Type: application/json`.")
