"""`hf://` sources: a repository of a Hugging Face hub, at a pinned revision, by the hub's own client."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from huggingface_hub import snapshot_download
from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError, RepositoryNotFoundError
from tqdm import tqdm

from tts_app.sources.base import Progress, SourceError, cache_folder, no_progress
from tts_app.sources.record import check_recorded


def fetch_hub(
    repository: str, revision: str, patterns: Sequence[str] | None, progress: Progress = no_progress
) -> Path:
    """Return the folder of `repository` at `revision`, downloading the files that match `patterns`.

    The client's own settings hold: HF_TOKEN, HF_ENDPOINT (a mirror), HF_HUB_OFFLINE.

    Raises:
        SourceError: it does not exist, access is denied, the hub cannot be reached and the cache lacks it, or
            a file is another one than was fetched first.
    """
    cache = cache_folder() / "hub"
    try:
        folder = snapshot_download(
            repository,
            revision=revision,
            cache_dir=cache,
            endpoint=os.environ.get("HF_ENDPOINT"),
            allow_patterns=list(patterns) if patterns else None,
            tqdm_class=_telling(repository, progress),
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
    record = cache / "records" / f"{repository.replace('/', '--')}@{revision}.json"
    check_recorded(Path(folder), record, f"hf://{repository} at {revision}")
    return Path(folder)


def _telling(repository: str, progress: Progress) -> type[Any]:
    """Return a progress bar that shows nothing and reports the bytes of all files together to `progress`.

    The client counts written bytes in one bar, and files and network transfers in others.
    """

    class Bar(tqdm):  # type: ignore[misc]
        def __init__(self, *arguments: Any, **options: Any) -> None:
            self._counts = options.get("unit") == "B"
            self._written = 0.0
            super().__init__(*arguments, **{**options, "disable": True})

        def update(self, n: float | None = 1) -> None:
            if self._counts and n:
                self._written += n
                progress(repository, int(self._written), int(self.total) if self.total else None)

    return Bar
