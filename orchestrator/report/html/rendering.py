"""VALUES → HTML, by jinja2 with autoescape; the policy that lets nothing in but our own style and script.

What a template prints was cut to a length and stripped of control characters before it is escaped: a log or a subject is
never markup, never a line of its own, and never longer than what one reads.
"""

from __future__ import annotations

import base64
import functools
import hashlib
from collections.abc import Mapping
from importlib import resources

import jinja2
from markupsafe import Markup

from orchestrator.report.text import printable

CUT = " […]"


def rendered(template: str, content: Mapping[str, object], *, text: int) -> str:
    """Return ``template`` filled with ``content``; no text of it is longer than ``text`` characters."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("orchestrator.report.html"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=functools.partial(_shown, most=text),
    )
    environment.globals.update(style=_asset("style.css"), script=_asset("script.js"), policy=content_policy())
    # Plots are our own, and made of numbers and of escaped names.
    environment.filters["plot"] = Markup
    page = environment.get_template(template).render(content)
    # A guest's bytes may be no text at all, and a page must always be one.
    return page.encode("utf-8", "replace").decode()


def content_policy() -> str:
    """Return the Content-Security-Policy: our style and our script by their sums, and nothing from anywhere."""
    style, script = (_sum(_asset(name)) for name in ("style.css", "script.js"))
    return f"default-src 'none'; style-src '{style}'; script-src '{script}'; img-src data:; base-uri 'none'; form-action 'none'"


def _shown(value: object, most: int) -> object:
    if isinstance(value, Markup) or value is None:
        return value if value is not None else ""
    text = str(value)
    # Cut first: of a text of megabytes only the beginning is worth the work.
    return printable(text[:most]) + CUT if len(text) > most else printable(text)


@functools.cache
def _asset(name: str) -> Markup:
    text = resources.files("orchestrator.report.html").joinpath("templates", name).read_text(encoding="utf-8")
    return Markup(text)  # noqa: S704 - a file of ours


def _sum(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
