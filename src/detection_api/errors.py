"""Errors with a meaning to the caller; services and legacy raise them and know no HTTP."""


class ConfigurationError(Exception):
    """A setting is missing or unreadable; the message is one clear line for an operator."""


class DetectionError(Exception):
    """An answer that is not data: the request was understood and this is what there is to say.

    `problems.py` turns each kind into its HTTP problem. To the canary it is an answer, not
    a failure.
    """


class NotFoundError(DetectionError):
    """What was asked for does not exist; the message names it in a sentence."""


class ConflictError(DetectionError):
    """What was asked for cannot be had beside what there is; the message says why."""


class UnauthenticatedError(DetectionError):
    """Nobody showed a token, where one is needed."""


class InvalidTokenError(UnauthenticatedError):
    """The token that was shown is none, or was revoked."""


class ForbiddenError(DetectionError):
    """The token that was shown does not allow this."""


class ThrottledError(DetectionError):
    """Too many attempts failed; try again after `retry_after` whole seconds."""

    def __init__(self, message: str, retry_after: int) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class DeadlineExceededError(TimeoutError):
    """A wait on PostgreSQL (for a connection, a lock, an answer) reached its time limit."""
