"""The canary's tables, on a MetaData of their own; for PostgreSQL 14 and later.

`metadata.create_all(engine)` makes all of it, the triggers too, where no migrations are used.
"""

from sqlalchemy import (
    DDL,
    BigInteger,
    CheckConstraint,
    Column,
    DateTime,
    Double,
    Identity,
    Index,
    MetaData,
    Table,
    Text,
    event,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from detection_api.canary.state.ledger import COUNTS

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "pk": "pk_%(table_name)s",
    }
)

MOMENT = DateTime(timezone=True)
ZERO = text("0")
EMPTY_MAP = "{}"
EMPTY_LIST = "[]"

rollout_state = Table(
    "rollout_state",
    metadata,
    Column("endpoint", Text, primary_key=True),
    Column("percent", Double, nullable=False, server_default=ZERO),
    Column("status", Text, nullable=False, server_default="active"),
    Column("reason", Text, nullable=False, server_default=""),
    Column("epoch", BigInteger, nullable=False, server_default=ZERO),
    Column("by", Text, nullable=False, server_default="sql"),
    Column("at", MOMENT, nullable=False, server_default=func.now()),
    Column("resumed_at", MOMENT),
    CheckConstraint("percent BETWEEN 0 AND 100", name="percent"),
    CheckConstraint("status IN ('active', 'rolled_back', 'held')", name="status"),
    CheckConstraint("epoch >= 1", name="epoch"),
)

rollout_event = Table(
    "rollout_event",
    metadata,
    Column("id", BigInteger, Identity(), primary_key=True),
    Column("endpoint", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("by", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("epoch", BigInteger, nullable=False),
    Column("evidence", JSONB, nullable=False, server_default=EMPTY_MAP),
    Column("at", MOMENT, nullable=False, server_default=func.clock_timestamp()),
    Column("run", BigInteger, nullable=False, server_default=ZERO),
    CheckConstraint(
        "kind IN ('set', 'rollback', 'resume', 'warn', 'hold',"
        " 'start', 'stage', 'pass', 'fail', 'leave', 'end', 'grant', 'revoke')",
        name="kind",
    ),
    Index(None, "endpoint", "id"),
    Index("ix_rollout_event_run_id", "run", "id", postgresql_where=text("run > 0")),
)

canary_ledger = Table(
    "canary_ledger",
    metadata,
    Column("bucket", MOMENT, primary_key=True),
    Column("worker", Text, primary_key=True),
    Column("endpoint", Text, primary_key=True),
    Column("arm", Text, primary_key=True),
    *(Column(name, BigInteger, nullable=False, server_default=ZERO) for name in COUNTS),
    Column("latency", JSONB, nullable=False, server_default=EMPTY_MAP),
    Column("shadow", JSONB, nullable=False, server_default=EMPTY_MAP),
    Column("first_failed", Text, nullable=False, server_default=""),
    Column("last_failed", Text, nullable=False, server_default=""),
)
"""`latency` and `shadow` are histograms: how many by bin, bins as text."""

canary_worker = Table(
    "canary_worker",
    metadata,
    Column("worker", Text, primary_key=True),
    Column("number", BigInteger, nullable=False),
    Column("started_at", MOMENT, nullable=False),
    Column("seen_at", MOMENT, nullable=False),
    Column("epochs", JSONB, nullable=False),
    Column("totals", JSONB, nullable=False),
    Column("vitals", JSONB, nullable=False),
)
"""`number` is that of the worker's last batch, which makes a batch sent twice count once."""

canary_mismatch = Table(
    "canary_mismatch",
    metadata,
    Column("endpoint", Text, primary_key=True),
    Column("path", Text, primary_key=True),
    Column("kind", Text, primary_key=True),
    Column("count", BigInteger, nullable=False),
    Column("accepted", BigInteger, nullable=False),
    Column("first_seen", MOMENT, nullable=False),
    Column("last_seen", MOMENT, nullable=False),
    Column("samples", JSONB, nullable=False, server_default=EMPTY_LIST),
)

canary_branch = Table(
    "canary_branch",
    metadata,
    Column("endpoint", Text, primary_key=True),
    Column("branch", Text, primary_key=True),
    Column("count", BigInteger, nullable=False),
    Column("last_seen", MOMENT, nullable=False),
)

canary_accepted_difference = Table(
    "canary_accepted_difference",
    metadata,
    Column("id", BigInteger, Identity(), primary_key=True),
    Column("endpoint", Text, nullable=False),
    Column("path", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("by", Text, nullable=False),
    Column("expires_at", MOMENT, nullable=False),
    Column("created_at", MOMENT, nullable=False, server_default=func.clock_timestamp()),
    Column("used", BigInteger, nullable=False, server_default=ZERO),
    Column("last_used_at", MOMENT),
    CheckConstraint("expires_at < '9999-01-01 00:00:00+00'", name="expires_at"),
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
    IF TG_OP = 'INSERT' THEN
        NEW.epoch := greatest(
            NEW.epoch,
            1 + (SELECT max(e.epoch) FROM rollout_event e WHERE e.endpoint = NEW.endpoint)
        );
    END IF;
    IF OLD.status = 'rolled_back' AND NEW.status <> 'rolled_back' THEN
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
            WHEN NEW.status = 'held' THEN 'hold'
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
    """
CREATE OR REPLACE FUNCTION rollout_state_keep(removed rollout_state) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    percent_after double precision := coalesce(
        (SELECT s.percent FROM rollout_state s WHERE s.endpoint = '*'), 0
    );
BEGIN
    IF removed.status <> 'active' OR percent_after > removed.percent THEN
        removed.reason := 'its row was deleted, which raises no exposure; ' || removed.reason;
        removed.by := 'sql';
        removed.at := clock_timestamp();
        INSERT INTO rollout_state SELECT removed.*;
    ELSE
        INSERT INTO rollout_event (endpoint, kind, by, reason, epoch, evidence)
        VALUES (
            removed.endpoint, 'set', 'sql:' || session_user, 'its row was deleted',
            removed.epoch + 1,
            jsonb_build_object('percent', percent_after, 'percent_before', removed.percent)
        );
    END IF;
END $$
""",
    """
CREATE OR REPLACE FUNCTION rollout_state_deleted() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM rollout_state_keep(OLD);
    RETURN NULL;
END $$
""",
    """
CREATE OR REPLACE FUNCTION rollout_state_truncated() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    removed rollout_state;
BEGIN
    IF TG_WHEN = 'BEFORE' THEN
        CREATE TEMPORARY TABLE truncated_rollout_state ON COMMIT DROP AS TABLE rollout_state;
    ELSE
        FOR removed IN EXECUTE 'TABLE truncated_rollout_state' LOOP
            PERFORM rollout_state_keep(removed);
        END LOOP;
        DROP TABLE truncated_rollout_state;
    END IF;
    RETURN NULL;
END $$
""",
    "CREATE TRIGGER rollout_state_deleted AFTER DELETE ON rollout_state"
    " FOR EACH ROW EXECUTE FUNCTION rollout_state_deleted()",
    "CREATE TRIGGER rollout_state_truncating BEFORE TRUNCATE ON rollout_state"
    " FOR EACH STATEMENT EXECUTE FUNCTION rollout_state_truncated()",
    "CREATE TRIGGER rollout_state_truncated AFTER TRUNCATE ON rollout_state"
    " FOR EACH STATEMENT EXECUTE FUNCTION rollout_state_truncated()",
)
"""They keep the promises of `rollout_state` for changes that an operator makes by SQL.

- A statement that does not raise the epoch gets it raised: a compare-and-swap under way then fails.
- A change without an event gets one.
- The end of a rollback sets `resumed_at`.
- A deleted or truncated row is an event. The row comes back if the endpoint was held or rolled
  back, or if the default is higher: no removal raises exposure.
- A row that is inserted again continues the epochs of its events: no epoch number is used twice.
"""

for _statement in TRIGGERS:
    event.listen(rollout_state, "after_create", DDL(_statement))  # type: ignore[no-untyped-call]
