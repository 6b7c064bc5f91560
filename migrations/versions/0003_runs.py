"""Let an endpoint be held, and give each event of a rollout run the number of its run."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

STATUS, KIND = op.f("ck_rollout_state_status"), op.f("ck_rollout_event_kind")
STATUSES = "'active', 'rolled_back'"
KINDS = "'set', 'rollback', 'resume', 'warn', 'hold'"
CHANGE = """
CREATE OR REPLACE FUNCTION rollout_state_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.epoch <= coalesce(OLD.epoch, 0) THEN
        NEW.epoch := coalesce(OLD.epoch, 0) + 1;
        NEW.at := clock_timestamp();
        NEW.by := 'sql';
        IF NEW.reason = OLD.reason THEN
            NEW.reason := '';
        END IF;
    END IF;
    IF OLD.status = 'rolled_back' AND NEW.status {is_resumed} THEN
        NEW.resumed_at := clock_timestamp();
    END IF;
    RETURN NEW;
END $$
"""
AUDIT = """
CREATE OR REPLACE FUNCTION rollout_state_audit() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO rollout_event (endpoint, kind, by, reason, epoch, evidence)
    SELECT
        NEW.endpoint,
        CASE
            WHEN NEW.status = coalesce(OLD.status, 'active') THEN 'set'
            WHEN NEW.status = 'rolled_back' THEN 'rollback'{when_held}
            ELSE 'resume'
        END,
        'sql:' || session_user,
        NEW.reason,
        NEW.epoch,
        jsonb_build_object('percent', NEW.percent, 'percent_before', OLD.percent)
    WHERE NOT EXISTS (
        SELECT FROM rollout_event e
        WHERE e.endpoint = NEW.endpoint AND e.epoch = NEW.epoch AND e.at >= NEW.at
    );
    RETURN NULL;
END $$
"""
WHEN_HELD = """
            WHEN NEW.status = 'held' THEN 'hold'"""


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
    _replace_functions(is_resumed="<> 'rolled_back'", when_held=WHEN_HELD)


def downgrade() -> None:
    op.execute("UPDATE rollout_state SET status = 'active' WHERE status = 'held'")
    op.execute(f"DELETE FROM rollout_event WHERE kind NOT IN ({KINDS})")  # noqa: S608
    _constrain(STATUSES, KINDS)
    op.drop_index("ix_rollout_event_run_id", "rollout_event")
    op.drop_column("rollout_event", "run")
    _replace_functions(is_resumed="= 'active'", when_held="")


def _constrain(statuses: str, kinds: str) -> None:
    op.drop_constraint(STATUS, "rollout_state")
    op.drop_constraint(KIND, "rollout_event")
    op.create_check_constraint(STATUS, "rollout_state", f"status IN ({statuses})")
    op.create_check_constraint(KIND, "rollout_event", f"kind IN ({kinds})")


def _replace_functions(*, is_resumed: str, when_held: str) -> None:
    op.execute(CHANGE.format(is_resumed=is_resumed))
    op.execute(AUDIT.format(when_held=when_held))
