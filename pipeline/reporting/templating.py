"""What the pages share: one Jinja environment that escapes, one style sheet."""

import re
from importlib import resources

import jinja2
from markupsafe import Markup, escape

from pipeline.reporting import numbers


def environment() -> jinja2.Environment:
    """Everything from data is escaped: names are data. Unknown names are faults, not blanks."""
    found = jinja2.Environment(
        loader=jinja2.PackageLoader("pipeline.reporting"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    for function in (
        numbers.score,
        numbers.signed,
        numbers.interval,
        numbers.count,
        numbers.seconds,
        numbers.megabytes,
        numbers.plain,
        code,
    ):
        found.filters[function.__name__] = function
    return found


def code(text: str) -> Markup:
    """A sentence of ours in HTML, with what stands in backticks as code."""
    return Markup(re.sub("`([^`]+)`", r"<code>\1</code>", str(escape(text))))


def asset(name: str) -> Markup:
    """A style sheet or script of ours, to stand in a page as it is."""
    folder = resources.files("pipeline.reporting") / "templates"
    return Markup((folder / name).read_text(encoding="utf-8"))
