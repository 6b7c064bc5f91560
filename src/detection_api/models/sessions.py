"""Operators who are logged in to the console."""

from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey, LargeBinary, func
from sqlalchemy.orm import Mapped, mapped_column

from detection_api.models.base import Base


class OperatorSession(Base):
    """One login, valid until `expires_at`; of its key only `digest`, the SHA-256, is kept."""

    __tablename__ = "operator_session"

    digest: Mapped[bytes] = mapped_column(LargeBinary, primary_key=True)
    token_id: Mapped[int] = mapped_column(ForeignKey("operator_token.id"))
    created_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
    expires_at: Mapped[datetime]

    __table_args__ = (CheckConstraint("octet_length(digest) = 32", name="digest"),)
