"""Count comparisons that are inconclusive because legacy cannot see far enough."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    column = sa.Column("inconclusive", sa.BigInteger, server_default="0", nullable=False)
    op.add_column("canary_ledger", column)


def downgrade() -> None:
    op.drop_column("canary_ledger", "inconclusive")
