"""The items of a batch of the API: the status of each, and the audio that exists.

They are read from the batch's spec and from the ledger, never from a model: models change and are removed,
and what they have spoken stays.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice, product
from typing import Any, Literal, NamedTuple

from tts_app.audio.formats import FORMATS
from tts_app.batch.ledger import read_records
from tts_app.batch.names import Label, file_name, parse_label
from tts_app.batch.plan import text_for
from tts_app.resources.tts_job import TTSJobSpec
from tts_app.storage.output import Output

ItemStatus = Literal["pending", "done", "failed"]


@dataclass(frozen=True, slots=True)
class Filter:
    """Which items are asked for; None asks for all."""

    status: ItemStatus | None = None
    locale: str | None = None
    gender: str | None = None
    post: int | None = None


class _Item(NamedTuple):
    number: int
    post: int
    label: Label
    file: str


class Items:
    """The items of one batch, whose posts are in its spec, with the ledger's last records. Blocking."""

    def __init__(self, spec: TTSJobSpec, avatars: Sequence[str], output: Output) -> None:
        """Read the ledger and the list of files. If no avatars are given, the ledger's are used.

        Raises:
            OSError: they cannot be read.
        """
        self._spec = spec
        secret = output.secret(make=False)
        self._last = {record["file"]: (line, record) for line, record in read_records(output, secret)}
        self._avatars = avatars or _named(record for _, record in self._last.values())
        self._sizes = _sizes(output)

    def page(self, wanted: Filter, after: int, limit: int) -> list[dict[str, Any]]:
        """Return up to `limit` items whose number is greater than `after`, in the order of the posts."""
        return list(islice(self._matching(wanted, after), limit))

    def finished(self) -> Iterator[tuple[bytes, dict[str, Any]]]:
        """Yield the ledger's line and record of each item whose audio exists, in the order of the posts."""
        for item in self._all():
            if self._status(item) == "done":
                yield self._last[item.file]

    def _all(self) -> Iterator[_Item]:
        """Yield the items with the numbers that a plan gives them."""
        output = self._spec.output
        extension = FORMATS[output.format].extension
        pairs = product(self._spec.posts.inline or (), self._avatars)
        for number, (post, avatar) in enumerate(pairs):
            label = parse_label(avatar)
            if text_for(post.text, label.locale) is not None:
                file = file_name(output.name_template, post.id, avatar, extension)
                yield _Item(number, post.id, label, file)

    def _matching(self, wanted: Filter, after: int) -> Iterator[dict[str, Any]]:
        for item in self._all():
            _, gender, locale = item.label
            status = self._status(item)
            if (
                item.number > after
                and wanted.locale in (None, locale)
                and wanted.gender in (None, gender)
                and wanted.post in (None, item.post)
                and wanted.status in (None, status)
            ):
                yield self._as_dict(item, status)

    def _status(self, item: _Item) -> ItemStatus:
        _, record = self._last.get(item.file, (b"", None))
        if record is None:
            return "pending"
        if "reason" in record:
            return "failed"
        return "done" if self._sizes.get(item.file) == record["bytes"] else "pending"

    def _as_dict(self, item: _Item, status: ItemStatus) -> dict[str, Any]:
        voice, gender, locale = item.label
        entry: dict[str, Any] = {
            "number": item.number,
            "post": item.post,
            "voice": voice,
            "locale": locale,
            "gender": gender,
            "file": item.file,
            "status": status,
        }
        if status == "failed":
            _, record = self._last[item.file]
            entry |= {"reason": record["reason"], "message": record["message"]}
        return entry


def _named(records: Iterator[dict[str, Any]]) -> list[str]:
    """Return the avatars of records, in the order of a plan: by locale, then by gender."""
    return sorted({record["avatar"] for record in records}, key=lambda avatar: avatar.partition("_")[::-1])


def _sizes(output: Output) -> dict[str, int]:
    try:
        return dict(output.sizes())
    except FileNotFoundError:  # the batch's folder was removed, and its audio with it
        return {}
