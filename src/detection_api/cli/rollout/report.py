"""`detection-api rollout report`: write the report of a run."""

from pathlib import Path

import click
from flask.cli import with_appcontext

from detection_api.cli.store import open_store
from detection_api.rollout import run as runs
from detection_api.rollout.report import RENDERERS, assemble, read
from detection_api.web.translations import LANGUAGES


@click.command()
@click.argument("run", type=click.IntRange(min=1), required=False)
@click.option(
    "--format",
    "renderer",
    type=click.Choice(list(RENDERERS)),
    default="md",
    show_default=True,
    help="Format.",
)
@click.option(
    "--lang", type=click.Choice(list(LANGUAGES)), default="en", show_default=True, help="Language."
)
@click.option(
    "--output",
    type=click.Path(dir_okay=False, writable=True, path_type=Path),
    help="File to write to.  [default: standard output]",
)
@with_appcontext
def report(run: int | None, renderer: str, lang: str, output: Path | None) -> None:
    """Write a report of RUN; without RUN, of the last one.

    The report comes from the ledger and the events, so the report of a run that has ended never
    changes. The ledger forgets counts after CANARY_RETENTION_DAYS; the report then reads them from
    the events, and says so.

    \b
    Example:
      detection-api rollout report --format html --lang zh --output report.html
    """
    store = open_store()
    found = runs.latest(store) if run is None else runs.load(store, run)
    if found is None:
        missing = "there is no run yet" if run is None else f"there is no run {run}"
        raise click.ClickException(f"{missing}; see `detection-api rollout events`")
    text = RENDERERS[renderer](assemble(read(store, found)), lang)
    if output is None:
        click.echo(text, nl=False)
    else:
        output.write_text(text, encoding="utf-8")
        click.echo(f"wrote {output}")
