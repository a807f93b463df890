"""`Idempotency-Key`: a request that is repeated, because its answer was lost, makes no second thing."""

from typing import Annotated

from fastapi import Header

IdempotencyKey = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        min_length=1,
        max_length=255,
        description="Your name for this request. Sent again, it is answered with 200 and what it made first.",
    ),
]
REPEATED = "Its Idempotency-Key was sent before."
