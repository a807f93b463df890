"""How much room there is where the service keeps its things."""

import shutil
from collections.abc import Mapping
from pathlib import Path

from fsspec.core import url_to_fs
from fsspec.implementations.local import LocalFileSystem
from sqlalchemy import make_url

from tts_app.settings import Settings
from tts_app.telemetry.metrics.storage import Store


def local_stores(settings: Settings) -> Mapping[Store, Path]:
    """Return the folders or files of the stores that are on a local file system."""
    stores = {Store.LOGS: settings.log_dir or settings.state}
    database = make_url(settings.database)
    if database.get_backend_name() == "sqlite" and database.database:
        stores[Store.DATABASE] = Path(database.database)
    file_system, folder = url_to_fs(settings.audio_output)
    if isinstance(file_system, LocalFileSystem):
        stores[Store.AUDIO] = Path(folder)
    return stores


def room_of(place: Path) -> tuple[int, int]:
    """Return the free bytes and all bytes of the file system of a place that need not exist yet. Blocking.

    Free is what this service may use: file systems keep some for root.

    Raises:
        OSError: the file system does not answer.
    """
    there = next(path for path in (place.absolute(), *place.absolute().parents) if path.exists())
    usage = shutil.disk_usage(there)
    return usage.free, usage.total
