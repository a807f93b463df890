"""Acts whose audit row is written in their own transaction: no row, no act."""

from types import TracebackType
from typing import Protocol, Self

from sqlalchemy.orm import Session


class AuditError(Exception):
    """The audit cannot be written, and what it should record was not done."""


class Act(Protocol):
    """Something that a caller does to the database.

    A context manager around the transaction (`Database.session`): the rows of one writer are written one
    after the other, so entering it waits until no other act of this process is in its transaction.
    """

    def record(self, session: Session, object_id: str, outcome: str = "done") -> None:
        """Write the audit's row in the act's transaction, once the act has had an effect.

        Raises:
            AuditError: the row cannot be written; the transaction must be rolled back.
        """
        ...

    def __enter__(self) -> Self:
        """Wait for other acts."""
        ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Let other acts go on. If nothing was raised, the transaction was committed."""
        ...


class _Unrecorded:
    """An act that leaves no row."""

    def record(self, session: Session, object_id: str, outcome: str = "done") -> None:
        """Write nothing."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Nobody waits."""


UNRECORDED: Act = _Unrecorded()
"""What is done where there is no audit, or by nobody: a worker that ends a speech."""
