"""Idempotency keys of speeches and voices; warnings of speeches, which can be listed."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
_TABLES = ("speeches", "voices")


def upgrade() -> None:
    """Add the columns, and the index by which a tenant's speeches are listed."""
    for table in _TABLES:
        with op.batch_alter_table(table) as changed:
            changed.add_column(sa.Column("idempotency_key", sa.String()))
            changed.add_column(sa.Column("request_hash", sa.String()))
            changed.create_unique_constraint(
                f"uq_{table}_tenant_idempotency_key", ["tenant", "idempotency_key"]
            )
    op.add_column("speeches", sa.Column("warnings", sa.JSON()))
    op.create_index("ix_speeches_tenant_created_id", "speeches", ["tenant", "created", "id"])


def downgrade() -> None:
    """Remove them."""
    op.drop_index("ix_speeches_tenant_created_id", "speeches")
    with op.batch_alter_table("speeches") as changed:
        changed.drop_column("warnings")
    for table in _TABLES:
        with op.batch_alter_table(table) as changed:
            changed.drop_constraint(f"uq_{table}_tenant_idempotency_key", type_="unique")
            changed.drop_column("request_hash")
            changed.drop_column("idempotency_key")
