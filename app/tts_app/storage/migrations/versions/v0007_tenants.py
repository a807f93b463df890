"""Whose speeches and batches are."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """Add the columns: what is there is of the tenant `default`. Idempotency keys are unique in a tenant.

    The columns have a default for gateways of an earlier version, which may still run.
    """
    op.add_column("speeches", _tenant())
    op.drop_index("ix_batches_created_id", "batches")
    with op.batch_alter_table("batches") as batches:
        batches.add_column(_tenant())
        batches.drop_constraint("uq_batches_idempotency_key", type_="unique")
        batches.create_unique_constraint("uq_batches_tenant_idempotency_key", ["tenant", "idempotency_key"])
    op.create_index("ix_batches_tenant_created_id", "batches", ["tenant", "created", "id"])


def downgrade() -> None:
    """Remove them. This fails if tenants have used the same idempotency key."""
    op.drop_index("ix_batches_tenant_created_id", "batches")
    with op.batch_alter_table("batches") as batches:
        batches.drop_constraint("uq_batches_tenant_idempotency_key", type_="unique")
        batches.create_unique_constraint("uq_batches_idempotency_key", ["idempotency_key"])
        batches.drop_column("tenant")
    op.create_index("ix_batches_created_id", "batches", ["created", "id"])
    op.drop_column("speeches", "tenant")


def _tenant() -> sa.Column[str]:
    return sa.Column("tenant", sa.String(), server_default="default", nullable=False)
