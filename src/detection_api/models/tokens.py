"""Operators' tokens."""

from datetime import datetime
from enum import Enum

from sqlalchemy import CheckConstraint, Identity, Index, LargeBinary, func, text
from sqlalchemy.orm import Mapped, mapped_column

from detection_api.models.base import Base


class Role(Enum):
    """The permissions of a token."""

    VIEWER = "viewer"
    """May read the rollout, and choose an arm if FORCE_DOMAIN asks for a token."""
    OPERATOR = "operator"
    """May also change the rollout."""

    def may_act_as(self, other: "Role") -> bool:
        """Return True if this role includes the permissions of `other`."""
        return self is Role.OPERATOR or other is Role.VIEWER


class OperatorToken(Base):
    """One token; only `digest`, its SHA-256, is kept.

    A name has at most one valid token. Revoked tokens stay, for the audit.
    """

    __tablename__ = "operator_token"

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    name: Mapped[str]
    role: Mapped[str]
    digest: Mapped[bytes] = mapped_column(LargeBinary, unique=True)
    created_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
    created_by: Mapped[str]
    revoked_at: Mapped[datetime | None]
    revoked_by: Mapped[str | None]

    __table_args__ = (
        CheckConstraint("role IN ('viewer', 'operator')", name="role"),
        CheckConstraint("octet_length(digest) = 32", name="digest"),
        Index(
            "uq_operator_token_name_in_use",
            "name",
            unique=True,
            postgresql_where=text("revoked_at IS NULL"),
        ),
    )
