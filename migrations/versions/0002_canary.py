"""Create the canary's tables, and the triggers that audit changes which operators make by SQL."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

MOMENT = sa.DateTime(timezone=True)
ZERO = sa.text("0")
NOW = sa.text("now()")
CLOCK = sa.text("clock_timestamp()")
COUNTS = (
    "requests",
    "forced",
    "fallbacks",
    "errors",
    "timeouts",
    "violations",
    "outages",
    "client_errors",
    "server_errors",
    "good",
    "bad",
    "slow",
    "compared",
    "mismatched",
    "accepted",
    "noise",
    "dropped",
)
TRIGGERS = (
    """
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
    IF OLD.status = 'rolled_back' AND NEW.status = 'active' THEN
        NEW.resumed_at := clock_timestamp();
    END IF;
    RETURN NEW;
END $$
""",
    """
CREATE OR REPLACE FUNCTION rollout_state_audit() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO rollout_event (endpoint, kind, by, reason, epoch, evidence)
    SELECT
        NEW.endpoint,
        CASE
            WHEN NEW.status = coalesce(OLD.status, 'active') THEN 'set'
            WHEN NEW.status = 'rolled_back' THEN 'rollback'
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
""",
    "CREATE TRIGGER rollout_state_change BEFORE INSERT OR UPDATE ON rollout_state"
    " FOR EACH ROW EXECUTE FUNCTION rollout_state_change()",
    "CREATE TRIGGER rollout_state_audit AFTER INSERT OR UPDATE ON rollout_state"
    " FOR EACH ROW EXECUTE FUNCTION rollout_state_audit()",
)


def upgrade() -> None:
    _create_rollout()
    _create_ledger()
    _create_comparison()
    for statement in TRIGGERS:
        op.execute(statement)


def downgrade() -> None:
    for table in (
        "canary_accepted_difference",
        "canary_branch",
        "canary_mismatch",
        "canary_worker",
        "canary_ledger",
        "rollout_event",
        "rollout_state",
    ):
        op.drop_table(table)
    op.execute("DROP FUNCTION rollout_state_change, rollout_state_audit")


def _create_rollout() -> None:
    op.create_table(
        "rollout_state",
        sa.Column("endpoint", sa.Text, nullable=False),
        sa.Column("percent", sa.Double, server_default=ZERO, nullable=False),
        sa.Column("status", sa.Text, server_default="active", nullable=False),
        sa.Column("reason", sa.Text, server_default="", nullable=False),
        sa.Column("epoch", sa.BigInteger, server_default=ZERO, nullable=False),
        sa.Column("by", sa.Text, server_default="sql", nullable=False),
        sa.Column("at", MOMENT, server_default=NOW, nullable=False),
        sa.Column("resumed_at", MOMENT),
        sa.PrimaryKeyConstraint("endpoint", name="pk_rollout_state"),
        sa.CheckConstraint("percent BETWEEN 0 AND 100", name=op.f("ck_rollout_state_percent")),
        sa.CheckConstraint(
            "status IN ('active', 'rolled_back')", name=op.f("ck_rollout_state_status")
        ),
        sa.CheckConstraint("epoch >= 1", name=op.f("ck_rollout_state_epoch")),
    )
    op.create_table(
        "rollout_event",
        sa.Column("id", sa.BigInteger, sa.Identity(), nullable=False),
        sa.Column("endpoint", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("by", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("epoch", sa.BigInteger, nullable=False),
        sa.Column("evidence", postgresql.JSONB, server_default="{}", nullable=False),
        sa.Column("at", MOMENT, server_default=CLOCK, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_rollout_event"),
        sa.CheckConstraint(
            "kind IN ('set', 'rollback', 'resume', 'warn', 'hold')",
            name=op.f("ck_rollout_event_kind"),
        ),
    )
    op.create_index("ix_rollout_event_endpoint_id", "rollout_event", ["endpoint", "id"])


def _create_ledger() -> None:
    op.create_table(
        "canary_ledger",
        sa.Column("bucket", MOMENT, nullable=False),
        sa.Column("worker", sa.Text, nullable=False),
        sa.Column("endpoint", sa.Text, nullable=False),
        sa.Column("arm", sa.Text, nullable=False),
        *(sa.Column(name, sa.BigInteger, server_default=ZERO, nullable=False) for name in COUNTS),
        sa.Column("latency", postgresql.JSONB, server_default="{}", nullable=False),
        sa.Column("first_failed", sa.Text, server_default="", nullable=False),
        sa.Column("last_failed", sa.Text, server_default="", nullable=False),
        sa.PrimaryKeyConstraint("bucket", "worker", "endpoint", "arm", name="pk_canary_ledger"),
    )
    op.create_table(
        "canary_worker",
        sa.Column("worker", sa.Text, nullable=False),
        sa.Column("number", sa.BigInteger, nullable=False),
        sa.Column("started_at", MOMENT, nullable=False),
        sa.Column("seen_at", MOMENT, nullable=False),
        sa.Column("epochs", postgresql.JSONB, nullable=False),
        sa.Column("totals", postgresql.JSONB, nullable=False),
        sa.Column("vitals", postgresql.JSONB, nullable=False),
        sa.PrimaryKeyConstraint("worker", name="pk_canary_worker"),
    )


def _create_comparison() -> None:
    op.create_table(
        "canary_mismatch",
        sa.Column("endpoint", sa.Text, nullable=False),
        sa.Column("path", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("count", sa.BigInteger, nullable=False),
        sa.Column("accepted", sa.BigInteger, nullable=False),
        sa.Column("first_seen", MOMENT, nullable=False),
        sa.Column("last_seen", MOMENT, nullable=False),
        sa.Column("samples", postgresql.JSONB, server_default="[]", nullable=False),
        sa.PrimaryKeyConstraint("endpoint", "path", "kind", name="pk_canary_mismatch"),
    )
    op.create_table(
        "canary_branch",
        sa.Column("endpoint", sa.Text, nullable=False),
        sa.Column("branch", sa.Text, nullable=False),
        sa.Column("count", sa.BigInteger, nullable=False),
        sa.Column("last_seen", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("endpoint", "branch", name="pk_canary_branch"),
    )
    op.create_table(
        "canary_accepted_difference",
        sa.Column("id", sa.BigInteger, sa.Identity(), nullable=False),
        sa.Column("endpoint", sa.Text, nullable=False),
        sa.Column("path", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("by", sa.Text, nullable=False),
        sa.Column("expires_at", MOMENT, nullable=False),
        sa.Column("created_at", MOMENT, server_default=CLOCK, nullable=False),
        sa.Column("used", sa.BigInteger, server_default=ZERO, nullable=False),
        sa.Column("last_used_at", MOMENT),
        sa.PrimaryKeyConstraint("id", name="pk_canary_accepted_difference"),
        sa.CheckConstraint(
            "expires_at < '9999-01-01 00:00:00+00'",
            name=op.f("ck_canary_accepted_difference_expires_at"),
        ),
    )
