"""The proof that sealed trials repeat on this host: one trial of base, once more, and the bytes compared."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import zip_longest
from pathlib import Path

from orchestrator.kernels import Kernels
from orchestrator.laboratory import Laboratory
from orchestrator.model.kernel import KernelRole
from orchestrator.model.repeat import Repeat
from orchestrator.model.trial import Status, TrialResult

REPEAT = "repeat"
SHOWN = 60
"""Characters of a line that are shown where two records part."""


def once_more(laboratory: Laboratory, kernels: Kernels, trials: Sequence[TrialResult]) -> Repeat | str:
    """Run the shortest trial of base again; where there are no two records to compare, return why.

    A trial that was answered from the cache was run by an earlier run: then this one proves as well that what is in the
    cache holds on this host.
    """
    candidates = [
        trial
        for trial in trials
        if trial.spec.kernel is KernelRole.BASE and trial.digest and trial.status is Status.PASS
    ]
    if not candidates:
        return "no trial of base passed, so that none was run twice"
    first = min(candidates, key=lambda trial: (trial.wall_s, trial.spec.id))
    part = laboratory.run.part(REPEAT)
    done = [trial for trial in part.read_trials() if trial.spec == first.spec and trial.digest]
    second = done[0] if done else None
    if second is None:
        runner = laboratory.runner(kernels, run=part, again=True)
        with laboratory.steps.step(REPEAT, id=first.spec.id):
            (second,) = laboratory.results(runner, [first.spec])
    if not second.digest:
        return f"{first.spec.id} was run again, and left no record: {second.message}"
    difference = ""
    if first.digest != second.digest:
        folders = [run.trial_folder(first.spec.id) / "guest" for run in (laboratory.run, part)]
        difference = first_difference(*(record_files(folder) for folder in folders))
    return Repeat(trial=first.spec.id, digests=(first.digest, second.digest), difference=difference)


def record_files(folder: Path) -> dict[str, bytes]:
    """Return the files that a trial's guest wrote, by name; {} where there are none."""
    return {path.name: path.read_bytes() for path in sorted(folder.glob("*")) if path.is_file()}


def first_difference(before: Mapping[str, bytes], after: Mapping[str, bytes]) -> str:
    """Say where two records of one trial part first: the file that the guest wrote, the line, and both texts.

    The order is that in which the guest writes them, as far as it is known: what differs first is nearest to the cause.
    """
    if not before:
        return "the digests differ; the earlier record's files are not there any more to say where"
    names = sorted({*before, *after}, key=lambda name: (_ORDER.get(name, len(_ORDER)), name))
    for name in names:
        if before.get(name) == after.get(name):
            continue
        if name not in before or name not in after:
            return f"{name} is there only {'the second' if name in after else 'the first'} time"
        lines = zip_longest(before[name].splitlines(), after[name].splitlines(), fillvalue=b"")
        at, (old, new) = next((at, pair) for at, pair in enumerate(lines, start=1) if pair[0] != pair[1])
        return f"{name}, line {at}: {_shown(old)}, then {_shown(new)}{_meaning(name)}"
    return "the digests differ, the files do not: one of the two records was changed afterwards"


_ORDER = {name: at for at, name in enumerate(("topology", "kernel", "trial.log", "series", "samples", "probes"))}
_MEANING = {
    "topology": "the machine that the guest saw",
    "kernel": "the kernel's command line or build",
    "dmesg": "what the kernel said, or when",
}


def _meaning(name: str) -> str:
    return f" ({_MEANING[name]} differs)" if name in _MEANING else ""


def _shown(line: bytes) -> str:
    text = line.decode("utf-8", "backslashreplace")
    return repr(text if len(text) <= SHOWN else text[:SHOWN] + "…")
