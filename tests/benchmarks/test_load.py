"""A turn is measured with all its answers, or raises an error."""

import shutil
import subprocess

import pytest
from benchmarks.__main__ import main
from benchmarks.load import LoadError
from benchmarks.stage import EVERYTHING, Server, Stage
from benchmarks.world import World
from click.testing import CliRunner

from benchmarks import limit, load

needs_wrk = pytest.mark.skipif(shutil.which("wrk") is None, reason="wrk is not installed")


@needs_wrk
def test_a_turn_has_a_rate_and_percentiles_in_order(servers: dict[str, Server]) -> None:
    turn = servers["canary"].with_all_endpoints().measure(EVERYTHING, 1)
    assert turn.requests_per_s > 0
    assert 0 < turn.p50_ms <= turn.p95_ms <= turn.p99_ms


@needs_wrk
def test_answers_that_are_errors_are_not_measured(servers: dict[str, Server]) -> None:
    with pytest.raises(LoadError, match="of them errors"):
        load.measure(servers["canary"].port, ["/nothing-here"], 1)


def test_without_wrk_a_run_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    result = CliRunner().invoke(main, ["limit"])
    assert result.exit_code == 1
    assert result.stderr == ("Error: wrk is not installed: apt-get install wrk\n")


def test_the_limit_is_the_services_own_statements(stage: Stage, small_world: World) -> None:
    """Every endpoint's, and pgbench can run it."""
    database_limit = limit.Limit(stage.pgbench, small_world, stage.folder)
    assert len(database_limit.statements) == 7
    for number, (text, variables) in enumerate(database_limit.statements.values()):
        script = stage.folder / f"{number}.sql"
        script.write_text(text)
        subprocess.run(
            [
                *(stage.pgbench, "--no-vacuum", "--protocol=prepared", "--transactions=1"),
                *(f"--file={script}", *(f"--define={n}={v}" for n, v in variables.items())),
                small_world.environ["DATABASE_URL"],
            ],
            check=True,
            capture_output=True,
        )
