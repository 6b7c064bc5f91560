"""`detection-api rollout`: the group of the rollout's commands."""

import click

from detection_api.cli.rollout.assess import assess
from detection_api.cli.rollout.change import hold, resume, rollback, set_percent
from detection_api.cli.rollout.report import report
from detection_api.cli.rollout.run import abandon_run, run
from detection_api.cli.rollout.views import events, mismatches, status
from detection_api.cli.store import StoreGroup


@click.group(cls=StoreGroup)
def rollout() -> None:
    """Show and change the share of requests that the domain answers.

    Workers apply a change within a second. They share it in the database DATABASE_URL.

    \b
    Example:
      detection-api rollout status
    """


for _command in (
    *(run, abandon_run, status, events, mismatches, report, assess),
    *(set_percent, rollback, hold, resume),
):
    rollout.add_command(_command)
