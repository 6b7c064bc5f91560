"""Create the sessions of operators who are logged in to the console."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "operator_session",
        sa.Column("digest", sa.LargeBinary, nullable=False),
        sa.Column("token_id", sa.BigInteger, nullable=False),
        sa.Column(
            "created_at", MOMENT, server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.Column("expires_at", MOMENT, nullable=False),
        sa.CheckConstraint("octet_length(digest) = 32", name=op.f("ck_operator_session_digest")),
        sa.ForeignKeyConstraint(
            ["token_id"],
            ["operator_token.id"],
            name=op.f("fk_operator_session_token_id_operator_token"),
        ),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_operator_session")),
    )


def downgrade() -> None:
    op.drop_table("operator_session")
