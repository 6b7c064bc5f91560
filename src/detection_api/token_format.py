"""What an operator's token looks like: made here, and kept out of whatever is written."""

import re
import secrets
from hashlib import sha256

PREFIX = "dapi_"
"""What secret scanners and our own logs know a token by."""
_RANDOM_BYTES = 32
_TOKEN = re.compile(rf"{PREFIX}[A-Za-z0-9_-]+")
_REDACTED = f"{PREFIX}[redacted]"


def new_token() -> str:
    """A token that nobody guesses: 256 random bits."""
    return PREFIX + secrets.token_urlsafe(_RANDOM_BYTES)


def digest(token: str) -> bytes:
    """What is stored instead of a token; nothing leads back from it."""
    return sha256(token.encode(errors="replace")).digest()


def redacted(text: str) -> str:
    """`text` with whatever looks like a token taken out."""
    return _TOKEN.sub(_REDACTED, text) if PREFIX in text else text


def is_in(text: str) -> bool:
    """Whether anything in `text` looks like a token."""
    return _TOKEN.search(text) is not None
