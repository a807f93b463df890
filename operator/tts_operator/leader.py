"""Leader election by a Lease, as in Kubernetes' own controllers: only one of several operators works."""

import asyncio
import logging
from datetime import UTC, datetime, timedelta
from typing import Any

from tts_operator import metrics
from tts_operator.kube import Kube, KubeError
from tts_operator.objects import LEASE, Ref, rfc3339

logger = logging.getLogger(__name__)

NAME = "tts-operator"


class LeaseLostError(Exception):
    """Another operator may lead now: this one must stop."""


class Leader:
    """One candidate.

    A Lease is valid for `lease_seconds` after its last renewal. Every `renewal_seconds` the leader renews it,
    and the others try to get it.
    """

    def __init__(
        self, kube: Kube, namespace: str, identity: str, lease_seconds: int, renewal_seconds: float
    ) -> None:
        self._kube, self._namespace, self._identity = kube, namespace, identity
        self._lease_seconds, self._renewal_seconds = lease_seconds, renewal_seconds
        # Seconds since the last renewal after which the leader stops: a while before another may lead.
        self._patience = lease_seconds - renewal_seconds

    async def acquire(self) -> None:
        """Wait until this candidate leads."""
        while not await self._try():  # noqa: ASYNC110 - what is waited for is in the API server
            await asyncio.sleep(self._renewal_seconds)
        metrics.LEADER.set(1)
        logger.info("leading", extra={"identity": self._identity})

    async def hold(self) -> None:
        """Renew the Lease for ever.

        Raises:
            LeaseLostError: another candidate has it, or it could not be renewed in time.
        """
        clock = asyncio.get_running_loop().time
        renewed = clock()
        while True:
            await asyncio.sleep(self._renewal_seconds)
            now = clock()
            try:
                async with asyncio.timeout_at(renewed + self._patience):
                    held = await self._renew()
            except (KubeError, TimeoutError) as error:
                logger.warning("the Lease could not be renewed: %s", error or "no answer in time")
                held = clock() < renewed + self._patience
            else:
                renewed = now
            if not held:
                metrics.LEADER.set(0)
                raise LeaseLostError(f"Lease {self._namespace}/{NAME} is lost.")

    async def release(self) -> None:
        """Let the next candidate lead at once. Best effort: a Lease expires by itself."""
        try:
            lease = await self._kube.get(Ref(LEASE, NAME), self._namespace)
            if lease is not None and lease["spec"].get("holderIdentity") == self._identity:
                await self._write(lease, holder="")
        except KubeError as error:
            logger.warning("the Lease could not be released: %s", error)

    async def _try(self) -> bool:
        try:
            lease = await self._kube.get(Ref(LEASE, NAME), self._namespace)
            if lease is not None and _held(lease) and lease["spec"]["holderIdentity"] != self._identity:
                return False
            await self._write(lease, holder=self._identity)
        except KubeError as error:
            logger.warning("the Lease could not be taken: %s", error)
            return False
        return True

    async def _renew(self) -> bool:
        lease = await self._kube.get(Ref(LEASE, NAME), self._namespace)
        if lease is None or lease["spec"].get("holderIdentity") != self._identity:
            return False
        await self._write(lease, holder=self._identity)
        return True

    async def _write(self, lease: dict[str, Any] | None, holder: str) -> None:
        """Write the Lease in the version that was read; on a conflict another candidate was faster."""
        spec = {
            "holderIdentity": holder,
            "leaseDurationSeconds": self._lease_seconds,
            "renewTime": rfc3339(datetime.now(UTC), "microseconds"),
        }
        metadata: dict[str, Any] = {"name": NAME}
        manifest = {"apiVersion": LEASE.api_version, "kind": LEASE.name, "metadata": metadata, "spec": spec}
        if lease is None:
            await self._kube.create(manifest, self._namespace)
            return
        metadata["resourceVersion"] = lease["metadata"]["resourceVersion"]
        await self._kube.replace(manifest, self._namespace)


def _held(lease: dict[str, Any]) -> bool:
    spec = lease["spec"]
    if not spec.get("holderIdentity") or not spec.get("renewTime"):
        return False
    renewed = datetime.fromisoformat(spec["renewTime"])
    return datetime.now(UTC) < renewed + timedelta(seconds=spec.get("leaseDurationSeconds", 0))
