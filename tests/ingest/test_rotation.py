"""The files of a rotated log are found in their order, and no others."""

import os
import shutil
from pathlib import Path

import pytest

from detection_api.ingest.log_file import HEAD
from tests.ingest.restarted import NS, Restarted, rotate, write_file
from tests.ingest.support import append, has_logged


@pytest.fixture
def log(restarted_log: Path) -> Path:
    return restarted_log


@pytest.fixture
def reader(restarted: Restarted) -> Restarted:
    return restarted


def test_rotations_while_down_are_read_in_their_order(log: Path, reader: Restarted) -> None:
    """Files are ordered by when they were last written to, and by number within one moment."""
    write_file(log, b"one\n", written=100)
    assert reader.read() == b"one\n"
    reader.end()
    write_file(log.with_name(f"{log.name}.12"), b"long read\n", written=50)
    write_file(log.with_name(f"{log.name}.11"), b"one\ntwo\n", written=200)
    for number in range(10, 0, -1):
        write_file(log.with_name(f"{log.name}.{number}"), b"%d\n" % number, written=300)
    write_file(log, b"last\n", written=400)
    reader.restart()
    assert reader.read() == b"two\n10\n9\n8\n7\n6\n5\n4\n3\n2\n1\nlast\n"


def test_rotation_to_dated_names_is_followed_too(log: Path, reader: Restarted) -> None:
    append(log, b"one\n")
    reader.read()
    reader.end()
    append(log, b"two\n")
    log.rename(log.with_name(f"{log.name}-20261123"))
    append(log, b"three\n")
    reader.restart()
    assert reader.read() == b"two\nthree\n"


def test_what_lies_beside_the_log_and_is_no_rotation_of_it_is_not_read(
    log: Path, reader: Restarted
) -> None:
    """Compressed files, folders, and an operator's copies of the old and the new file."""
    write_file(log, b"one\n", written=100)
    reader.read()
    reader.end()
    write_file(log, b"one\ntwo\n", written=150)
    log.rename(log.with_name(f"{log.name}.1"))
    write_file(log.with_name(f"{log.name}.1.bak"), b"one\ntwo\n", written=900)
    write_file(log.with_name(f"{log.name}.2.gz"), b"\x1f\x8b\n", written=900)
    write_file(log.with_name(f"{log.name}.empty"), b"", written=900)
    log.with_name(f"{log.name}.d").mkdir()
    write_file(log, b"three\nfour\n", written=950)
    write_file(log.with_name(f"{log.name}.bak"), b"three\n", written=900)
    reader.restart()
    assert reader.read() == b"two\nthree\nfour\n"


def test_a_copy_that_has_grown_is_not_taken_for_the_log(log: Path, reader: Restarted) -> None:
    append(log, b"one\n")
    reader.read()
    reader.end()
    shutil.copy(log, log.with_name(f"{log.name}.experiment"))
    append(log.with_name(f"{log.name}.experiment"), b"not of the log\n")
    append(log, b"two\n")
    reader.restart()
    assert reader.read() == b"two\n"


@pytest.mark.parametrize("restart", [False, True], ids=["following", "down"])
def test_a_log_that_was_replaced_by_a_copy_of_itself_is_read_on(
    log: Path, reader: Restarted, restart: bool
) -> None:
    """As by an editor, or by a move to another disk."""
    append(log, b"one\n")
    reader.read()
    if restart:
        reader.end()
    copy = log.with_name("copy")
    shutil.copy(log, copy)
    append(copy, b"two\n")
    copy.replace(log)
    if restart:
        reader.restart()
    assert reader.read() == b"two\n"


@pytest.mark.parametrize("restart", [False, True], ids=["following", "down"])
def test_a_log_that_lost_its_end_is_read_on_from_its_new_one(
    log: Path, reader: Restarted, caplog: pytest.LogCaptureFixture, restart: bool
) -> None:
    """What a power failure does: the database kept what the log's disk lost."""
    append(log, b"one\ntwo\n" * HEAD)
    reader.read()
    os.truncate(log, 2 * HEAD)
    if restart:
        reader.end()
        reader.restart()
    assert reader.read() == b""
    append(log, b"three\n")
    assert reader.read() == b"three\n"
    assert has_logged(caplog, "log_end_lost")


def test_several_rotations_at_once_while_following_lose_nothing(
    log: Path, reader: Restarted
) -> None:
    write_file(log, b"one\n", written=100)
    reader.read()
    rotate(log)
    write_file(log, b"two\n", written=200)
    rotate(log)
    write_file(log, b"three\n", written=300)
    assert reader.read() == b"two\nthree\n"


def test_where_the_file_is_gone_only_files_written_since_are_read(
    log: Path, reader: Restarted
) -> None:
    """Down for longer than rotated files are kept: what is left is read, and nothing twice."""
    write_file(log, b"one\n", written=100)
    reader.read()
    reader.end()
    reader.since_ns = 150.0 * NS
    write_file(log.with_name(f"{log.name}.3"), b"long read\n", written=50)
    write_file(log.with_name(f"{log.name}.2"), b"two\n", written=200)
    write_file(log.with_name(f"{log.name}.1"), b"three\n", written=300)
    log.unlink()
    write_file(log, b"four\n", written=400)
    reader.restart()
    assert reader.read() == b"two\nthree\nfour\n"
