"""Who answers, by the environment that an operator sets, under real gunicorn workers."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.e2e.instance import PATH_OF, PATHS, Instance, Load, whose
from tests.factory import World
from tests.world import shows_data

SAMPLE = 4000
CAMERAS = PATHS[5]


def forced(path: str, word: str) -> str:
    return f"{path}{'&' if '?' in path else '?'}force_domain={word}"


def test_at_100_percent_all_seven_answer_from_the_domain_with_data(
    world: World, tmp_path: Path
) -> None:
    with Instance(tmp_path, {**world.environ, "ROLLOUT_PERCENT": "100"}) as instance:
        for endpoint, path in PATH_OF.items():
            reply = instance.get(path)
            assert (reply.status, reply.who) == (200, "domain; reason=rollout")
            assert shows_data(endpoint, reply.body), f"{path} has no data"


def test_the_kill_switch_sends_all_seven_to_legacy_forced_ones_included(
    world: World, tmp_path: Path
) -> None:
    environ = {**world.environ, "USE_DOMAIN_SERVICE": "false", "ROLLOUT_PERCENT": "100"}
    with Instance(tmp_path, environ) as instance:
        for endpoint, path in PATH_OF.items():
            for asked in (path, forced(path, "true")):
                reply = instance.get(asked)
                assert (reply.status, reply.who) == (200, "legacy; reason=kill_switch")
                # legacy hears live statistics from Redis, where nothing is published here
                has_data = endpoint == "cameras.camera_stats" or shows_data(endpoint, reply.body)
                assert has_data, f"{path} has no data"


def test_at_25_percent_a_quarter_of_the_requests_are_the_domains(
    world: World, tmp_path: Path
) -> None:
    with Instance(tmp_path, {**world.environ, "ROLLOUT_PERCENT": "25"}) as instance:
        with ThreadPoolExecutor(8) as clients:
            replies = list(clients.map(instance.get, [CAMERAS] * SAMPLE))
        share = whose(replies)["domain; reason=rollout"] / SAMPLE
        assert 0.22 <= share <= 0.28
        for client in range(20):
            assert len({instance.get(CAMERAS, X_Client_Id=f"c{client}").who for _ in range(5)}) == 1


def test_who_is_in_at_10_percent_is_in_at_25(world: World, tmp_path: Path) -> None:
    inside: dict[str, set[str]] = {}
    for percent in ("10", "25"):
        folder = tmp_path / percent
        folder.mkdir()
        with Instance(folder, {**world.environ, "ROLLOUT_PERCENT": percent}) as instance:
            inside[percent] = {
                f"c{n}"
                for n in range(300)
                if instance.get(CAMERAS, X_Client_Id=f"c{n}").who.startswith("domain")
            }
    assert inside["10"]
    assert inside["10"] < inside["25"]


@pytest.mark.parametrize(
    ("lines", "threads"),
    [
        ("USE_DOMAIN_SERVICE=false\n", "4"),
        ("USE_DOMAIN_SERVICE=false\n", "1"),
        ("ROLLOUT_PERCENT=100\nLOG_LEVEL=verbose\n", "4"),
        ("ROLLOUT_PERCENT=100\nROLLOUT_PERCENT_STATISTIC_DAILY=0\n", "4"),
    ],
    ids=["kill switch", "kill switch, one thread", "unreadable setting", "misspelled endpoint"],
)
def test_editing_the_env_file_and_a_hup_roll_back_without_a_lost_request(
    world: World, tmp_path: Path, lines: str, threads: str
) -> None:
    """A typo, whatever its line was about, sends everything to legacy and ends nothing."""
    environ = {**world.environ, "ROLLOUT_PERCENT": "100", "THREADS": threads}
    with Instance(tmp_path, environ) as instance:
        before = instance.workers
        with Load(instance, clients=4) as load:
            load.more(70)
            instance.env_file.write_text(lines)
            instance.reload()
            instance.wait_until_renewed(before)
            rolled_back = load.more(140)
        assert load.lost == []
        assert {reply.status for reply in load.replies} == {200}
        assert set(whose(rolled_back[8:])) == {"legacy; reason=kill_switch"}


def test_a_setting_that_is_missing_is_one_clear_line(world: World, tmp_path: Path) -> None:
    with (
        pytest.raises(AssertionError, match="DATABASE_URL is not set"),
        Instance(tmp_path, {**world.environ, "DATABASE_URL": ""}),
    ):
        pass
