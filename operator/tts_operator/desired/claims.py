"""The volume claims of a service, and the nodes that they tie pods to."""

from collections.abc import Iterable
from typing import Any

from tts_app.resources import Playground
from tts_operator.objects import GROUP

CLAIM_LABEL = f"{GROUP}/claim-"
"""Before the name of a claim that one node has at a time: on the pods that mount it, which are together."""


def audio_claim_of(playground: Playground) -> str:
    """Return the claim that a service's audio is on."""
    return playground.spec.storage.audio.existing_claim or f"{playground.name}-audio"


def cache_claim_of(playground: Playground) -> str:
    """Return the claim that the files of a service's models are fetched into."""
    return playground.spec.storage.cache.existing_claim or f"{playground.name}-cache"


def labels_of(playground: Playground, mounted: Iterable[str]) -> dict[str, str]:
    """Return the labels of a pod for those of the `mounted` claims that one node has at a time.

    Of a claim that the operator did not make nothing is known.
    """
    storage = playground.spec.storage
    volumes = {audio_claim_of(playground): storage.audio, cache_claim_of(playground): storage.cache}
    return {
        f"{CLAIM_LABEL}{claim}": ""
        for claim, volume in sorted(volumes.items())
        if claim in mounted and volume.existing_claim is None and volume.access_mode == "ReadWriteOnce"
    }


def affinity(labels: Iterable[str]) -> dict[str, Any]:
    """Return the affinity that puts a pod with these labels of claims beside the others that have them.

    The scheduler does not look where a claim is attached: without this the head of a cluster that takes over
    waits on another node for the volume that the running one has. The first pod goes anywhere.
    """
    return {
        "podAffinity": {
            "requiredDuringSchedulingIgnoredDuringExecution": [
                {"labelSelector": {"matchLabels": {label: ""}}, "topologyKey": "kubernetes.io/hostname"}
                for label in labels
            ]
        }
    }
