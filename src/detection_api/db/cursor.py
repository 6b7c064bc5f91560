"""The position where a page of records ends and the next one starts; opaque text for clients.

A position is a timestamp and an id. It does not depend on the camera or the window of the list.
Its text starts with a version, so a later version can recognise an old cursor.
"""

import binascii
import struct
from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import UTC, datetime, timedelta
from typing import NamedTuple, Self

VERSION = 1
PATTERN = "^[A-Za-z0-9_-]{23}$"
"""A pattern that every cursor matches; some other texts match it, too."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_TICK = timedelta(microseconds=1)
_FORM = struct.Struct(">Bqq")
"""Version, microseconds since 1970, id."""
_PADDING = "="


class PagePosition(NamedTuple):
    """The place after this record in a list ordered by timestamp and id, both descending."""

    timestamp: datetime
    id: int

    def text(self) -> str:
        """Return the cursor, which `read` reads; it needs no escaping in a URL."""
        packed = _FORM.pack(VERSION, (self.timestamp - _EPOCH) // _TICK, self.id)
        return urlsafe_b64encode(packed).decode().rstrip(_PADDING)

    @classmethod
    def read(cls, text: str) -> Self:
        """Return the position of the cursor `text`; raises ValueError if it is not a cursor."""
        try:
            packed = urlsafe_b64decode(text + _PADDING * (-len(text) % 4))
            version, ticks, identifier = _FORM.unpack(packed)
            position = cls(_EPOCH + ticks * _TICK, identifier)
        except (binascii.Error, struct.error, OverflowError) as error:
            raise ValueError("not a cursor") from error
        if version != VERSION or position.text() != text:
            raise ValueError("not a cursor of this version")
        return position
