"""Operators' tokens."""

from datetime import datetime
from enum import Enum

from sqlalchemy import CheckConstraint, Identity, Index, LargeBinary, func, text
from sqlalchemy.orm import Mapped, mapped_column

from detection_api.models.base import Base


class Role(Enum):
    """What the bearer of a token may do."""

    VIEWER = "viewer"
    """Read how the rollout stands, and choose an arm where FORCE_DOMAIN asks for a token."""
    OPERATOR = "operator"
    """Change the rollout, too."""

    def may_act_as(self, other: "Role") -> bool:
        """Whether all that `other` may do is allowed."""
        return self is Role.OPERATOR or other is Role.VIEWER


class OperatorToken(Base):
    """One token, of which only `digest`, its SHA-256, is kept.

    A name has one token at a time. Those that were revoked stay, for the audit.
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
