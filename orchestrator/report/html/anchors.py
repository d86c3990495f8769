"""Identifiers of places on the page, made of names that may be a stranger's."""

from __future__ import annotations

import re

_ODD = re.compile(r"[^A-Za-z0-9-]")


def anchor(*names: str) -> str:
    """Return an identifier for these names: letters, digits, ``-`` and ``_``, the same for the same names only."""
    return "-".join(_ODD.sub(lambda match: f"_{ord(match[0]):x}_", name) for name in names)[:300]


def cell_anchor(scenario: str, topology: str) -> str:
    """Return where the metrics of a scenario on a topology stand."""
    return anchor("m", scenario, topology)


def finding_anchor(number: int) -> str:
    """Return where a finding stands."""
    return f"finding-{number}"


def trial_anchor(trial: str) -> str:
    """Return where a trial stands, by its id."""
    return anchor("trial", trial)
