"""A log has one checkpoint, however its path is spelled."""

from pathlib import Path

from detection_api.models.ingestion import log_key


def test_all_spellings_of_a_path_have_the_same_key(tmp_path: Path) -> None:
    logs = tmp_path / "logs"
    logs.mkdir()
    link = tmp_path / "link"
    link.symlink_to(logs)
    key = log_key(logs / "events.jsonl")
    assert log_key(link / "events.jsonl") == key
    assert log_key(logs / ".." / "logs" / "events.jsonl") == key


def test_a_link_to_a_rotated_file_keeps_its_own_name(tmp_path: Path) -> None:
    current = tmp_path / "current.jsonl"
    current.symlink_to(tmp_path / "events-1.jsonl")
    assert log_key(current) == str(tmp_path.resolve() / "current.jsonl")


def test_links_in_a_circle_have_a_key(tmp_path: Path) -> None:
    circle = tmp_path / "circle"
    circle.symlink_to(circle)
    assert log_key(circle / "events.jsonl").endswith("circle/events.jsonl")
