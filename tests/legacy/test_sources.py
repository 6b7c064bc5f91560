"""Legacy is told where to read, and reads nothing before it is asked."""

from detection_api.config import Settings
from detection_api.dev.embedded import EmbeddedValkey
from detection_api.legacy import configure
from detection_api.legacy.sources import sources
from tests.ingest.support import wait_until


def settings(redis_url: str) -> Settings:
    return Settings.from_environ(
        {
            "DATABASE_URL": "postgresql://127.0.0.1:1/nobody",
            "REDIS_URL": redis_url,
            "EVENTS_LOG": "missing/events.jsonl",
            "CAMERAS_FILE": "missing/cameras.yaml",
        }
    )


def test_nothing_is_opened_before_it_is_read() -> None:
    configure(settings("redis://127.0.0.1:1"))
    assert not sources.live.subscribed.is_set()


def test_configuring_anew_ends_the_former_subscription(valkey: EmbeddedValkey) -> None:
    configure(settings(valkey.url))
    former = sources.live
    former.start()
    assert former.subscribed.wait(10)
    configure(settings(""))
    wait_until(lambda: not former.subscribed.is_set())
    assert sources.live.latest("cam0") is None
