"""What a scenario's ``run.sh`` offers, as far as its text tells: functions, and the samples that it takes."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from orchestrator.errors import UserError

SETUP = "setup"
"""The function that every script has to have."""

_COMMENT = re.compile(r"(?:^|(?<=\s))#.*")
_FUNCTION = re.compile(r"(?:^|[;&{}])[ \t]*([A-Za-z_]\w*)[ \t]*\(\)", re.ASCII | re.MULTILINE)
_SAMPLE = re.compile(r"(?<![\w./-])(?:sample|read_counters)[ \t]+([^\s;&|(){}]+)", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Script:
    """A ``run.sh``. ``samples`` is None where a label is put together as it runs: then any may be taken."""

    functions: frozenset[str]
    samples: frozenset[str] | None


def read_script(path: Path) -> Script:
    """Return what the script at ``path`` offers; :class:`UserError` where that is no set-up."""
    if not path.is_file():
        raise UserError(f"{path.parent} has no {path.name}")
    script = parse_script(path.read_text(encoding="utf-8", errors="replace"))
    if SETUP not in script.functions:
        raise UserError(f"{path}:1: there is no {SETUP}(), which sets swap, zswap and the memory cgroups up")
    return script


def parse_script(text: str) -> Script:
    """Return what a script of that text offers."""
    code = "\n".join(_COMMENT.sub("", line) for line in text.splitlines())
    labels = [label.strip("\"'") for label in _SAMPLE.findall(code)]
    made_up = any(mark in label for label in labels for mark in "$`")
    return Script(functions=frozenset(_FUNCTION.findall(code)), samples=None if made_up else frozenset(labels))
