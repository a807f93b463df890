"""Speeches, as the versions before migrations made them."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Make the table of speeches."""
    op.create_table(
        "speeches",
        sa.Column("id", sa.String(), primary_key=True),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("created", sa.Double(), nullable=False),
        sa.Column("finished", sa.Double()),
        sa.Column("model", sa.String(), nullable=False),
        sa.Column("voice", sa.String(), nullable=False),
        sa.Column("locale", sa.String(), nullable=False),
        sa.Column("format", sa.String(), nullable=False),
        sa.Column("speed", sa.Double(), nullable=False),
        sa.Column("text", sa.String()),
        sa.Column("characters", sa.Integer(), nullable=False),
        sa.Column("text_hash", sa.String(), nullable=False),
        sa.Column("seconds", sa.Double()),
        sa.Column("bytes", sa.Integer()),
        sa.Column("sha256", sa.String()),
        sa.Column("error", sa.String()),
    )
    op.create_index("ix_speeches_status", "speeches", ["status"])


def downgrade() -> None:
    """Remove it."""
    op.drop_table("speeches")
