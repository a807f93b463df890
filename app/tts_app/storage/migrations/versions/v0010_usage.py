"""What callers used by day, and how much audio of a batch is stored."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    """Add the table and the column; of batches that have ended before, the size is not known."""
    op.create_table(
        "usage",
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("tenant", sa.String(), nullable=False),
        sa.Column("caller", sa.String(), nullable=False),
        sa.Column("model", sa.String(), nullable=False),
        sa.Column("voice", sa.String(), nullable=False),
        sa.Column("requests", sa.BigInteger(), nullable=False),
        sa.Column("characters", sa.BigInteger(), nullable=False),
        sa.Column("audio_seconds", sa.Double(), nullable=False),
        sa.Column("prompt_tokens", sa.BigInteger(), nullable=False),
        sa.Column("completion_tokens", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("day", "tenant", "caller", "model", "voice", name="pk_usage"),
    )
    op.add_column("batches", sa.Column("bytes", sa.BigInteger(), nullable=True))
    op.create_index("ix_speeches_tenant_bytes", "speeches", ["tenant", "bytes"])


def downgrade() -> None:
    """Remove them."""
    op.drop_index("ix_speeches_tenant_bytes", "speeches")
    op.drop_column("batches", "bytes")
    op.drop_table("usage")
