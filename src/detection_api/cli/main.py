"""The `detection-api` command. It names every other command."""

from typing import Any

import click

from detection_api import __version__
from detection_api.cli.lazy_group import LazyGroup

COMMANDS = {
    "accepted": "detection_api.cli.rollout.accepted:accepted",
    "data": "detection_api.cli.data:data",
    "db": "detection_api.cli.migrations:db",
    "demo": "detection_api.cli.demo:demo",
    "ingest": "detection_api.cli.ingest:ingest",
    "rollout": "detection_api.cli.rollout.group:rollout",
    "tokens": "detection_api.cli.tokens:tokens",
    "up": "detection_api.cli.up:up",
    "verify": "detection_api.cli.verify:verify",
}


class ApplicationGroup(LazyGroup):
    """Commands of this application. An error of PostgreSQL prints one line."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; it builds the application if it needs it."""
        from detection_api.cli import environment  # noqa: PLC0415 - help needs nothing of it

        ctx.obj = ctx.obj or environment.script_info()
        with environment.clear_database_errors():
            return super().invoke(ctx)


@click.group(cls=ApplicationGroup, places=COMMANDS)
@click.version_option(__version__, prog_name="detection-api")
def main() -> None:
    """Detection records, violations, statistics and cameras, behind a canary.

    \b
    Example:
      detection-api rollout status
    """
