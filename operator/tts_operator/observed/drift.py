"""Compares an object with its manifest, so that an object that matches is not written again."""

import json
from hashlib import sha256
from typing import Any

from tts_operator.objects import APPLIED_ANNOTATION, Manifest, differences


def stamped(manifest: Manifest) -> dict[str, Any]:
    """Return `manifest` with an annotation that distinguishes it from any other manifest."""
    digest = sha256(json.dumps(manifest, sort_keys=True).encode()).hexdigest()[:16]
    metadata = manifest["metadata"]
    annotations = {**metadata.get("annotations", {}), APPLIED_ANNOTATION: digest}
    return {**manifest, "metadata": {**metadata, "annotations": annotations}}


def stamp_of(manifest: Manifest) -> str:
    """Return the stamp of a stamped manifest, which distinguishes it from any other."""
    return str(manifest["metadata"]["annotations"][APPLIED_ANNOTATION])


def matches(desired: Manifest, live: Manifest) -> bool:
    """Return whether `live` has all of `desired`; additions by the server or others do not count.

    A field that the last manifest had and this one lacks is not compared, but then the stamps differ.
    """
    return not differences(desired, live)
