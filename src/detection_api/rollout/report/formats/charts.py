"""Charts as SVG without styles and scripts of their own. The report's stylesheet colours them."""

from collections.abc import Sequence
from xml.etree.ElementTree import Element

import pygal
from markupsafe import Markup

from detection_api.rollout.report.document import Chart, Number, Unit
from detection_api.rollout.report.formats.writer import Writer

LABELS = 6
"""The time axis has about this many labels."""
SHAPE = {
    "js": (),
    "css": (),
    "width": 640,
    "height": 190,
    "margin": 4,
    "spacing": 4,
    "show_legend": False,
    "show_dots": False,
    "max_scale": 5,
    "truncate_label": -1,
    "allow_interruptions": True,
    "disable_xml_declaration": True,
}
_LEFT_OUT = frozenset({"plot overlay", "plot text-overlay", "plot tooltip-overlay", "titles"})
"""Parts of pygal's drawing that only its script uses."""


def draw(chart: Chart, writer: Writer) -> Markup:
    """Return a chart as an SVG element. Equal charts give equal elements."""
    is_time = chart.unit is Unit.MS  # response times are far below their limit
    graph = pygal.Line(**SHAPE, logarithmic=is_time, include_x_axis=not is_time)
    graph.uuid = chart.key
    graph.value_formatter = lambda value: writer.value(Number(value, chart.unit))
    if is_time:
        graph.y_labels = _time_labels(chart)
    every = -(-len(chart.moments) // LABELS)
    graph.x_labels = [
        "" if number % every else f"{moment:%H:%M}" for number, moment in enumerate(chart.moments)
    ]
    for key, values in chart.lines.items():
        graph.add(key, _visible(values))
    title = f"{chart.name}: {writer.text(chart.key)}. {writer.value(chart.text.value)}"
    graph.add_xml_filter(lambda drawing: _plain(drawing, title))
    return Markup(graph.render(is_unicode=True))  # noqa: S704 - pygal has escaped the texts


def _time_labels(chart: Chart) -> list[float]:
    """Return 1, 2, 5, 10, 20 and so on, as far as the chart's values reach."""
    values = [value for line in chart.lines.values() for value in line if value]
    steps = (digit * 10.0**power for power in range(-1, 6) for digit in (1, 2, 5))
    return [step for step in steps if min(values) <= step <= max(values)]


def _visible(values: Sequence[float | None]) -> list[float | None]:
    """Return the values of a line, which needs two points: a single one is repeated."""
    return [values[0], values[0]] if len(values) == 1 else list(values)


def _plain(drawing: Element, title: str) -> Element:
    """Remove from pygal's drawing what only a script uses, and give it a title."""
    drawing.attrib = {
        "viewBox": drawing.attrib["viewBox"],
        "class": "chart",
        "role": "img",
        "aria-label": title,
    }
    for parent in list(drawing.iter()):
        for child in list(parent):
            if child.tag == "defs" or child.get("class") in _LEFT_OUT:
                parent.remove(child)
    found = drawing.find("title")
    assert found is not None, "pygal gives every drawing a title"
    found.text = title
    return drawing
