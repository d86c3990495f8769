"""Lines of files in which indentation has a meaning (Makefile, Kconfig): whether they can only begin at column 0. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence

from orchestrator.tree.indent import column_of

AT_COLUMN_0 = re.compile(
    r"#|[\w.$(){}/%-]+[ \t]*(?:[:+?!]|::)?=|(?:ifn?def|ifn?eq|else|endif|-?include|define|endef|export)\b"
    r"|(?:config|menuconfig|menu|endmenu|choice|endchoice|source|if|comment)\b"
)
"""What begins a line of a Makefile or of Kconfig at column 0: comments, assignments, directives, entries."""

RULE = re.compile(r"[^#=]*:(?![:=])")
"""What is or may be a rule of make: behind it a line with a tab is a command."""


def stand_at_margin(added: Sequence[str], around: Sequence[str]) -> bool:
    """Whether the ``added`` lines of a page that lost its white space begin at column 0, as far as one can know.

    They do where all lines of the file ``around`` them do, the page shows no blank before them, they are what stands
    there by its nature, and no rule is near whose recipe they could be.
    """
    if not added:
        return True
    if any(column_of(line) > 0 for line in around) or any(map(RULE.match, [*around, *added])):
        return False
    return all(AT_COLUMN_0.match(text) for text in added)
