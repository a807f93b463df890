"""When the texts of an ended batch are forgotten, and whether they are; digests of the frames of audio."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns; batches of before have the setting's time, files of before no digests of frames."""
    op.add_column("batches", sa.Column("text_ttl", sa.Double(), nullable=True))
    op.add_column("batches", sa.Column("texts_gone", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.add_column("speeches", sa.Column("frames", sa.LargeBinary(), nullable=True))


def downgrade() -> None:
    """Remove the columns."""
    with op.batch_alter_table("speeches") as speeches:
        speeches.drop_column("frames")
    with op.batch_alter_table("batches") as batches:
        batches.drop_column("texts_gone")
        batches.drop_column("text_ttl")
