"""Create the operators' tokens, and allow the events that record them."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

MOMENT = sa.DateTime(timezone=True)
KIND = op.f("ck_rollout_event_kind")
KINDS = (
    "'set', 'rollback', 'resume', 'warn', 'hold', 'start', 'stage', 'pass', 'fail', 'leave', 'end'"
)


def upgrade() -> None:
    op.create_table(
        "operator_token",
        sa.Column("id", sa.BigInteger, sa.Identity(), nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("role", sa.Text, nullable=False),
        sa.Column("digest", sa.LargeBinary, nullable=False),
        sa.Column(
            "created_at", MOMENT, server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.Column("created_by", sa.Text, nullable=False),
        sa.Column("revoked_at", MOMENT),
        sa.Column("revoked_by", sa.Text),
        sa.CheckConstraint("role IN ('viewer', 'operator')", name=op.f("ck_operator_token_role")),
        sa.CheckConstraint("octet_length(digest) = 32", name=op.f("ck_operator_token_digest")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_operator_token")),
        sa.UniqueConstraint("digest", name=op.f("uq_operator_token_digest")),
    )
    op.create_index(
        "uq_operator_token_name_in_use",
        "operator_token",
        ["name"],
        unique=True,
        postgresql_where=sa.text("revoked_at IS NULL"),
    )
    _constrain(f"{KINDS}, 'grant', 'revoke'")


def downgrade() -> None:
    op.drop_table("operator_token")
    op.execute("DELETE FROM rollout_event WHERE kind IN ('grant', 'revoke')")
    _constrain(KINDS)


def _constrain(kinds: str) -> None:
    op.drop_constraint(KIND, "rollout_event")
    op.create_check_constraint(KIND, "rollout_event", f"kind IN ({kinds})")
