"""Charts as SVG with no style and no script of its own: the report's stylesheet paints them."""

from collections.abc import Sequence
from xml.etree.ElementTree import Element

import pygal
from markupsafe import Markup

from detection_api.rollout.report.document import Chart, Number, Unit
from detection_api.rollout.report.formats.template_context import Words

LABELS = 6
"""About so many moments are written at the time axis."""
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
"""Parts of pygal's picture that only its script uses."""


def draw(chart: Chart, words: Words) -> Markup:
    """The chart as an SVG element; the same for the same chart, whenever it is drawn."""
    is_time = chart.unit is Unit.MS  # of which the limit is many times what is usual
    graph = pygal.Line(**SHAPE, logarithmic=is_time, include_x_axis=not is_time)
    graph.uuid = chart.key
    graph.value_formatter = lambda value: words.write(Number(value, chart.unit))
    every = -(-len(chart.moments) // LABELS)
    graph.x_labels = [
        "" if number % every else f"{moment:%H:%M}" for number, moment in enumerate(chart.moments)
    ]
    for line in chart.lines:
        graph.add(line.key, _visible(line.values))
    title = f"{chart.name}: {words.say(chart.key)}. {words.write(chart.text)}"
    graph.add_xml_filter(lambda picture: _plain(picture, title))
    return Markup(graph.render(is_unicode=True))  # noqa: S704 - pygal has escaped the texts


def _visible(values: Sequence[float | None]) -> list[float | None]:
    """A line needs two points: a lone one is drawn as one that stays."""
    return [values[0], values[0]] if len(values) == 1 else list(values)


def _plain(picture: Element, title: str) -> Element:
    """Leave of pygal's picture what a page without scripts has use for."""
    picture.attrib = {
        "viewBox": picture.attrib["viewBox"],
        "class": "chart",
        "role": "img",
        "aria-label": title,
    }
    for parent in list(picture.iter()):
        for child in list(parent):
            if child.tag == "defs" or child.get("class") in _LEFT_OUT:
                parent.remove(child)
    found = picture.find("title")
    assert found is not None, "pygal titles every picture"
    found.text = title
    return picture
