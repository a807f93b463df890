"""How a speech is spoken."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Add the column: of existing speeches only format and speed are known, which have columns."""
    op.add_column("speeches", sa.Column("options", sa.JSON()))


def downgrade() -> None:
    """Remove it."""
    op.drop_column("speeches", "options")
