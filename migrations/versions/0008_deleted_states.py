"""Make the deletion of a rollout state an event that raises no exposure; use no epoch twice."""

from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

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
"""
CHANGE_BEFORE = """
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
    IF OLD.status = 'rolled_back' AND NEW.status <> 'rolled_back' THEN
        NEW.resumed_at := clock_timestamp();
    END IF;
    RETURN NEW;
END $$
"""
KEEP = """
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
"""
DELETED = """
CREATE OR REPLACE FUNCTION rollout_state_deleted() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM rollout_state_keep(OLD);
    RETURN NULL;
END $$
"""
TRUNCATED = """
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
"""


def upgrade() -> None:
    for statement in (
        CHANGE,
        KEEP,
        DELETED,
        TRUNCATED,
        "CREATE TRIGGER rollout_state_deleted AFTER DELETE ON rollout_state"
        " FOR EACH ROW EXECUTE FUNCTION rollout_state_deleted()",
        "CREATE TRIGGER rollout_state_truncating BEFORE TRUNCATE ON rollout_state"
        " FOR EACH STATEMENT EXECUTE FUNCTION rollout_state_truncated()",
        "CREATE TRIGGER rollout_state_truncated AFTER TRUNCATE ON rollout_state"
        " FOR EACH STATEMENT EXECUTE FUNCTION rollout_state_truncated()",
    ):
        op.execute(statement)


def downgrade() -> None:
    op.execute("DROP TRIGGER rollout_state_truncating ON rollout_state")
    for name in ("rollout_state_truncated", "rollout_state_deleted"):
        op.execute(f"DROP TRIGGER {name} ON rollout_state")
        op.execute(f"DROP FUNCTION {name}()")
    op.execute("DROP FUNCTION rollout_state_keep(rollout_state)")
    op.execute(CHANGE_BEFORE)
