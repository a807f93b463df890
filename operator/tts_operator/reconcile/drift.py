"""Whether an object is as it should be: compared, so that what is right is not written again."""

import json
from collections.abc import Mapping
from hashlib import sha256
from typing import Any

from tts_operator.objects import APPLIED_ANNOTATION, Manifest


def stamped(manifest: Manifest) -> dict[str, Any]:
    """Return `manifest` with an annotation that tells one manifest from another."""
    digest = sha256(json.dumps(manifest, sort_keys=True).encode()).hexdigest()[:16]
    metadata = manifest["metadata"]
    annotations = {**metadata.get("annotations", {}), APPLIED_ANNOTATION: digest}
    return {**manifest, "metadata": {**metadata, "annotations": annotations}}


def matches(desired: Any, live: Any) -> bool:
    """Tell whether `live` has all of `desired`; what the server or others added does not count.

    A field that the last manifest had and this one has not is no difference here: the stamp is one then.
    """
    if live is None:  # the server drops what is empty
        return desired in (None, "", [], {})
    if isinstance(desired, Mapping):
        return isinstance(live, Mapping) and all(
            matches(want, live.get(key)) for key, want in desired.items()
        )
    if isinstance(desired, list):
        return (
            isinstance(live, list)
            and len(desired) == len(live)
            and all(matches(want, have) for want, have in zip(desired, live, strict=True))
        )
    return bool(desired == live)
