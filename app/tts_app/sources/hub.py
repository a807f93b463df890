"""`hf://` sources: a repository of a Hugging Face hub, at a pinned revision, by the hub's own client."""

import os
from collections.abc import Sequence
from pathlib import Path

from huggingface_hub import snapshot_download
from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError, RepositoryNotFoundError

from tts_app.sources.base import SourceError, cache_folder


def fetch_hub(repository: str, revision: str, patterns: Sequence[str] | None) -> Path:
    """Return the folder of `repository` at `revision`, downloading the files that match `patterns`.

    The client's own settings hold: HF_TOKEN, HF_ENDPOINT (a mirror), HF_HUB_OFFLINE.

    Raises:
        SourceError: it does not exist, is not allowed, or the hub cannot be reached and the cache lacks it.
    """
    try:
        folder = snapshot_download(
            repository,
            revision=revision,
            cache_dir=cache_folder() / "hub",
            endpoint=os.environ.get("HF_ENDPOINT"),
            allow_patterns=list(patterns) if patterns else None,
        )
    except RepositoryNotFoundError as error:
        raise SourceError(
            f"hf://{repository} does not exist or is private: check the name, or set HF_TOKEN."
        ) from error
    except LocalEntryNotFoundError as error:
        raise SourceError(
            f"hf://{repository} is not in the cache and the hub cannot be reached. Run `ttsp models fetch` "
            f"on a machine that can and copy the folder that TTSP_CACHE names (here {cache_folder()}), "
            f"set HF_ENDPOINT to a mirror, or use a package:// or file:// source."
        ) from error
    except HfHubHTTPError as error:
        raise SourceError(f"The hub refuses hf://{repository} at {revision}: {error}.") from error
    return Path(folder)
