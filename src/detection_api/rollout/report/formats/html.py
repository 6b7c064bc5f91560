"""The report as one HTML file: no script, nothing to load, for a screen, a phone and paper."""

from importlib import resources

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from detection_api.rollout.report.document import Chart, Document, Number, Paragraph, Section, Table
from detection_api.rollout.report.formats import charts
from detection_api.rollout.report.formats.template_context import Words


def render(document: Document, language: str) -> str:
    """The document in a language."""
    words = Words(language, escape=_escape, code="<code>{}</code>".format)
    environment = Environment(
        loader=PackageLoader("detection_api.rollout.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.tests.update(
        chart=lambda block: isinstance(block, Chart),
        paragraph=lambda block: isinstance(block, Paragraph),
        part=lambda block: isinstance(block, Section),
        table=lambda block: isinstance(block, Table),
        numeric=lambda told: told.value is None or isinstance(told.value, Number),
    )
    style = resources.files("detection_api.rollout.report") / "templates" / "report.css"
    return environment.get_template("report.html").render(
        document=document,
        language=words.language,
        style=Markup(style.read_text(encoding="utf-8")),  # noqa: S704 - our own file
        say=lambda key, facts=None: Markup(words.say(key, facts)),  # noqa: S704 - escaped by Words
        write=lambda value: Markup(words.write(value)),  # noqa: S704 - escaped by Words
        draw=lambda chart: charts.draw(chart, Words(language)),
    )


def _escape(text: str) -> str:
    return str(escape(text))
