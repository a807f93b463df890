"""The volume claims of a service, and how they tie pods to nodes."""

from collections.abc import Iterable
from typing import Any

from tts_app.resources import Playground
from tts_operator.objects import GROUP

CLAIM_LABEL = f"{GROUP}/claim-"
"""Prefix of a claim's name, in a label of the pods that mount it, if only one node can mount it at a time."""


def audio_claim_of(playground: Playground) -> str:
    """Return the claim that a service's audio is on."""
    return playground.spec.storage.audio.existing_claim or f"{playground.name}-audio"


def cache_claim_of(playground: Playground) -> str:
    """Return the claim into which the files of a service's models are fetched."""
    return playground.spec.storage.cache.existing_claim or f"{playground.name}-cache"


def labels_of(playground: Playground, mounted: Iterable[str]) -> dict[str, str]:
    """Return the labels of a pod for those of the `mounted` claims that only one node can mount at a time.

    For a claim that the operator did not make, this is unknown, so it has no label.
    """
    storage = playground.spec.storage
    volumes = {audio_claim_of(playground): storage.audio, cache_claim_of(playground): storage.cache}
    return {
        f"{CLAIM_LABEL}{claim}": ""
        for claim, volume in sorted(volumes.items())
        if claim in mounted and volume.existing_claim is None and volume.access_mode == "ReadWriteOnce"
    }


def affinity(labels: Iterable[str]) -> dict[str, Any]:
    """Return the affinity that puts a pod with these claim labels on the node of the others that have them.

    The scheduler does not consider where a claim is attached: without this the head of a cluster that takes
    over may wait on another node for the volume that the running cluster has. The first pod can go to any
    node.
    """
    return {
        "podAffinity": {
            "requiredDuringSchedulingIgnoredDuringExecution": [
                {"labelSelector": {"matchLabels": {label: ""}}, "topologyKey": "kubernetes.io/hostname"}
                for label in labels
            ]
        }
    }
