"""Reading a log: over rotation, truncation and restarts, every line once and in order."""

import math
import os
import shutil
from pathlib import Path

import pytest

from detection_api.ingest.log_reader import LogReader
from tests.ingest.restarted import Restarted, rotate
from tests.ingest.support import append


@pytest.fixture
def log(restarted_log: Path) -> Path:
    return restarted_log


@pytest.fixture
def reader(restarted: Restarted) -> Restarted:
    return restarted


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
    rotate(log)
    append(log.with_name(f"{log.name}.1"), b"three\n")
    append(log, b"four\n")
    assert reader.read() == b"two\nthree\nfour\n"


def test_a_renamed_log_is_read_on_while_there_is_no_new_one(log: Path, reader: Restarted) -> None:
    append(log, b"one\n")
    reader.read()
    rotate(log)
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
    rotate(log)
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
    rotate(log)
    append(log, b"three\n")
    assert reader.read() == b"tornthree\n"


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
    rotate(log)
    append(log, b"two\n")
    reader.read()
    log.write_bytes(b"three\n")
    assert reader.read() == b"three\n"


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
