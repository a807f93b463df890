"""The audit: rows that are only added.

On SQLite, triggers refuse changes. On PostgreSQL the service's role has no right to them
(`ttsp database migrate`).
"""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "audit",
        sa.Column("writer", sa.String(), primary_key=True),
        sa.Column("seq", sa.BigInteger(), primary_key=True, autoincrement=False),
        sa.Column("time", sa.BigInteger(), nullable=False),
        sa.Column("tenant", sa.String(), nullable=False),
        sa.Column("subject", sa.String(), nullable=False),
        sa.Column("action", sa.String(), nullable=False),
        sa.Column("object_kind", sa.String(), nullable=False),
        sa.Column("object_id", sa.String(), nullable=False),
        sa.Column("outcome", sa.String(), nullable=False),
        sa.Column("address", sa.String(), nullable=False),
        sa.Column("request_id", sa.String(), nullable=False),
        sa.Column("prev", sa.String(), nullable=False),
        sa.Column("mac", sa.String(), nullable=False),
    )
    op.create_index("ix_audit_time", "audit", ["time", "writer", "seq"])
    op.create_index("ix_audit_subject", "audit", ["subject", "time"])
    op.create_index("ix_audit_tenant", "audit", ["tenant", "time"])
    if op.get_bind().dialect.name == "sqlite":
        for change in ("UPDATE", "DELETE"):
            op.execute(
                f"CREATE TRIGGER audit_no_{change.lower()} BEFORE {change} ON audit "
                "BEGIN SELECT RAISE(ABORT, 'rows of the audit are neither changed nor removed'); END"
            )
        # INSERT OR REPLACE removes a row without that trigger.
        op.execute(
            "CREATE TRIGGER audit_no_replace BEFORE INSERT ON audit "
            "WHEN EXISTS (SELECT 1 FROM audit WHERE writer = NEW.writer AND seq = NEW.seq) "
            "BEGIN SELECT RAISE(ABORT, 'rows of the audit are neither changed nor removed'); END"
        )


def downgrade() -> None:
    """Remove it."""
    op.drop_table("audit")
