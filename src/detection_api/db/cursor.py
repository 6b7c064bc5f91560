"""The position where a page of records ends and the next one starts; opaque text for clients.

A position says when and which, nothing of whose records or what window: it holds in any list that
is newest first. Its text is versioned, so that a later version can still tell what it was given.
"""

import binascii
import struct
from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import UTC, datetime, timedelta
from typing import NamedTuple, Self

VERSION = 1
PATTERN = "^[A-Za-z0-9_-]{23}$"
"""Every cursor matches it; some other texts do, too."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_TICK = timedelta(microseconds=1)
_FORM = struct.Struct(">Bqq")
"""Version, microseconds since 1970, id."""
_PADDING = "="


class PagePosition(NamedTuple):
    """A place in a list that is newest first, ties by id descending: right after this record."""

    timestamp: datetime
    id: int

    def text(self) -> str:
        """The cursor that `read` reads; nothing in it needs escaping in a URL."""
        packed = _FORM.pack(VERSION, (self.timestamp - _EPOCH) // _TICK, self.id)
        return urlsafe_b64encode(packed).decode().rstrip(_PADDING)

    @classmethod
    def read(cls, text: str) -> Self:
        """The position whose text this is; raises ValueError where it is none's."""
        try:
            packed = urlsafe_b64decode(text + _PADDING * (-len(text) % 4))
            version, ticks, identifier = _FORM.unpack(packed)
            position = cls(_EPOCH + ticks * _TICK, identifier)
        except (binascii.Error, struct.error, OverflowError) as error:
            raise ValueError("not a cursor") from error
        if version != VERSION or position.text() != text:
            raise ValueError("not a cursor of this version")
        return position
