"""Errors that mean something to the caller; services and legacy raise them without knowing HTTP."""


class ConfigurationError(Exception):
    """A setting is missing or unreadable; the message is one clear line for an operator."""


class DetectionError(Exception):
    """An answer without data, to a request that was understood.

    `web/problems.py` turns each kind into an HTTP problem. For the canary it is an answer, not a
    failure.
    """


class NotFoundError(DetectionError):
    """The requested object does not exist; the message names it in a sentence."""


class ConflictError(DetectionError):
    """The change conflicts with the current state; the message says why."""


class UnauthenticatedError(DetectionError):
    """The request has no token and needs one."""


class InvalidTokenError(UnauthenticatedError):
    """The token is not valid, or was revoked."""


class ForbiddenError(DetectionError):
    """The token does not allow this."""


class ThrottledError(DetectionError):
    """Too many attempts failed; try again after `retry_after` whole seconds."""

    def __init__(self, message: str, retry_after: int) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class DeadlineExceededError(TimeoutError):
    """A wait on PostgreSQL (for a connection, a lock, an answer) reached its time limit."""
