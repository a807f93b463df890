"""The items of a batch, as a user asks for them: how each stands, a page at a time."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any, Literal

from tts_app.batch.ledger import Ledger
from tts_app.batch.plan import Item, Plan

ItemStatus = Literal["pending", "done", "failed"]


@dataclass(frozen=True, slots=True)
class Filter:
    """Which items are asked for; None asks for all."""

    status: ItemStatus | None = None
    locale: str | None = None
    gender: str | None = None
    post: int | None = None


def item_page(plan: Plan, ledger: Ledger, wanted: Filter, after: int, limit: int) -> list[dict[str, Any]]:
    """Return up to `limit` items whose number is greater than `after`, in the plan's order.

    `ledger` was loaded. Blocking.
    """
    return list(islice(_matching(plan, ledger, wanted, after), limit))


def _matching(plan: Plan, ledger: Ledger, wanted: Filter, after: int) -> Iterator[dict[str, Any]]:
    for item in plan:
        voice = item.voice.voice
        if (
            item.number <= after
            or wanted.locale not in (None, voice.locale)
            or wanted.gender not in (None, voice.gender)
            or wanted.post not in (None, item.post)
        ):
            continue
        told = _told(item, ledger)
        if wanted.status in (None, told["status"]):
            yield told


def _told(item: Item, ledger: Ledger) -> dict[str, Any]:
    failed = ledger.failure(item)
    status: ItemStatus = "done" if ledger.has(item) else "failed" if failed else "pending"
    voice = item.voice
    told: dict[str, Any] = {
        "number": item.number,
        "post": item.post,
        "voice": voice.id,
        "locale": voice.voice.locale,
        "gender": voice.voice.gender,
        "file": item.file,
        "status": status,
    }
    if failed is not None and status == "failed":
        told |= {"reason": failed.reason, "message": failed.message}
    return told
