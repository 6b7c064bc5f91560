"""A checkpoint holds every position and identity that a file can have."""

from tests.ingest.support import query

INSERT = (
    "INSERT INTO ingest_checkpoints"
    ' (log, device, inode, head, "offset", lines, malformed, updated_at)'
    " VALUES ('events.jsonl', %s, %s, '', %s, 0, 0, now())"
)


def test_identities_of_64_unsigned_bits_and_the_largest_offset_are_kept(
    database: str, unbound_waits: None
) -> None:
    largest, offset = 2**64 - 1, 2**63 - 1
    query(database, INSERT, largest, largest, offset)
    rows = query(database, 'SELECT device, inode, "offset" FROM ingest_checkpoints')
    assert rows == [(largest, largest, offset)]
