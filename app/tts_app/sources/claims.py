"""Addresses of local paths: `file://`, and `pvc://` for a path in a mounted volume claim."""

from pathlib import Path

from tts_app.sources.base import SourceError, claims_folder, file_path


def local_path(uri: str) -> Path | None:
    """Return the local path of `uri`, or None where it is not one of this machine.

    Raises:
        SourceError: the claim is not mounted here, or the path leads out of it.
    """
    scheme, _, rest = uri.partition("://")
    if scheme == "file":
        return file_path(uri)
    return claimed(uri, rest) if scheme == "pvc" else None


def claimed(uri: str, path: str) -> Path:
    """Return the local path of `path`, a claim's name and a path inside it, which must stay in the claim.

    Raises:
        SourceError: the claim is not mounted here, or the path leads out of it.
    """
    claim, _, inside = path.partition("/")
    mounted = claims_folder() / claim
    if claim in ("", ".", ".."):
        raise SourceError(f"{uri}: {claim!r} is no claim's name. An address of a claim is pvc://claim/path.")
    if not mounted.is_dir():
        raise SourceError(
            f"{uri}: no claim {claim!r} is mounted in {claims_folder()}. On a cluster the operator "
            f"mounts it; elsewhere use file://, or name the folder of the claims in TTSP_CLAIMS."
        )
    found = (mounted / inside).resolve()
    if not found.is_relative_to(mounted.resolve()):
        raise SourceError(f"{uri}: {inside!r} leads out of the claim {claim!r}.")
    return found
