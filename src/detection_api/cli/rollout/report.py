"""`detection-api rollout report`: what a run has shown."""

from pathlib import Path

import click
from flask.cli import with_appcontext

from detection_api.cli.rollout.common import open_store
from detection_api.rollout import run as runs
from detection_api.rollout.report import RENDERERS, assemble, read
from detection_api.web.translations import LANGUAGES


@click.command()
@click.argument("run", type=click.IntRange(min=1), required=False)
@click.option(
    "--format", "form", type=click.Choice(list(RENDERERS)), default="md", show_default=True
)
@click.option(
    "--lang", type=click.Choice(list(LANGUAGES)), default="en", show_default=True, help="Language."
)
@click.option(
    "--output",
    type=click.Path(dir_okay=False, writable=True, path_type=Path),
    help="Where to write it.  [default: standard output]",
)
@with_appcontext
def report(run: int | None, form: str, lang: str, output: Path | None) -> None:
    """Report what RUN has shown, and what it has not; without RUN, the last one.

    From the ledger and the events alone: a run that has ended gives the same report at any time.
    What the ledger has forgotten (CANARY_RETENTION_DAYS) is told from the events, and said to be.

    \b
    Example:
      detection-api rollout report --format html --lang zh --output report.html
    """
    store = open_store()
    found = runs.latest(store) if run is None else runs.load(store, run)
    if found is None:
        missing = "there was no run yet" if run is None else f"there is no run {run}"
        raise click.ClickException(f"{missing}; see `detection-api rollout events`")
    text = RENDERERS[form](assemble(read(store, found)), lang)
    if output is None:
        click.echo(text, nl=False)
    else:
        output.write_text(text, encoding="utf-8")
        click.echo(f"wrote {output}")
