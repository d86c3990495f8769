"""A scenario's workload for one topology: placeholders for nodes become numbers. Values in, text out.

``{first}`` is the first node with memory, ``{last}`` the last. ``{others}`` stands for every node with memory but the
first (on a machine with one, for that one): the region that bears it is made once for each, as ``NAME.N``, and so is
every step on it.
"""

from __future__ import annotations

from collections.abc import Sequence

from orchestrator.errors import UserError
from orchestrator.model.topology import Topology

MEETING = ("step barrier pressed", "step wait /run/pressed")
"""Where the workload waits, with everything still mapped, until the counters of the pressure have been read."""


def expand_workload(lines: Sequence[str], topology: Topology) -> str:
    """Return the mempress file for ``topology``; :class:`UserError` when a line cannot be understood."""
    with_memory = [number for number, node in enumerate(topology.nodes) if node.memory_mib]
    first, last, others = with_memory[0], with_memory[-1], with_memory[1:] or with_memory[:1]
    copies: dict[str, list[int]] = {}
    out = []
    for line in lines:
        words = line.split()
        text = line.replace("{first}", str(first)).replace("{last}", str(last))
        if words[:1] == ["region"] and len(words) > 2 and "{others}" in line:
            copies[words[1]] = others
            made = [_renamed(text, 1, node).replace("{others}", str(node)) for node in others]
        elif words[:1] == ["step"] and len(words) > 2 and words[2] in copies:
            made = [_renamed(text, 2, node) for node in copies[words[2]]]
        else:
            made = [text]
        if any("{" in copy for copy in made):
            raise UserError(f"workload: unknown placeholder in '{line}'", hint="{first}, {last} or {others}")
        out += made
    return "\n".join([*out, *MEETING, ""])


def _renamed(line: str, place: int, node: int) -> str:
    """Return ``line`` with the region's name, its word number ``place``, made the one of ``node``."""
    words = line.split()
    words[place] += f".{node}"
    return " ".join(words)
