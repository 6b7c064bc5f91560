"""Count the workers that died during a call of the domain."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    deaths = sa.Column("deaths", sa.BigInteger, server_default=sa.text("0"), nullable=False)
    op.add_column("canary_ledger", deaths)


def downgrade() -> None:
    op.drop_column("canary_ledger", "deaths")
