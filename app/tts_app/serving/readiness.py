"""Why a model does not answer, according to Ray Serve."""

import asyncio
import re
from typing import NamedTuple

from ray import serve
from ray.exceptions import RayError
from ray.serve.exceptions import RayServeException
from ray.serve.schema import ApplicationStatus, ApplicationStatusOverview, ServeStatus

_PATIENCE = 2.0
"""Seconds that Serve's controller has to answer."""
_LONGEST = 500
"""Characters of Serve's message that are passed on."""

_PATH = re.compile(r"""file://[^\s'"]+|(?<![\w:/.])/[^\s:;,'"()]+""")
"""A path of this machine; addresses such as hf://a/b are none."""


class Readiness(NamedTuple):
    """What Serve says about a model."""

    running: bool | None
    """Whether it has a replica that may answer; None if Serve does not say."""
    reason: str
    """Why it does not answer, in a sentence."""


async def look(model: str) -> Readiness:
    """Return what Serve says about `model` now."""
    status = await _status()
    if status is None:
        return Readiness(None, "Ray Serve does not say why.")
    return Readiness(bool(_replicas(status, model)), reason(status, model))


async def is_deployed(model: str) -> bool:
    """Return whether Serve has the model's application up, with or without replicas."""
    status = await _status()
    application = None if status is None else status.applications.get(model)
    return application is not None and application.status == ApplicationStatus.RUNNING


async def _status() -> ServeStatus | None:
    try:
        async with asyncio.timeout(_PATIENCE):
            return await asyncio.to_thread(serve.status)
    except (TimeoutError, RayError, RayServeException):
        return None


def reason(status: ServeStatus, model: str) -> str:
    """Return, in a sentence, what `status` says about `model`."""
    application = status.applications.get(model)
    if application is None:
        return "it is not deployed yet."
    match application.status:
        case ApplicationStatus.DEPLOY_FAILED:
            why = f"it does not start. {_last_words(application)}"
        case ApplicationStatus.UNHEALTHY:
            why = f"it has broken down and is being started again. {_last_words(application)}"
        case ApplicationStatus.RUNNING if not _replicas(status, model):
            why = "it had nothing to do and is being started again."
        case ApplicationStatus.RUNNING:
            why = "its replicas are busy, or are being started again."
        case ApplicationStatus.DELETING:
            why = "it is being removed."
        case _:
            why = "it is still being loaded."
    return why.strip()


def _replicas(status: ServeStatus, model: str) -> int:
    application = status.applications.get(model)
    deployments = [] if application is None else application.deployments.values()
    return sum(
        number for d in deployments for state, number in d.replica_states.items() if state == "RUNNING"
    )


def _last_words(application: ApplicationStatusOverview) -> str:
    """Return the message of a deployment, or else of the application; of a traceback only its last line.

    Callers of the API are told it, so it has no path of the server: `ttsp serve`, the resource's status on a
    cluster and the log have them.
    """
    said = [d.message for d in application.deployments.values() if d.status in ("DEPLOY_FAILED", "UNHEALTHY")]
    lines = [line.strip() for line in "\n".join([*said, ""]).splitlines() if line.strip()]
    words = (lines or application.message.strip().splitlines() or [""])[-1]
    return _PATH.sub("(path)", words)[:_LONGEST]
