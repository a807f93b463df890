"""Reads posts in several forms, one at a time; every fault says where it is."""

import io
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fsspec

from tts_app.batch.kept_aside import KeepAside, forget
from tts_app.batch.post_json import json_array, json_lines
from tts_app.batch.post_lines import LINE_BYTES, encoding_of, in_utf8
from tts_app.batch.post_record import Fault, PostsError, Reading, is_language, read_record
from tts_app.batch.post_table import has_head, read_table
from tts_app.resources.locales import LOCALE_PATTERN, canonical_locale, with_hyphens
from tts_app.resources.tts_job import Post, Posts
from tts_app.sources.base import SourceError
from tts_app.sources.claims import local_path

_TEXT_FILE = re.compile(
    rf"(?:post_)?(\d{{1,9}})[._](?P<language>{LOCALE_PATTERN.strip('^$').replace('(-', '([-_]')})\.txt"
)
_CONTROL = re.compile(r"[\x00-\x08\x0e-\x1f]")
"""What no text has: one in UTF-16 without a byte order mark, read as UTF-8, has it."""
_TABLES = (".csv", ".tsv", ".tab")


def read_posts(posts: Posts, config_maps: Path, keep_aside: KeepAside = forget) -> Iterator[Post | Fault]:
    """Yield each post, or what is wrong with its record.

    Posts are a file of records or a folder of text files `<id>.<language>.txt`. A file is in UTF-8 or UTF-16,
    and has JSON lines, a JSON array, or a table: a column `id`, and one for each language or locale, so
    Indonesian is `id-ID`, with commas, semicolons or tabs between them. `keep_aside` gets what a record has
    beside these. The folder `config_maps` has the ConfigMaps, as `<name>/<key>`.

    Raises:
        PostsError: there are none, or they cannot be read.
    """
    if posts.inline is not None:
        yield from posts.inline
        return
    if posts.config_map_ref is not None:
        reference = posts.config_map_ref
        url = str(config_maps / reference.name / reference.key)
        if not Path(url).is_file():
            raise PostsError(
                f"there is no key {reference.key!r} of ConfigMap {reference.name!r} here ({url}): outside a "
                f"cluster a ConfigMap is a folder, and --config-maps names the folder of these"
            )
    else:
        url = _located(posts.uri or "")
    reading = Reading(posts.strict, keep_aside)
    try:
        store, path = fsspec.core.url_to_fs(url, use_listings_cache=False)
        if store.isdir(path):
            yield from _folder(store, path, reading)
        else:
            # The files of stores have no `readline` with a limit.
            with store.open(path, "rb") as opened, io.BufferedReader(opened) as file:
                yield from _file(in_utf8(file), path, reading)
    except ImportError as error:
        raise PostsError(f"{posts.uri}: the store's client is missing: {error}") from error
    except PostsError:
        raise
    except Exception as error:  # the stores' clients have errors of their own
        raise PostsError(f"{posts.uri or url} cannot be read: {type(error).__name__}: {error}") from error


def _located(uri: str) -> str:
    try:
        return str(local_path(uri) or uri)
    except SourceError as error:
        raise PostsError(str(error)) from error


def _file(file: io.BufferedReader, path: str, reading: Reading) -> Iterator[Post | Fault]:
    """Yield the posts of a file: its name says that it is a table, or else its beginning what it is."""
    beginning = file.peek(1).lstrip(b"\xef\xbb\xbf \t\r\n")
    if path.lower().endswith(_TABLES):
        return read_table(file, reading)
    if beginning.startswith(b"["):
        return json_array(file, reading)
    is_table = not beginning.startswith(b"{") and has_head(beginning.partition(b"\n")[0])
    return read_table(file, reading) if is_table else json_lines(file, reading)


def _folder(store: Any, path: str, reading: Reading) -> Iterator[Post | Fault]:
    texts: dict[int, dict[str, str]] = {}
    for entry in sorted(store.ls(path, detail=True), key=lambda entry: str(entry["name"])):
        name = entry["name"].rstrip("/").rpartition("/")[2]
        if name.startswith(".") or entry["name"].rstrip("/") == path.rstrip("/"):
            continue  # an object store may have an empty object for the folder itself
        match = _TEXT_FILE.fullmatch(name)
        if (
            match is None
            or not is_language(match["language"])
            or not (entry["type"] == "file" or _is_inner_link(entry, path))
        ):
            yield Fault(
                name, "files of a folder of posts are called <id>.<language>.txt, such as 7.en-GB.txt"
            )
        elif entry["size"] > LINE_BYTES:
            yield Fault(name, f"it has more than {LINE_BYTES >> 20} MiB")
        else:
            content = store.cat_file(entry["name"])
            encoding = encoding_of(content[:4])
            try:
                text = content.decode("utf-8-sig" if encoding == "utf-8" else encoding).strip()
            except UnicodeDecodeError as error:
                known = encoding.upper()
                yield Fault(name, f"it is not {known}: {error.reason} at byte {error.start}")
                continue
            if _CONTROL.search(text):
                yield Fault(name, f"it is not {encoding.upper()}: it has control characters")
                continue
            post = texts.setdefault(int(match[1]), {})
            language = canonical_locale(with_hyphens(match["language"]))
            if language in post:
                yield Fault(name, f"another file has the text of post {int(match[1])} in {language}")
            post[language] = text
    for number, text in sorted(texts.items()):
        yield read_record({"id": number, "text": text}, f"post {number}", reading)


def _is_inner_link(entry: Any, folder: str) -> bool:
    """Return whether the entry is a link to a file below the folder: Kubernetes mounts files that way."""
    if not entry.get("islink"):
        return False
    target = Path(entry["name"]).resolve()
    return target.is_file() and target.is_relative_to(Path(folder).resolve())
