"""Count detection records by camera and hour, and events by day.

Triggers keep the counts exact in the transaction that writes, because detectors insert with SQL of
their own. The triggers belong to the partitioned tables. A statement on a single partition does not
fire them, so moving rows between partitions or dropping a partition changes no count. The totals
and the daily counts follow the hourly counts.
"""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

MOMENT = sa.DateTime(timezone=True)
CAMERA = {"camera_id": "camera_id"}
HOUR = {"hour": "date_trunc('hour', timestamp, 'UTC')"}
DAY = {"day": "(hour AT TIME ZONE 'UTC')::date"}
COUNTED = (
    # source table, what one row adds, table of counts, and its keys as expressions of a source row
    ("detection_records", "1", "hourly_record_counts", {**CAMERA, **HOUR}),
    ("hourly_record_counts", "count", "record_totals", CAMERA),
    ("hourly_event_counts", "count", "daily_event_counts", {**DAY, **CAMERA, "type": "type"}),
)
TRANSITIONS = {
    "insert": ("NEW TABLE AS come", {"come": ""}),
    "delete": ("OLD TABLE AS gone", {"gone": "-"}),
    "update": ("NEW TABLE AS come OLD TABLE AS gone", {"come": "", "gone": "-"}),
}
# Rows are written in the order of their keys, so that two writers cannot deadlock.
ADD = """
INSERT INTO {counts} AS counted ({names}, count)
SELECT {names}, sum(added) FROM ({rows}) AS moved
GROUP BY {names} HAVING sum(added) <> 0 ORDER BY {names}
ON CONFLICT ({names}) DO UPDATE SET count = counted.count + excluded.count
"""
FUNCTION = """
CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN {body}; RETURN NULL; END $$
"""
EMPTY = "DELETE FROM {counts}"
MOVED = "SELECT {columns}, {sign}{weight} AS added FROM {relation}"


def upgrade() -> None:
    _create_tables()
    for source, weight, counts, keys in COUNTED:
        for operation, (referencing, signs) in TRANSITIONS.items():
            _on(operation, source, counts, _add(counts, keys, weight, signs), referencing)
        _on("truncate", source, counts, EMPTY.format(counts=counts))
        # No row is missed: CREATE TRIGGER has locked the source table against writers.
        op.execute(_add(counts, keys, weight, {source: ""}))


def downgrade() -> None:
    for source, _, counts, _ in reversed(COUNTED):
        for operation in (*TRANSITIONS, "truncate"):
            op.execute(f"DROP TRIGGER {counts}_{operation} ON {source}")
            op.execute(f"DROP FUNCTION {counts}_{operation}")
        op.drop_table(counts)


def _create_tables() -> None:
    op.create_table(
        "hourly_record_counts",
        sa.Column("camera_id", sa.Text, nullable=False),
        sa.Column("hour", MOMENT, nullable=False),
        sa.Column("count", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("camera_id", "hour", name="pk_hourly_record_counts"),
    )
    op.create_table(
        "record_totals",
        sa.Column("camera_id", sa.Text, nullable=False),
        sa.Column("count", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("camera_id", name="pk_record_totals"),
    )
    op.create_table(
        "daily_event_counts",
        sa.Column("day", sa.Date, nullable=False),
        sa.Column("camera_id", sa.Text, nullable=False),
        sa.Column("type", sa.Text, nullable=False),
        sa.Column("count", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("day", "camera_id", "type", name="pk_daily_event_counts"),
    )


def _add(counts: str, keys: dict[str, str], weight: str, signs: dict[str, str]) -> str:
    """Return the statement that adds the rows of each relation to `counts`, with its sign."""
    columns = ", ".join(f"{expression} AS {name}" for name, expression in keys.items())
    rows = " UNION ALL ".join(
        MOVED.format(columns=columns, sign=sign, weight=weight, relation=relation)
        for relation, sign in signs.items()
    )
    return ADD.format(counts=counts, names=", ".join(keys), rows=rows)


def _on(operation: str, source: str, counts: str, body: str, referencing: str = "") -> None:
    """Create a trigger that runs `body` after each `operation` on `source`."""
    name = f"{counts}_{operation}"
    op.execute(FUNCTION.format(name=name, body=body))
    op.execute(
        f"CREATE TRIGGER {name} AFTER {operation} ON {source}"
        f" {referencing and f'REFERENCING {referencing}'}"
        f" FOR EACH STATEMENT EXECUTE FUNCTION {name}()"
    )
