"""Charts as SVG without styles and scripts; the console's stylesheet paints them."""

from collections.abc import Sequence
from functools import lru_cache
from xml.etree.ElementTree import Element, SubElement

import pygal
from markupsafe import Markup

from detection_api.console.data.figures import CAUSES, Minute
from detection_api.console.language import texts

LABEL_EVERY = 10
"""Minutes from one label of the time axis to the next."""
CHARTS = 64
"""Charts kept in memory: they change with the ledger's buckets and are requested every second."""
LEAST_SCALE = 4
"""The axis ends at this many failures or more, so that one failure does not look like many."""
SHAPE = {
    "js": (),
    "css": (),
    "width": 640,
    "height": 150,
    "margin": 6,
    "margin_left": 12,
    "truncate_label": -1,
    "show_legend": False,
    "show_minor_x_labels": False,
    "no_prefix": True,
    "max_scale": 5,
    "disable_xml_declaration": True,
}
_OVERLAYS = frozenset({"plot overlay", "plot text-overlay", "plot tooltip-overlay", "titles"})
"""Parts of pygal's picture that only its script uses."""


@lru_cache(CHARTS)
def exposure(minutes: tuple[Minute, ...], language: str) -> Markup:
    """Return a chart of the domain's share per minute; a minute without requests has no bar."""
    text = texts(language)
    chart = pygal.Bar(**SHAPE, range=(0, 100), y_labels=(0, 50, 100))
    chart.value_formatter = lambda percent: f"{percent:.0f}%"
    chart.add(text["exposure"], [minute.exposure for minute in minutes])
    return _rendered(chart, minutes, "exposure", text["chart_exposure"])


@lru_cache(CHARTS)
def failures(minutes: tuple[Minute, ...], language: str) -> Markup:
    """Return a chart of the domain's failures per minute, by cause."""
    text = texts(language)
    worst = max(sum(minute.failures) for minute in minutes)
    chart = pygal.StackedBar(**SHAPE, range=(0, max(worst, LEAST_SCALE)))
    chart.value_formatter = lambda count: f"{count:.0f}"
    for n, cause in enumerate(CAUSES):
        chart.add(text[f"cause_{cause}"], [minute.failures[n] for minute in minutes])
    return _rendered(chart, minutes, "failures", text["chart_failures"])


def _rendered(chart: pygal.Graph, minutes: Sequence[Minute], name: str, title: str) -> Markup:
    chart.x_labels = [f"{minute.begins:%H:%M}" for minute in minutes]
    chart.x_labels_major = chart.x_labels[LABEL_EVERY - 1 :: LABEL_EVERY]

    def plain(picture: Element) -> Element:
        return _plain(picture, name, title)

    chart.add_xml_filter(plain)
    return Markup(chart.render(is_unicode=True))  # noqa: S704 - pygal has escaped the texts


def _plain(picture: Element, name: str, title: str) -> Element:
    """Remove from pygal's SVG what a strict content security policy forbids."""
    picture.attrib = {"viewBox": picture.attrib["viewBox"], "class": f"chart {name}", "role": "img"}
    for parent in list(picture.iter()):
        for child in list(parent):
            if child.tag == "defs" or child.get("class") in _OVERLAYS or _is_empty(child):
                parent.remove(child)
    for bar in picture.iterfind(".//g[@class='bar']"):
        _explain(bar)
    found = picture.find("title")
    assert found is not None
    found.text = title
    return picture


def _is_empty(element: Element) -> bool:
    """Return whether a bar has no height, so that there is nothing to point at."""
    rect = element.find("rect") if element.get("class") == "bar" else None
    return rect is not None and float(rect.get("height", 0)) == 0


def _explain(bar: Element) -> None:
    """Add a bar's time and value as its title; pygal shows them by a script only."""
    labels = {part.get("class"): part.text for part in bar.findall("desc")}
    for part in bar.findall("desc"):
        bar.remove(part)
    SubElement(bar, "title").text = f"{labels.get('x_label')}  {labels.get('value')}"
