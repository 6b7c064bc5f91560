"""One file of a log: whole lines only, in bounded memory, known again under another name."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from detection_api.ingest.log_file import CHUNK, HEAD, Chunk, LogFile
from tests.ingest.support import append


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "events.jsonl"


@pytest.fixture
def file(path: Path) -> Iterator[LogFile]:
    path.touch()
    file = LogFile(path)
    yield file
    file.close()


def test_a_line_is_not_read_before_it_is_complete(path: Path, file: LogFile) -> None:
    append(path, b"one\ntw")
    assert file.read() == Chunk(0, 4, b"one\n")
    assert file.read() is None
    append(path, b"o\n")
    assert file.read() == Chunk(4, 4, b"two\n")


def test_a_chunk_ends_with_the_last_line_that_fits(path: Path, file: LogFile) -> None:
    append(path, b"a" * (CHUNK - 2) + b"\nbb\n")
    assert file.read() == Chunk(0, CHUNK - 1, b"a" * (CHUNK - 2) + b"\n")
    assert file.read() == Chunk(CHUNK - 1, 3, b"bb\n")


def test_of_an_enormous_line_only_the_beginning_is_held(path: Path, file: LogFile) -> None:
    size = 3 * CHUNK + 17
    append(path, b"x" * size)
    assert file.read() is None
    append(path, b"y" * 5)
    assert file.read() is None
    append(path, b"\nnext\n")
    assert file.read() == Chunk(0, size + 6, b"x" * CHUNK)
    assert file.read() == Chunk(size + 6, 5, b"next\n")


def test_the_rest_of_a_finished_file_is_its_begun_line(path: Path, file: LogFile) -> None:
    append(path, b"one\ntorn")
    file.read()
    assert file.read_rest() == Chunk(4, 4, b"torn")
    assert file.read_rest() is None


@pytest.mark.parametrize("size", [10, HEAD - 1, HEAD, HEAD + 1, 5 * HEAD])
def test_a_position_is_found_again_after_growth_and_a_rename(path: Path, size: int) -> None:
    append(path, b"a" * (size - 1) + b"\n")
    before = LogFile(path)
    before.read()
    append(path, b"b\n")
    after = LogFile(path.rename(path.with_suffix(".1")))
    assert after.holds(before.position)
    after.seek(before.position)
    assert after.position == before.position
    assert after.read() == Chunk(size, 2, b"b\n")
    before.close()
    after.close()


@pytest.mark.parametrize("content", [b"", b"one\n", b"eno\ntwo\n"], ids=["empty", "short", "other"])
def test_a_file_that_was_begun_anew_in_place_is_truncated(
    path: Path, file: LogFile, content: bytes
) -> None:
    append(path, b"one\ntwo\n")
    file.read()
    position = file.position
    assert not file.is_truncated()
    path.write_bytes(content)
    assert file.is_truncated()
    assert not file.holds(position)


def test_a_file_that_lost_its_end_is_truncated_but_known_again(path: Path, file: LogFile) -> None:
    append(path, b"one\ntwo\n" * HEAD)
    file.read()
    position = file.position
    os.truncate(path, 2 * HEAD)
    assert file.is_truncated()
    assert file.holds(position)
    file.seek(position)
    assert file.read() is None
    append(path, b"three\n")
    assert file.read() == Chunk(2 * HEAD, 6, b"three\n")


def test_a_position_at_the_start_is_only_in_the_very_same_file(path: Path, file: LogFile) -> None:
    other = LogFile(Path(__file__))
    assert file.holds(file.position)
    assert not other.holds(file.position)
    other.close()
