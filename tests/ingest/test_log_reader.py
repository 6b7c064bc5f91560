"""Reading a log: over rotation, truncation and restarts, every line once and in order."""

import math
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from detection_api.ingest.log_file import HEAD, LogPosition
from detection_api.ingest.log_reader import LogReader
from tests.ingest.support import append, has_logged

NS = 10**9


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "events [1].jsonl"


class Restarted:
    """A reader that may be ended at any time and goes on from its last position."""

    def __init__(self, log: Path) -> None:
        self._log = log
        self.position: LogPosition | None = None
        self.since_ns = 0.0
        self.restart()

    def restart(self, *, patience: int = 0) -> None:
        self._reader = LogReader(self._log, self.position, self.since_ns, patience=patience)

    def read(self) -> bytes:
        """Everything up to the first read that finds nothing."""
        content = b""
        while batch := self._reader.read():
            content += batch.chunk.content if batch.chunk else b""
            self.position = batch.position
        return content

    def end(self) -> None:
        self._reader.close()


@pytest.fixture
def reader(log: Path) -> Iterator[Restarted]:
    reader = Restarted(log)
    yield reader
    reader.end()


def _write(path: Path, content: bytes, *, written: int) -> None:
    """Write a file as if last written to `written` seconds after 1970."""
    path.write_bytes(content)
    os.utime(path, ns=(written * NS, written * NS))


def _rotate(log: Path, kept: int = 9) -> None:
    """What logrotate does: the log becomes .1, .1 becomes .2, and so on."""
    for number in range(kept, 0, -1):
        older = log.with_name(f"{log.name}.{number}")
        if older.exists():
            older.rename(log.with_name(f"{log.name}.{number + 1}"))
    log.rename(log.with_name(f"{log.name}.1"))


def test_a_log_that_is_not_there_yet_is_read_when_it_is(log: Path, reader: Restarted) -> None:
    assert reader.read() == b""
    append(log, b"one\n")
    assert reader.read() == b"one\n"


def test_a_restart_goes_on_where_reading_was(log: Path, reader: Restarted) -> None:
    append(log, b"one\ntw")
    assert reader.read() == b"one\n"
    reader.end()
    append(log, b"o\n")
    reader.restart()
    assert reader.read() == b"two\n"


def test_a_renamed_log_is_read_to_its_end_before_the_new_one(log: Path, reader: Restarted) -> None:
    append(log, b"one\n")
    assert reader.read() == b"one\n"
    append(log, b"two\n")
    _rotate(log)
    append(log.with_name(f"{log.name}.1"), b"three\n")
    append(log, b"four\n")
    assert reader.read() == b"two\nthree\nfour\n"


def test_a_renamed_log_is_read_on_while_there_is_no_new_one(log: Path, reader: Restarted) -> None:
    append(log, b"one\n")
    reader.read()
    _rotate(log)
    assert reader.read() == b""
    append(log.with_name(f"{log.name}.1"), b"two\n")
    assert reader.read() == b"two\n"
    append(log, b"three\n")
    assert reader.read() == b"three\n"


def test_a_renamed_log_is_left_only_after_it_was_quiet_for_a_while(
    log: Path, reader: Restarted
) -> None:
    """Its writer may not have noticed the rotation yet."""
    reader.restart(patience=2)
    append(log, b"one\n")
    reader.read()
    _rotate(log)
    append(log, b"three\n")
    assert reader.read() == b""
    append(log.with_name(f"{log.name}.1"), b"two\n")
    assert reader.read() == b"two\n"
    assert reader.read() == b""
    assert reader.read() == b"three\n"


def test_the_last_line_of_a_renamed_log_counts_though_nobody_completed_it(
    log: Path, reader: Restarted
) -> None:
    append(log, b"one\ntorn")
    reader.read()
    _rotate(log)
    append(log, b"three\n")
    assert reader.read() == b"tornthree\n"


def test_rotations_while_down_are_read_in_their_order(log: Path, reader: Restarted) -> None:
    """Files are ordered by when they were last written to, and by number within one moment."""
    _write(log, b"one\n", written=100)
    assert reader.read() == b"one\n"
    reader.end()
    _write(log.with_name(f"{log.name}.12"), b"long read\n", written=50)
    _write(log.with_name(f"{log.name}.11"), b"one\ntwo\n", written=200)
    for number in range(10, 0, -1):
        _write(log.with_name(f"{log.name}.{number}"), b"%d\n" % number, written=300)
    _write(log, b"last\n", written=400)
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
    _write(log, b"one\n", written=100)
    reader.read()
    reader.end()
    _write(log, b"one\ntwo\n", written=150)
    log.rename(log.with_name(f"{log.name}.1"))
    _write(log.with_name(f"{log.name}.1.bak"), b"one\ntwo\n", written=900)
    _write(log.with_name(f"{log.name}.2.gz"), b"\x1f\x8b\n", written=900)
    _write(log.with_name(f"{log.name}.empty"), b"", written=900)
    log.with_name(f"{log.name}.d").mkdir()
    _write(log, b"three\nfour\n", written=950)
    _write(log.with_name(f"{log.name}.bak"), b"three\n", written=900)
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
    _write(log, b"one\n", written=100)
    reader.read()
    _rotate(log)
    _write(log, b"two\n", written=200)
    _rotate(log)
    _write(log, b"three\n", written=300)
    assert reader.read() == b"two\nthree\n"


@pytest.mark.parametrize("restart", [False, True], ids=["following", "down"])
def test_a_copied_and_truncated_log_loses_nothing(
    log: Path, reader: Restarted, restart: bool
) -> None:
    append(log, b"one\n")
    reader.read()
    if restart:
        reader.end()
    append(log, b"two\n")
    shutil.copy(log, log.with_name(f"{log.name}.1"))
    os.truncate(log, 0)
    append(log, b"three\n")
    if restart:
        reader.restart()
    assert reader.read() == b"two\nthree\n"


@pytest.mark.parametrize("content", [b"", b"new\n", b"new and longer than before\n"], ids=len)
def test_a_truncated_log_is_read_from_its_start_again(
    log: Path, reader: Restarted, content: bytes
) -> None:
    append(log, b"one\ntwo\n")
    reader.read()
    log.write_bytes(content)
    assert reader.read() == content
    append(log, b"next\n")
    assert reader.read() == b"next\n"


def test_a_truncated_log_does_not_bring_back_files_that_were_read(
    log: Path, reader: Restarted
) -> None:
    append(log, b"one\n")
    reader.read()
    _rotate(log)
    append(log, b"two\n")
    reader.read()
    log.write_bytes(b"three\n")
    assert reader.read() == b"three\n"


def test_where_the_file_is_gone_only_files_written_since_are_read(
    log: Path, reader: Restarted
) -> None:
    """Down for longer than rotated files are kept: what is left is read, and nothing twice."""
    _write(log, b"one\n", written=100)
    reader.read()
    reader.end()
    reader.since_ns = 150.0 * NS
    _write(log.with_name(f"{log.name}.3"), b"long read\n", written=50)
    _write(log.with_name(f"{log.name}.2"), b"two\n", written=200)
    _write(log.with_name(f"{log.name}.1"), b"three\n", written=300)
    log.unlink()
    _write(log, b"four\n", written=400)
    reader.restart()
    assert reader.read() == b"two\nthree\nfour\n"


def test_a_gone_log_is_waited_for(log: Path, reader: Restarted) -> None:
    append(log, b"one\n")
    reader.read()
    reader.end()
    reader.since_ns = math.inf
    log.unlink()
    reader.restart()
    assert reader.read() == b""
    append(log, b"two\n")
    assert reader.read() == b"two\n"


def test_the_backlog_is_what_open_files_have_still_to_give(log: Path) -> None:
    append(log, b"one\ntwo\n")
    reader = LogReader(log, None, 0, patience=0)
    assert reader.backlog() == 0
    reader.read()
    assert reader.backlog() == 8
    reader.read()
    assert reader.backlog() == 0
    reader.close()
