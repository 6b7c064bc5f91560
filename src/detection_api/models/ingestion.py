"""The checkpoints of event logs."""

from datetime import datetime

from sqlalchemy import Numeric
from sqlalchemy.orm import Mapped, mapped_column

from detection_api.models.base import Base


class IngestCheckpoint(Base):
    """The position in one event log up to which every line is stored.

    `log` is its `log_key`. `device` and `inode` (64 bits, unsigned) identify the file. `head` is a
    hash of its first bytes, at most `offset`, and changes if the file is replaced in place.
    `offset` is in bytes and always at the start of a line. `lines` and `malformed` count all lines
    read from this log, over all its files.
    """

    __tablename__ = "ingest_checkpoints"

    log: Mapped[str] = mapped_column(primary_key=True)
    device: Mapped[int] = mapped_column(Numeric(20, 0))
    inode: Mapped[int] = mapped_column(Numeric(20, 0))
    head: Mapped[str]
    offset: Mapped[int]
    lines: Mapped[int]
    malformed: Mapped[int]
    updated_at: Mapped[datetime]
