"""A saved web page as text: tags out, entities read, white space as it stands in the source. Pure.

The source of a page keeps tabs and leading blanks that its rendering drops, so nothing is folded here. The standard
library's html.parser is not used: in many Pythons that are in use it takes time square in the size of a malformed page
(CVE-2025-6069, CPython issue 135462), and all that is wanted here is to find the ends of tags.
"""

from __future__ import annotations

import html
import re

_BREAKS = frozenset(
    {"address", "article", "blockquote", "body", "dd", "div", "dl", "dt", "fieldset", "footer", "form", "header", "hr"}
    | {"h1", "h2", "h3", "h4", "h5", "h6", "html", "li", "main", "nav", "ol", "p", "pre", "section", "table", "title"}
    | {"tr", "ul"}
)
_SKIPPED = frozenset({"script", "style", "select", "button"})
_NAME = re.compile(r"/?([A-Za-z][A-Za-z0-9]*)")
_FIRST_TAG = re.compile(r"\s*<(?:!--|!doctype|\?xml|[a-z])", re.IGNORECASE)


def looks_like_html(text: str) -> bool:
    """Whether ``text`` is a page's source: no mail, diff or page saved as text begins with a tag."""
    return _FIRST_TAG.match(text) is not None


def html_to_text(source: str) -> str:
    """Return the text of a page: a line for each block and each line break; the title is its first line."""
    out: list[str] = []
    at, length, skipped = 0, len(source), ""
    fresh = True  # whether a line was just ended by a tag: the source's own line end behind it is no second one
    while at < length:
        tag = source.find("<", at)
        piece = source[at : tag if tag >= 0 else length]
        if piece and not skipped:
            text = html.unescape(piece).replace("\xa0", " ").replace("\r\n", "\n")
            text = text.removeprefix("\n") if fresh else text
            if text:
                out.append(text)
                fresh = False
        if tag < 0:
            break
        at, name, closing = _tag(source, tag)
        if not name:
            if not skipped and at == tag + 1:
                out.append("<")
                fresh = False
        elif skipped:
            skipped = "" if closing and name == skipped else skipped
        elif name in _SKIPPED and not closing:
            skipped = name
        elif name == "br" or (name in _BREAKS and not _at_line_start(out)):
            out.append("\n")
            fresh = True
        elif name == "pre" and not closing:
            fresh = True
        elif name == "p" and not closing and len(out) > 1:
            out.append("\n")
            fresh = True
    return "".join(out)


def _at_line_start(out: list[str]) -> bool:
    return not out or out[-1].endswith("\n")


def _tag(source: str, at: int) -> tuple[int, str, bool]:
    """Return where the tag at ``source[at]`` ends, its name in lower case ("" for none), and whether it closes."""
    if source.startswith("<!--", at):
        end = source.find("-->", at + 4)
        return (end + 3 if end >= 0 else len(source)), "", False
    match = _NAME.match(source, at + 1)
    if match is None and source[at + 1 : at + 2] not in {"!", "?"}:
        return at + 1, "", False
    end = source.find(">", at)
    if end < 0:
        return len(source), "", False
    return end + 1, match.group(1).lower() if match else "", source[at + 1] == "/"
