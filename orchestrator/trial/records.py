"""What the guest recorded, parsed. It comes from a stranger's kernel: everything is checked, nothing is believed.

Formats: ``guest_scripts/src/README.md``.
"""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass

from orchestrator.errors import InfraError
from orchestrator.model.samples import DIGITS, LARGEST, Probes, ProbeTotals, Sample

NODE = re.compile(r"node (\d+) memory_kib (\d+) cpus ([\d,-]*) distances ([\d ]+)", re.ASCII)
STATE = re.compile(r"(has_cpu|has_memory) ?([\d,-]*)", re.ASCII)
ACCESS = re.compile(r"access (\d+) class (\d+) initiators ([\d ]*?) ?performance ([\d -]+)", re.ASCII)
CPU_RANGE = re.compile(r"(\d+)(?:-(\d+))?", re.ASCII)
VALUE = re.compile(rf"-?\d{{1,{DIGITS}}}", re.ASCII)
"""A key of a histogram: a return value, or the number of a bucket."""

ENTER = "enter."
"""The prefix of the count probes in ``guest_scripts/src/probes/zswap.spec``."""

MAXIMUM_CPUS = 8192
"""CONFIG_NR_CPUS at its largest on x86_64: a list that names more is none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GuestAccess:
    """One access class of a node (Documentation/admin-guide/mm/numaperf.rst): from where, and how well.

    Class 0 is seen from the nearest initiator of any kind, class 1 from the nearest with CPUs. ``performance`` is read
    and write latency (ns), read and write bandwidth (MiB/s); None for what the kernel does not tell.
    """

    number: int
    initiators: tuple[int, ...]
    performance: tuple[int | None, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class GuestNode:
    """What the guest's kernel made of one node; ``has_cpu`` and ``has_memory`` are None where the record says nothing."""

    number: int
    memory_kib: int
    cpus: tuple[int, ...]
    distances: tuple[int, ...]
    has_cpu: bool | None = None
    has_memory: bool | None = None
    accesses: tuple[GuestAccess, ...] = ()


def sample_labelled(samples: tuple[Sample, ...], label: str) -> Sample | None:
    """Return the first sample with ``label``; None when there is none."""
    return next((sample for sample in samples if sample.label == label), None)


def json_lines(data: bytes, *, what: str) -> list[Mapping[str, object]]:
    """Return a record of JSON objects, one a line; :class:`InfraError` naming the line when one is not."""
    out: list[Mapping[str, object]] = []
    for number, line in enumerate(data.splitlines(), start=1):
        try:
            value = json.loads(line.decode("utf-8", "replace"))
            # A lone surrogate can be said in JSON, and not be written down again.
            json.dumps(value, ensure_ascii=False).encode()
        except (ValueError, RecursionError) as error:
            raise InfraError(f"{what}, line {number}: not JSON: {line[:80]!r}") from error
        if not isinstance(value, dict):
            raise InfraError(f"{what}, line {number}: not an object: {line[:80]!r}")
        out.append(value)
    return out


def parse_probes(data: bytes) -> Probes:
    """Return the probes' record; :class:`InfraError` when it is damaged."""
    placed: dict[str, str] = {}
    totals = []
    lost = 0
    for line in json_lines(data, what="the probes' record"):
        if "lost" in line:
            lost += sum(_integer(value) for value in _mapping(line["lost"]).values())
            continue
        name = str(line.get("probe", ""))
        placed[name] = str(line.get("status"))
        lost += _integer(line.get("unparsed", 0))
        if "calls" in line:
            totals.append(_totals(name, line))
    return Probes(placed=placed, totals=tuple(totals), lost=lost)


def _totals(name: str, line: Mapping[str, object]) -> ProbeTotals:
    return ProbeTotals(
        probe=name,
        group={key: str(value) for key, value in _mapping(line.get("group", {})).items()},
        calls=_integer(line["calls"]),
        sums=_integers(line.get("sum", {})),
        histograms={field: _histogram(counts) for field, counts in _mapping(line.get("hist", {})).items()},
        maxima=_integers(line.get("max", {})),
        missed=_integer(line.get("missed", 0)),
        by=str(line.get("by", "")),
    )


def parse_counts(data: bytes) -> dict[str, dict[str, int]]:
    """Return, by the sample's label, how often each function had been entered by then (``probes --read``).

    Of two lines with the same label the first counts, as with samples. A probe ``enter.FUNCTION`` goes by the name of
    its function. :class:`InfraError` when the record is damaged; a last line that was cut off is left out.
    """
    out: dict[str, dict[str, int]] = {}
    for line in json_lines(data[: data.rfind(b"\n") + 1], what="the probes' counts"):
        counts = _integers(line.get("counts", {}))
        named = {name.removeprefix(ENTER): number for name, number in counts.items()}
        out.setdefault(str(line.get("label", "")), named)
    return out


def parse_topology(text: str) -> tuple[GuestNode, ...]:
    """Return the nodes that the guest's kernel saw; :class:`InfraError` when a line is not understood."""
    nodes: list[GuestNode] = []
    states: dict[str, tuple[int, ...]] = {}
    accesses: dict[int, list[GuestAccess]] = {}
    for line in (raw.strip() for raw in text.splitlines()):
        if line.startswith("online "):
            continue
        if match := NODE.fullmatch(line):
            nodes.append(_node(match))
        elif match := ACCESS.fullmatch(line):
            accesses.setdefault(_number(match[1]), []).append(_access(match))
        elif match := STATE.fullmatch(line):
            states[match[1]] = parse_cpu_list(match[2])
        else:
            raise InfraError(f"the guest's description of its topology is damaged: {line!r}")
    return tuple(
        dataclasses.replace(
            node,
            has_cpu=node.number in states["has_cpu"] if "has_cpu" in states else None,
            has_memory=node.number in states["has_memory"] if "has_memory" in states else None,
            accesses=tuple(accesses.get(node.number, ())),
        )
        for node in nodes
    )


def _node(match: re.Match[str]) -> GuestNode:
    return GuestNode(
        number=_number(match[1]),
        memory_kib=_number(match[2]),
        cpus=parse_cpu_list(match[3]),
        distances=tuple(_number(word) for word in match[4].split()),
    )


def _access(match: re.Match[str]) -> GuestAccess:
    return GuestAccess(
        number=_number(match[2]),
        initiators=tuple(_number(word) for word in match[3].split()),
        performance=tuple(_number(word) if word.isdigit() else None for word in match[4].split()),
    )


def parse_cpu_list(text: str) -> tuple[int, ...]:
    """Return the numbers (of CPUs, of nodes) of a list such as ``0-2,5`` (bitmap_parselist in lib/bitmap-str.c); () for an empty one.

    Raises :class:`InfraError` when it is none.
    """
    numbers: list[int] = []
    for part in text.split(",") if text else []:
        match = CPU_RANGE.fullmatch(part)
        if match is None:
            raise InfraError(f"the guest's record is damaged: {part[:80]!r} is no range of CPUs")
        first, last = _number(match[1]), _number(match[2] or match[1])
        if not first <= last < MAXIMUM_CPUS:
            raise InfraError(f"the guest's record is damaged: {part[:80]!r} is no range of CPUs")
        numbers += range(first, last + 1)
    return tuple(numbers)


def _number(digits: str) -> int:
    # int() refuses thousands of digits with an error of its own (sys.set_int_max_str_digits).
    if len(digits) > DIGITS:
        raise InfraError(f"the guest's record is damaged: {digits[:DIGITS]!r}... is too large a number")
    return int(digits)


def _mapping(value: object) -> Mapping[str, object]:
    if not isinstance(value, dict):
        raise InfraError(f"the guest's record is damaged: {str(value)[:80]!r} is not an object")
    return value


def _integers(value: object) -> dict[str, int]:
    return {key: _integer(number) for key, number in _mapping(value).items()}


def _histogram(value: object) -> dict[str, int]:
    """Return how often each value was seen; the values are whole numbers too, as text."""
    counts = _integers(value)
    for key in counts:
        if VALUE.fullmatch(key) is None:
            raise InfraError(f"the guest's record is damaged: {key[:80]!r} is not a whole number")
    return counts


def _integer(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise InfraError(f"the guest's record is damaged: {str(value)[:80]!r} is not a whole number")
    if abs(value) > LARGEST:
        raise InfraError("the guest's record is damaged: a number is too large")
    return value
