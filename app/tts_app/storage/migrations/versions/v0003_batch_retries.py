"""Whether a batch's failures are retried."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Add the column: existing batches were not retried, or it is not known."""
    op.add_column(
        "batches", sa.Column("retry_failed", sa.Boolean(), server_default=sa.false(), nullable=False)
    )


def downgrade() -> None:
    """Remove it."""
    op.drop_column("batches", "retry_failed")
