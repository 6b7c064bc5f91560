"""Every setting of the application, read from the environment and an env file."""

import logging
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Self

import psycopg2
from dotenv.parser import Binding, parse_stream
from psycopg2.extensions import parse_dsn

from detection_api.errors import ConfigurationError

log = logging.getLogger(__name__)

KILL_SWITCH = "USE_DOMAIN_SERVICE"


def read_environ(environ: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the process's environment, overridden by the env file.

    The file is `ENV_FILE`, by default `.env`; it wins over inherited variables, so that
    editing it and sending gunicorn a HUP is enough to change a running service. A file that
    cannot be read, or has an unreadable line, sets the kill switch: a typo in a hurry sends
    traffic to legacy instead of leaving a rollback undone.
    """
    environ = os.environ if environ is None else environ
    path = Path(environ.get("ENV_FILE", ".env"))
    try:
        with path.open(encoding="utf-8") as stream:
            bindings = list(parse_stream(stream))
    except FileNotFoundError:
        return dict(environ)
    except (OSError, UnicodeDecodeError) as error:
        log.error("env file %s is unreadable (%s): all traffic goes to legacy", path, error)
        return {**environ, KILL_SWITCH: "env file unreadable"}
    merged = {**environ, **{b.key: b.value or "" for b in bindings if b.key}}
    for line in (b.original.line for b in bindings if b.error or not _is_assignment(b)):
        log.error("env file %s, line %d is unreadable: all traffic goes to legacy", path, line)
        merged[KILL_SWITCH] = "env file unreadable"
    return merged


def _is_assignment(binding: Binding) -> bool:
    """Return False for `NAME:value`, which the parser reads as a name without a value."""
    return binding.key is None or binding.key.isidentifier()


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise ValueError("must be 1 or more")
    return number


def _not_negative(text: str) -> int:
    number = int(text)
    if number < 0:
        raise ValueError("must be 0 or more")
    return number


def _log_level(text: str) -> str:
    level = text.upper()
    if level not in ("DEBUG", "INFO", "WARNING", "ERROR"):
        raise ValueError("must be one of DEBUG, INFO, WARNING, ERROR")
    return level


def _postgres_url(text: str) -> str:
    try:
        parse_dsn(text)
    except psycopg2.ProgrammingError:
        text = ""  # the message may quote a password
    if not text.startswith(("postgresql://", "postgres://")):
        raise ValueError("must be a postgresql:// URL")
    return text


def _optional_postgres_url(text: str) -> str:
    return _postgres_url(text) if text else ""


def _redis_url(text: str) -> str:
    if not text:
        return text
    from redis.connection import parse_url  # noqa: PLC0415 - takes long, and few commands need it

    try:
        parse_url(text)  # type: ignore[no-untyped-call]
    except ValueError:
        raise ValueError("must be a redis://, rediss:// or unix:// URL") from None
    return text


def _setting(
    variable: str, read: Callable[[str], Any], doc: str, default: str | None = None
) -> Any:
    return field(metadata={"variable": variable, "read": read, "doc": doc, "default": default})


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The application's settings; `from_environ` reads and checks them all at once.

    The canary's own variables (`USE_DOMAIN_SERVICE`, `ROLLOUT_PERCENT...`, `FORCE_DOMAIN`,
    `SHADOW_...` and others) are read by `canary.serving.settings.CanarySettings`.
    """

    database_url: str = _setting(
        "DATABASE_URL", _postgres_url, "PostgreSQL, as a libpq URL; required"
    )
    database_read_url: str = _setting(
        "DATABASE_READ_URL",
        _optional_postgres_url,
        "a streaming replica that the domain reads from; empty: it reads from DATABASE_URL",
        "",
    )
    replica_lag_limit_s: int = _setting(
        "REPLICA_LAG_LIMIT_S",
        _positive,
        "seconds that the replica may be behind; otherwise the domain reads from DATABASE_URL",
        "2",
    )
    redis_url: str = _setting(
        "REDIS_URL",
        _redis_url,
        "Redis or Valkey that detectors publish to; empty: no live statistics",
        "",
    )
    cache_url: str = _setting(
        "CACHE_URL",
        _redis_url,
        "Redis or Valkey for answers that may be a moment old; empty: each process keeps its own",
        "",
    )
    cache_ttl_s: int = _setting(
        "CACHE_TTL_S", _not_negative, "seconds that such an answer is kept; 0: no cache", "1"
    )
    events_log: Path = _setting(
        "EVENTS_LOG", Path, "JSONL event log that detectors append to", "logs/events_record.jsonl"
    )
    cameras_file: Path = _setting(
        "CAMERAS_FILE", Path, "YAML file of configured cameras", "config/cameras.yaml"
    )
    domain_deadline_ms: int = _setting(
        "CANARY_DEADLINE_MS", _positive, "longest that one domain read may take, ms", "1000"
    )
    legacy_deadline_ms: int = _setting(
        "LEGACY_DEADLINE_MS", _positive, "longest that one legacy SQL read may take, ms", "5000"
    )
    domain_pool_size: int = _setting(
        "DOMAIN_POOL_SIZE", _positive, "PostgreSQL connections a worker holds for the domain", "5"
    )
    legacy_pool_size: int = _setting(
        "LEGACY_POOL_SIZE", _positive, "PostgreSQL connections a worker holds for legacy", "5"
    )
    ingestion_lag_limit_s: int = _setting(
        "INGESTION_LAG_LIMIT_S", _positive, "ingestion lag at which health turns to 503, s", "60"
    )
    log_level: str = _setting(
        "LOG_LEVEL", _log_level, "least severe log line: DEBUG, INFO, WARNING, ERROR", "INFO"
    )

    @classmethod
    def from_environ(cls, environ: Mapping[str, str]) -> Self:
        """Read all settings from `environ`.

        Raises ConfigurationError with one line that names every setting at fault.
        """
        values, faults = _read(environ)
        if faults:
            raise ConfigurationError("; ".join(faults.values()))
        return cls(**values)


def fail_safe(environ: Mapping[str, str]) -> tuple[Settings, Mapping[str, str]]:
    """Return the settings of a worker that must boot, and the environment that it uses.

    An unreadable setting is logged, gets its default, and sets the kill switch: a typo in an env
    file must not end the service at the next HUP. Raises ConfigurationError if it has no default.
    """
    values, faults = _read(environ)
    fatal = [fault for name, fault in faults.items() if name not in values]
    if fatal:
        raise ConfigurationError("; ".join(fatal))
    for fault in faults.values():
        log.error("%s: it has its default, and all traffic goes to legacy", fault)
    return Settings(**values), {**environ, KILL_SWITCH: "settings"} if faults else environ


def _read(environ: Mapping[str, str]) -> tuple[dict[str, Any], dict[str, str]]:
    """Return values by field name, with defaults for unreadable ones, and faults by field name."""
    values: dict[str, Any] = {}
    faults: dict[str, str] = {}
    for setting in fields(Settings):
        variable, read, default = (setting.metadata[m] for m in ("variable", "read", "default"))
        text = environ.get(variable) or default
        try:
            if text is not None:
                values[setting.name] = read(text)
            else:
                faults[setting.name] = f"{variable} is not set ({setting.metadata['doc']})"
        except ValueError as error:
            faults[setting.name] = f"{variable} is unreadable: {error}"
            if default is not None:
                values[setting.name] = read(default)
    return values, faults


def log_key(path: Path) -> str:
    """Return the name of the log at `path`, the same for every spelling of the path.

    Resolves links in the folder. Does not resolve a link at the end of the path, because a
    rotation changes its target.
    """
    # Path.resolve would raise RuntimeError for circular links.
    return str(Path(os.path.realpath(path.parent), path.name))
