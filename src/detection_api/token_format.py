"""The format of operators' tokens: make, hash and redact them."""

import re
import secrets
from hashlib import sha256

PREFIX = "dapi_"
"""The start of every token, by which secret scanners and our logs recognise it."""
_RANDOM_BYTES = 32
_TOKEN = re.compile(rf"{PREFIX}[A-Za-z0-9_-]+")
_REDACTED = f"{PREFIX}[redacted]"


def new_token() -> str:
    """Return a new token with 256 random bits, which cannot be guessed."""
    return PREFIX + secrets.token_urlsafe(_RANDOM_BYTES)


def digest(token: str) -> bytes:
    """Return the hash that is stored instead of the token."""
    return sha256(token.encode(errors="replace")).digest()


def redacted(text: str) -> str:
    """Return `text` with everything that looks like a token redacted."""
    return _TOKEN.sub(_REDACTED, text) if PREFIX in text else text


def is_in(text: str) -> bool:
    """Return True if `text` holds anything that looks like a token."""
    return _TOKEN.search(text) is not None
