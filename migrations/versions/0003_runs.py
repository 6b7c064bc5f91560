"""Endpoints can be held, and the events of a rollout run belong together."""

import sqlalchemy as sa
from alembic import op

from detection_api.canary.state.postgres import TRIGGERS

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

STATUS, KIND = op.f("ck_rollout_state_status"), op.f("ck_rollout_event_kind")
STATUSES = "'active', 'rolled_back'"
KINDS = "'set', 'rollback', 'resume', 'warn', 'hold'"


def upgrade() -> None:
    op.add_column(
        "rollout_event",
        sa.Column("run", sa.BigInteger, server_default=sa.text("0"), nullable=False),
    )
    op.create_index(
        "ix_rollout_event_run_id",
        "rollout_event",
        ["run", "id"],
        postgresql_where=sa.text("run > 0"),
    )
    _constrain(f"{STATUSES}, 'held'", f"{KINDS}, 'start', 'stage', 'pass', 'fail', 'leave', 'end'")
    for function in TRIGGERS[:2]:
        op.execute(sa.DDL(function))


def downgrade() -> None:
    op.execute("UPDATE rollout_state SET status = 'active' WHERE status = 'held'")
    op.execute(f"DELETE FROM rollout_event WHERE kind NOT IN ({KINDS})")  # noqa: S608
    _constrain(STATUSES, KINDS)
    op.drop_index("ix_rollout_event_run_id", "rollout_event")
    op.drop_column("rollout_event", "run")


def _constrain(statuses: str, kinds: str) -> None:
    op.drop_constraint(STATUS, "rollout_state")
    op.drop_constraint(KIND, "rollout_event")
    op.create_check_constraint(STATUS, "rollout_state", f"status IN ({statuses})")
    op.create_check_constraint(KIND, "rollout_event", f"kind IN ({kinds})")
