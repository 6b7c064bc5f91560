"""The report as one HTML file without scripts and external files, for screen, phone and paper."""

from importlib import resources

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from detection_api.rollout.report.document import Chart, Document, Number, Section, Table
from detection_api.rollout.report.formats import charts
from detection_api.rollout.report.formats.writer import Writer

PACKAGE = "detection_api.rollout.report"


def render(document: Document, language: str) -> str:
    """Return the document in a language."""
    writer = Writer(language, escape=lambda text: str(escape(text)), code="<code>{}</code>".format)
    environment = Environment(
        loader=PackageLoader(PACKAGE),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.tests.update(
        chart=lambda block: isinstance(block, Chart),
        section=lambda block: isinstance(block, Section),
        table=lambda block: isinstance(block, Table),
        numeric=lambda cell: cell.value is None or isinstance(cell.value, Number),
    )
    style = resources.files(PACKAGE) / "templates" / "report.css"
    return environment.get_template("report.html").render(
        document=document,
        language=writer.language,
        style=Markup(style.read_text(encoding="utf-8")),  # noqa: S704 - our own file
        text=lambda key: Markup(writer.text(key)),  # noqa: S704 - escaped by the writer
        write=lambda value: Markup(writer.value(value)),  # noqa: S704 - escaped by the writer
        draw=lambda chart: charts.draw(chart, Writer(language)),
    )
