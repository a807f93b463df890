"""Writes statuses, each with the Event for its change."""

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime

from tts_operator.kube import NOT_FOUND, Kube, KubeError
from tts_operator.objects import Manifest, rfc3339
from tts_operator.observed.events import event_of
from tts_operator.observed.statuses import StatusUpdate

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class StatusWriter:
    """Writes only statuses that changed."""

    kube: Kube
    now: Callable[[], datetime]
    """Returns the time, in UTC."""
    instance: str
    """The reporter of Events."""

    async def write(self, update: StatusUpdate, namespace: str) -> None:
        """Write a status and the Event for its change, unless the resource has that status already.

        Ignore a resource that is gone or has changed since it was read: its change makes it due.

        Raises:
            KubeError: the API server did not answer, or refused the status or the Event.
        """
        now = self.now()
        if not update.is_change(now):
            return
        live = await self.kube.get(update.ref, namespace)
        if live is None or not update.is_of(live):
            return
        update = replace(update, resource=live)
        if not update.is_change(now):
            return
        after = update.after(now)
        name = live["metadata"]["name"]
        body = {"apiVersion": live["apiVersion"], "kind": live["kind"], "metadata": {"name": name}}
        try:
            await self.kube.apply_status({**body, "status": after}, namespace)
        except KubeError as error:
            if error.status == NOT_FOUND:  # it was deleted meanwhile
                return
            raise
        event = event_of(live, update.before, after, rfc3339(now, "microseconds"), self.instance)
        if event is not None:
            _log(event)
            await self.kube.create(event, namespace)


def _log(event: Manifest) -> None:
    """Log the news of an Event, but not its message: it may quote a post."""
    about = event["regarding"]
    level = logging.WARNING if event["type"] == "Warning" else logging.INFO
    extra = {"kind": about["kind"], "resource": about["name"], "reason": event["reason"]}
    logger.log(level, "status changed", extra=extra)
