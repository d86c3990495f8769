"""LINES OF A COMPLAINT → FINGERPRINT: what a complaint of the kernel is known again by, in other seeds and on base.

The kind and the first frames of the first trace. Offsets, addresses and the suffixes that compilers give to clones and
parts of functions differ between builds of the same code and are left out; so are the frames of what reports.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from orchestrator.judge.log_patterns import ALLOCATING_FRAMES, OF_THE_TOOL, REPORTING_FRAMES, WAITING_FRAMES, LogKind

FRAMES = 5
REST_UNKNOWN = "~"
"""In place of the frames below the first where two CPUs' traces are mixed and nothing tells them apart."""

_FRAME = re.compile(r"\s++(?:<\w++> )?(?P<name>[\w.]++)\+0x[0-9a-f]++/0x[0-9a-f]++(?: \[\w++\])?\s*+$")
_LEAKED = re.compile(r"kmemleak:\s++(?:\[<\w++>\] )?(?P<name>[\w.]++)\+0x[0-9a-f]++/0x")
_RIP = re.compile(r"RIP: 0010:(?P<name>[\w.]++)\+0x")
_PLACE = re.compile(r".*? (?:at|in) (?P<name>[\w.]++)\+0x[0-9a-f]++")
_CLONE = re.compile(r"\.(?:isra|constprop|part|cold|lto_priv|llvm)(?:\.\d++)?")
_NUMBER = re.compile(r"\b(?:0x)?(?=[a-f]*+\d)[0-9a-f]++(?=\b|kB)")


def fingerprint(kind: LogKind, title: str, lines: Sequence[str], *, tangled: bool = False) -> str:
    """Return the fingerprint of a complaint; its title without numbers where it has no trace, or none that matters.

    ``tangled`` says that its trace is mixed with another's: then only the function that its first line names is known,
    and :data:`REST_UNKNOWN` stands for the rest.
    """
    if kind is LogKind.OOM_KILL or kind in OF_THE_TOOL:
        return f"{kind}|{_without_numbers(title)}"
    if tangled and (place := _PLACE.match(title)):
        return f"{kind}|{plain_function(place['name'])}|{REST_UNKNOWN}"
    names = frames(kind, lines)
    return f"{kind}|{'|'.join(names)}" if names else f"{kind}|{_without_numbers(title)}"


def same_complaint(one: str, other: str) -> bool:
    """Whether two fingerprints may be of the same complaint: equal, or equal as far as both are known."""
    if one == other:
        return True
    known = [mark.split("|") for mark in (one, other)]
    if not any(parts[-1] == REST_UNKNOWN for parts in known):
        return False
    heads = [parts[:-1] if parts[-1] == REST_UNKNOWN else parts for parts in known]
    return all(left == right for left, right in zip(*heads, strict=False))


def frames(kind: LogKind, lines: Sequence[str]) -> list[str]:
    """Return the names of the first frames that say where the trouble was, without their clones' suffixes."""
    names: list[str] = []
    in_trace = False
    for line in lines:
        if (rip := _RIP.match(line)) and not names and not _says_nothing(kind, plain_function(rip["name"])):
            names.append(plain_function(rip["name"]))
        in_trace = in_trace or line.startswith(("Call Trace:", "Call trace:"))
        frame = _LEAKED.match(line) if kind is LogKind.KMEMLEAK else _FRAME.match(line) if in_trace else None
        if frame:
            name = plain_function(frame["name"])
            if names or not _says_nothing(kind, name):
                names.append(name)
        if len(names) == FRAMES or (in_trace and line.strip() == "</TASK>"):
            break
    return names


def plain_function(name: str) -> str:
    """Return a function's name as in the source: without ``.isra.0``, ``.constprop.0``, ``.part.0``, ``.cold``..."""
    return _CLONE.sub("", name)


def _without_numbers(title: str) -> str:
    # Early after boot the kernel has no key to hash addresses with (lib/vsprintf.c, ptr_to_id) and says this instead.
    return _NUMBER.sub("N", title.replace("(____ptrval____)", "N").replace("(ptrval)", "N"))


def _says_nothing(kind: LogKind, name: str) -> bool:
    if kind is LogKind.KMEMLEAK:
        return bool(ALLOCATING_FRAMES.match(name))
    if kind is LogKind.HUNG_TASK and WAITING_FRAMES.match(name):
        return True
    return bool(REPORTING_FRAMES.match(name))
