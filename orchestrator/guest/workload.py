"""A scenario's workloads for one topology: placeholders for nodes become numbers. Values in, text out.

``{first}`` is the first node with memory, ``{last}`` the last, ``{far}`` the one farthest from the first CPU, and
``{all}`` all of them, as ``0,1,2``. ``{others}`` stands for every node with memory but the first (on a machine with
one, for that one): the region that bears it is made once for each, as ``NAME.N``, and so is every step on it. ``{n}``
is the number of a process's copy.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from orchestrator.errors import UserError
from orchestrator.model.scenario import Scenario
from orchestrator.model.topology import Topology

MEETING = ("step barrier pressed", "step wait /run/pressed")
"""Where a workload waits, with everything still mapped, until the counters of the pressure have been read."""

NAMELESS = ("hook", "barrier", "wait", "sleep")
"""Steps whose word is no region."""

MAIN = "main"
"""The name of the process that a scenario's ``workload`` is."""

Key = tuple[str | int, ...]
"""The way to a value of scenario.toml: keys of tables, and indices."""


class UnknownPlaceholder(UserError):
    """A placeholder that stands for nothing; ``key`` is the line's."""

    def __init__(self, message: str, *, key: Key, hint: str) -> None:
        super().__init__(message, hint=hint)
        self.key = key


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One mempress process of a trial: its name (unique), its memory cgroup, and its workload's text.

    ``key`` is where the scenario's lines are, ``origins`` are the indices of those that the text's lines were made from.
    """

    name: str
    memcg: str
    text: str
    key: Key
    origins: tuple[int, ...]
    may_be_killed: bool

    def key_of(self, line: int) -> Key:
        """Return the way to the scenario's line that the text's line number ``line``, from 1, was made from."""
        return (*self.key, self.origins[min(max(line, 1), len(self.origins)) - 1])


def jobs_of(scenario: Scenario, topology: Topology) -> tuple[Job, ...]:
    """Return the processes of ``scenario`` on ``topology``, the main one first."""
    key: Key = ("workload",)
    text, origins = expand_workload(scenario.workload, topology, key=key)
    jobs = [Job(name=MAIN, memcg=scenario.memcgs[0], text=text, key=key, origins=origins, may_be_killed=False)]
    for number, process in enumerate(scenario.processes):
        key = ("process", number, "workload")
        for copy in range(process.copies):
            text, origins = expand_workload(process.workload, topology, copy=copy, key=key)
            job = Job(
                name=f"{process.name}.{copy}" if process.copies > 1 else process.name,
                memcg=process.memcg.replace("{n}", str(copy)),
                text=text,
                key=key,
                origins=origins,
                may_be_killed=process.may_be_killed,
            )
            jobs.append(job)
    return tuple(jobs)


def expand_workload(
    lines: Sequence[str], topology: Topology, *, copy: int = 0, key: Key = ("workload",)
) -> tuple[str, tuple[int, ...]]:
    """Return the mempress file for ``topology``, and for each of its lines the index of the line it was made from.

    Raises :class:`UnknownPlaceholder` for one that is not known; ``key`` is where the lines are.
    """
    made: list[tuple[str, int]] = []
    for index, text in enumerate(lines):
        try:
            made += [(line, index) for line in _expanded_line(text, lines, topology, copy)]
        except UserError as error:
            raise UnknownPlaceholder(error.message, key=(*key, index), hint=error.hint) from error
    out = [line for line, _ in made]
    origins = [index for _, index in made] + [len(lines) - 1] * len(MEETING)
    return "\n".join([*out, *MEETING, ""]), tuple(origins)


def _expanded_line(line: str, lines: Sequence[str], topology: Topology, copy: int) -> Iterator[str]:
    with_memory = [number for number, node in enumerate(topology.nodes) if node.memory_mib]
    numbers = {
        "{first}": with_memory[0],
        "{last}": with_memory[-1],
        "{far}": max(with_memory, key=lambda node: topology.distances[0][node]),
        "{all}": ",".join(str(node) for node in with_memory),
        "{n}": copy,
    }
    text = line
    for name, number in numbers.items():
        text = text.replace(name, str(number))
    others = with_memory[1:] or with_memory[:1]
    words = text.split()
    if words[:1] == ["region"] and len(words) > 2 and "{others}" in text:
        made = [_renamed(words, 1, node).replace("{others}", str(node)) for node in others]
    elif words[:1] == ["step"] and len(words) > 2 and words[1] not in NAMELESS and words[2] in _copied_regions(lines):
        made = [_renamed(words, 2, node) for node in others]
    else:
        made = [text]
    if any("{" in each for each in made):
        known = ", ".join([*numbers, "{others} (in a region)"])
        raise UserError(f"unknown placeholder in '{line}'", hint=f"known: {known}")
    yield from made


def _copied_regions(lines: Sequence[str]) -> set[str]:
    """Return the names of the regions that are made once for each of the other nodes."""
    return {line.split()[1] for line in lines if line.startswith("region ") and "{others}" in line}


def _renamed(words: Sequence[str], place: int, node: int) -> str:
    """Return the line with the region's name, its word number ``place``, made the one of ``node``."""
    return " ".join([*words[:place], f"{words[place]}.{node}", *words[place + 1 :]])
