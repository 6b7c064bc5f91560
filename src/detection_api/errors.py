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


class DeadlineExceededError(TimeoutError):
    """A wait on PostgreSQL (for a connection, a lock, an answer) reached its time limit."""
