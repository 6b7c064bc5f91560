"""Settings are read once, all faults are named at once, and a typo never undoes a rollback."""

from pathlib import Path

import pytest

from detection_api.config import KILL_SWITCH, Settings, fail_safe, log_key, read_environ
from detection_api.errors import ConfigurationError

URL = "postgresql://user:secret@db/detections"


def test_only_the_database_has_to_be_named() -> None:
    settings = Settings.from_environ({"DATABASE_URL": URL})
    assert settings.events_log == Path("logs/events_record.jsonl")
    assert settings.domain_deadline_ms == 1000
    assert settings.redis_url == ""
    assert settings.database_read_url == ""
    assert settings.cache_ttl_s == 1


def test_a_missing_database_is_one_clear_line() -> None:
    with pytest.raises(ConfigurationError, match=r"^DATABASE_URL is not set \(PostgreSQL"):
        Settings.from_environ({})


def test_every_unreadable_setting_is_named_and_no_secret_with_it() -> None:
    with pytest.raises(ConfigurationError) as caught:
        Settings.from_environ(
            {
                "DATABASE_URL": "mysql://user:secret@db/x",
                "CANARY_DEADLINE_MS": "0",
                "LEGACY_POOL_SIZE": "many",
                "CACHE_TTL_S": "-1",
                "LOG_LEVEL": "loud",
                "REDIS_URL": "localhost:6379",
            }
        )
    message = str(caught.value)
    for name in (
        "DATABASE_URL",
        "CANARY_DEADLINE_MS",
        "LEGACY_POOL_SIZE",
        "CACHE_TTL_S",
        "LOG_LEVEL",
        "REDIS_URL",
    ):
        assert name in message
    assert "secret" not in message
    assert "\n" not in message


def test_an_empty_variable_is_one_that_is_not_set() -> None:
    settings = Settings.from_environ({"DATABASE_URL": URL, "EVENTS_LOG": "", "LOG_LEVEL": "debug"})
    assert settings.events_log == Path("logs/events_record.jsonl")
    assert settings.log_level == "DEBUG"


@pytest.mark.parametrize(
    "url",
    [
        "postgres://db/detections",
        "postgresql:///detections?host=/run/postgresql",
        "postgresql://u@h1:5432,h2:5432/detections?target_session_attrs=any",
    ],
    ids=["short scheme", "socket", "several hosts"],
)
def test_whatever_libpq_can_read_is_a_database(url: str) -> None:
    settings = Settings.from_environ({"DATABASE_URL": url, "DATABASE_READ_URL": url})
    assert settings.database_url == settings.database_read_url == url


@pytest.mark.parametrize(
    ("variable", "text"),
    [
        ("DATABASE_URL", "postgresql://u:hunter2@h/d?no_such=1"),
        ("DATABASE_URL", "postgresql://u:hunter2@[h/d"),
        ("DATABASE_READ_URL", "mysql://u:hunter2@h/d"),
        ("REDIS_URL", "redis://:hunter2@h:abc"),
        ("REDIS_URL", "http://:hunter2@h"),
    ],
)
def test_a_bad_url_is_named_without_what_is_in_it(variable: str, text: str) -> None:
    with pytest.raises(ConfigurationError, match=f"{variable} is unreadable") as caught:
        Settings.from_environ({"DATABASE_URL": URL, variable: text})
    assert "hunter2" not in str(caught.value)


def test_a_worker_boots_with_an_unreadable_setting_and_all_traffic_on_legacy(
    caplog: pytest.LogCaptureFixture,
) -> None:
    settings, environ = fail_safe({"DATABASE_URL": URL, "LOG_LEVEL": "verbose"})
    assert settings.log_level == "INFO"
    assert environ[KILL_SWITCH] == "settings"
    assert "LOG_LEVEL is unreadable" in caplog.text


def test_a_worker_without_a_database_does_not_boot() -> None:
    with pytest.raises(ConfigurationError, match="DATABASE_URL is not set"):
        fail_safe({"LOG_LEVEL": "verbose"})


def test_nothing_is_switched_where_everything_is_readable() -> None:
    given = {"DATABASE_URL": URL}
    assert fail_safe(given)[1] is given


def environ_with(tmp_path: Path, text: str) -> dict[str, str]:
    path = tmp_path / "env"
    path.write_text(text)
    return read_environ({"ENV_FILE": str(path), "ROLLOUT_PERCENT": "10", "PATH": "/bin"})


def test_the_env_file_wins_over_inherited_variables(tmp_path: Path) -> None:
    environ = environ_with(tmp_path, '# at night\nexport ROLLOUT_PERCENT="25"\nLOG_LEVEL=\n')
    assert (environ["ROLLOUT_PERCENT"], environ["LOG_LEVEL"], environ["PATH"]) == ("25", "", "/bin")


def test_a_file_that_is_not_there_changes_nothing(tmp_path: Path) -> None:
    inherited = {"ENV_FILE": str(tmp_path / "none"), "ROLLOUT_PERCENT": "10"}
    assert read_environ(inherited) == inherited


@pytest.mark.parametrize(
    "text",
    [
        "ROLLOUT_PERCENT=50\n=\n",
        "USE_DOMAIN_SERVICE:false\n",
        "USE_DOMAIN_SERVICE false\n",
        'A="open\nB=1\n',
    ],
    ids=["no name", "colon", "no sign", "open quote"],
)
def test_a_line_that_cannot_be_read_is_a_kill_switch(
    tmp_path: Path, text: str, caplog: pytest.LogCaptureFixture
) -> None:
    assert environ_with(tmp_path, text)[KILL_SWITCH] == "env file unreadable"
    assert "all traffic goes to legacy" in caplog.text


def test_a_name_without_a_value_is_a_kill_switch_too(tmp_path: Path) -> None:
    """`USE_DOMAIN_SERVICE` alone on a line is set, and not to a true word."""
    assert environ_with(tmp_path, "USE_DOMAIN_SERVICE\n")[KILL_SWITCH] == ""


def test_a_file_that_cannot_be_read_is_a_kill_switch(tmp_path: Path) -> None:
    folder = tmp_path / "env"
    folder.mkdir()
    assert read_environ({"ENV_FILE": str(folder)})[KILL_SWITCH] == "env file unreadable"


def test_a_file_that_is_not_text_is_a_kill_switch(tmp_path: Path) -> None:
    path = tmp_path / "env"
    path.write_bytes(b"ROLLOUT_PERCENT=\xff\xfe")
    assert read_environ({"ENV_FILE": str(path)})[KILL_SWITCH] == "env file unreadable"


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
