"""Who speaks a batch."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Add the column: for existing batches it is not known."""
    op.add_column("batches", sa.Column("avatars", sa.JSON()))


def downgrade() -> None:
    """Remove it."""
    op.drop_column("batches", "avatars")
