"""Cloned voices."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "voices",
        sa.Column("id", sa.String(), primary_key=True),
        sa.Column("tenant", sa.String(), nullable=False),
        sa.Column("created", sa.Double(), nullable=False),
        sa.Column("expires", sa.Double()),
        sa.Column("revoked", sa.Double()),
        sa.Column("model", sa.String(), nullable=False),
        sa.Column("locale", sa.String(), nullable=False),
        sa.Column("gender", sa.String(), nullable=False),
        sa.Column("digest", sa.String(), nullable=False),
        sa.Column("wrapped_key", sa.LargeBinary()),
        sa.Column("record", sa.LargeBinary()),
        sa.Column("clip", sa.LargeBinary()),
        sa.Column("consent_clip", sa.LargeBinary()),
    )
    op.create_index("ix_voices_tenant", "voices", ["tenant"])


def downgrade() -> None:
    """Remove it."""
    op.drop_table("voices")
