"""One renderer for each format of the report."""

from collections.abc import Callable, Mapping

from detection_api.rollout.report.document import Document
from detection_api.rollout.report.formats import html, json_document, markdown

RENDERERS: Mapping[str, Callable[[Document, str], str]] = {
    "md": markdown.render,
    "html": html.render,
    "json": json_document.render,
}
"""By format: a function that renders a document in a language, given by its code."""
