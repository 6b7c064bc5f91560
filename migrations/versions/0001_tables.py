"""Create the tables of detection records, violations, events, cameras and ingestion."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

MOMENT = sa.DateTime(timezone=True)
ZERO = sa.text("0")
NOW = sa.text("now()")


def upgrade() -> None:
    _create_detection_records()
    _create_violation_events()
    _create_events()
    _create_cameras()
    _create_ingest_checkpoints()


def downgrade() -> None:
    for table in (
        "ingest_checkpoints",
        "camera_statistics",
        "cameras",
        "hourly_event_counts",
        "events",
        "violation_events",
        "detection_records",
    ):
        op.drop_table(table)


def _create_detection_records() -> None:
    op.create_table(
        "detection_records",
        sa.Column("id", sa.BigInteger, sa.Identity(), nullable=False),
        sa.Column("timestamp", MOMENT, nullable=False),
        sa.Column("camera_id", sa.Text, nullable=False),
        sa.Column("frame_number", sa.BigInteger),
        sa.Column("person_count", sa.BigInteger, server_default=ZERO, nullable=False),
        sa.Column("hairnet_violations", sa.BigInteger, server_default=ZERO, nullable=False),
        sa.Column("handwash_events", sa.BigInteger, server_default=ZERO, nullable=False),
        sa.Column("sanitize_events", sa.BigInteger, server_default=ZERO, nullable=False),
        sa.Column("fps", sa.Double),
        sa.Column("processing_time", sa.Double),
        sa.PrimaryKeyConstraint("id", "timestamp", name="pk_detection_records"),
        postgresql_partition_by="RANGE (timestamp)",
    )
    op.create_index(
        "ix_detection_records_camera_id_timestamp_id",
        "detection_records",
        ["camera_id", sa.text("timestamp DESC"), sa.text("id DESC")],
    )
    op.execute("CREATE TABLE detection_records_default PARTITION OF detection_records DEFAULT")


def _create_violation_events() -> None:
    op.create_table(
        "violation_events",
        sa.Column("id", sa.BigInteger, sa.Identity(), nullable=False),
        sa.Column("camera_id", sa.Text, nullable=False),
        sa.Column("timestamp", MOMENT, nullable=False),
        sa.Column("violation_type", sa.Text, nullable=False),
        sa.Column("track_id", sa.BigInteger),
        sa.Column("confidence", sa.Double),
        sa.Column("status", sa.Text, server_default="pending", nullable=False),
        sa.Column("snapshot_path", sa.Text),
        sa.Column("bbox", postgresql.JSONB),
        sa.Column("handled_at", MOMENT),
        sa.Column("handled_by", sa.Text),
        sa.Column("notes", sa.Text),
        sa.Column("created_at", MOMENT, server_default=NOW, nullable=False),
        sa.Column("updated_at", MOMENT, server_default=NOW, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_violation_events"),
        sa.CheckConstraint(
            "violation_type IN ('no_hairnet', 'no_handwash', 'no_sanitize')",
            name=op.f("ck_violation_events_violation_type"),
        ),
        sa.CheckConstraint(
            "status IN ('pending', 'confirmed', 'false_positive', 'resolved')",
            name=op.f("ck_violation_events_status"),
        ),
    )
    op.create_index(
        "ix_violation_events_timestamp_id",
        "violation_events",
        [sa.text("timestamp DESC"), sa.text("id DESC")],
    )


def _create_events() -> None:
    op.create_table(
        "events",
        sa.Column("id", sa.BigInteger, sa.Identity(), nullable=False),
        sa.Column("timestamp", MOMENT, nullable=False),
        sa.Column("ts", sa.Double, nullable=False),
        sa.Column("type", sa.Text, nullable=False),
        sa.Column("camera_id", sa.Text, nullable=False),
        sa.Column("track_id", sa.BigInteger),
        sa.Column("confidence", sa.Double, nullable=False),
        sa.Column("region", sa.Text),
        sa.Column("evidence", postgresql.JSON, nullable=False),
        sa.PrimaryKeyConstraint("id", "timestamp", name="pk_events"),
        postgresql_partition_by="RANGE (timestamp)",
    )
    newest_first = [sa.text("timestamp DESC"), sa.text("id DESC")]
    op.create_index("ix_events_timestamp_id", "events", newest_first)
    op.create_index("ix_events_camera_id_timestamp_id", "events", ["camera_id", *newest_first])
    op.create_index("ix_events_type_timestamp_id", "events", ["type", *newest_first])
    op.execute("CREATE TABLE events_default PARTITION OF events DEFAULT")
    op.create_table(
        "hourly_event_counts",
        sa.Column("hour", MOMENT, nullable=False),
        sa.Column("camera_id", sa.Text, nullable=False),
        sa.Column("type", sa.Text, nullable=False),
        sa.Column("count", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("hour", "camera_id", "type", name="pk_hourly_event_counts"),
    )


def _create_cameras() -> None:
    op.create_table(
        "cameras",
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("position", sa.BigInteger, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("location", sa.Text),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("active", sa.Boolean, nullable=False),
        sa.Column("auto_start", sa.Boolean, nullable=False),
        sa.Column("resolution", sa.Text),
        sa.Column("fps", sa.Double),
        sa.Column("region_id", sa.Text),
        sa.Column("regions_file", sa.Text),
        sa.PrimaryKeyConstraint("id", name="pk_cameras"),
    )
    op.create_table(
        "camera_statistics",
        sa.Column("camera_id", sa.Text, nullable=False),
        sa.Column("timestamp", MOMENT, nullable=False),
        sa.Column("total_frames", sa.BigInteger, nullable=False),
        sa.Column("processed_frames", sa.BigInteger, nullable=False),
        sa.Column("detected_persons", sa.BigInteger, nullable=False),
        sa.Column("detected_hairnets", sa.BigInteger, nullable=False),
        sa.Column("detected_handwash", sa.BigInteger, nullable=False),
        sa.Column("avg_fps", sa.Double, nullable=False),
        sa.Column("avg_detection_time", sa.Double, nullable=False),
        sa.PrimaryKeyConstraint("camera_id", name="pk_camera_statistics"),
    )


def _create_ingest_checkpoints() -> None:
    op.create_table(
        "ingest_checkpoints",
        sa.Column("log", sa.Text, nullable=False),
        sa.Column("device", sa.Numeric(20, 0), nullable=False),
        sa.Column("inode", sa.Numeric(20, 0), nullable=False),
        sa.Column("head", sa.Text, nullable=False),
        sa.Column("offset", sa.BigInteger, nullable=False),
        sa.Column("lines", sa.BigInteger, nullable=False),
        sa.Column("malformed", sa.BigInteger, nullable=False),
        sa.Column("updated_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("log", name="pk_ingest_checkpoints"),
    )
