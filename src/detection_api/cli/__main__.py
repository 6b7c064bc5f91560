"""The `detection-api` command, also as `python -m detection_api.cli`.

Long-running commands hold SIGTERM and SIGINT while their imports run, so that they end cleanly even
if they are stopped at once. Other commands end by the signal.
"""

import sys
from collections.abc import Sequence

from detection_api.server.signals import hold_signals

LONG_RUNNING = (
    ("up",),
    ("ingest", "stats"),
    ("demo", "detect"),
    ("demo", "rollout"),
    ("demo", "traffic"),
    ("rollout", "run"),
)
"""These run until they are stopped, and so does every command with `--follow`."""


def hold_signals_if_long_running(words: Sequence[str]) -> None:
    """Hold the signals if the command line `words` names a command that takes them over."""
    if "--follow" in words or any(tuple(words[: len(c)]) == c for c in LONG_RUNNING):
        hold_signals()


def main() -> None:
    """Run the command that the command line names."""
    hold_signals_if_long_running(sys.argv[1:])
    from detection_api.cli.main import main as commands  # noqa: PLC0415

    commands(prog_name="detection-api")


if __name__ == "__main__":
    main()
