"""Add the latencies of shadow comparisons to the ledger."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    shadow = sa.Column("shadow", postgresql.JSONB, server_default="{}", nullable=False)
    op.add_column("canary_ledger", shadow)


def downgrade() -> None:
    op.drop_column("canary_ledger", "shadow")
