"""What the demo's tests share: settings for an empty world."""

from pathlib import Path

from detection_api.config import Settings


def environ(database_url: str, folder: Path, redis_url: str = "") -> dict[str, str]:
    """The environment of a demo in `folder`."""
    return {
        "ENV_FILE": str(folder / "none"),
        "DATABASE_URL": database_url,
        "REDIS_URL": redis_url,
        "EVENTS_LOG": str(folder / "logs" / "events_record.jsonl"),
        "CAMERAS_FILE": str(folder / "config" / "cameras.yaml"),
    }


def settings(database_url: str, folder: Path) -> Settings:
    return Settings.from_environ(environ(database_url, folder))
