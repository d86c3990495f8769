"""STEP EVENTS → what a run is doing: which steps run, what is done, how long it may still take. No output here."""

from __future__ import annotations

import statistics
from dataclasses import dataclass, field

from orchestrator.host.steps import Phase, StepEvent

TRIALS = "trials"
"""The step around all trials; its details say how many there are (``total``) and how many were done before (``done``)."""
TRIAL = "trial"

Key = tuple[str, tuple[tuple[str, str], ...]]

_TOLD = ("id", "kernel", "linux", "mail", "subject")
"""The details that are part of a step's label, the first that is there."""

_WORDS = {
    "intake": "reading the series",
    "source": "kernel sources",
    "fetch": "fetching kernel sources",
    "import": "importing kernel sources into git",
    "base": "choosing base",
    "apply": "applying the series",
    "build": "building the kernel",
    "image": "making the guest image",
    "boot": "booting",
    "selftests": "compiling the kernel's own tests",
    "objects": "comparing the object code",
    "accelerator": "accelerator",
    "bisect": "looking for the patch",
    "judge": "judging",
    "report": "writing the reports",
}


@dataclass(slots=True)
class Running:
    """A step that runs: since when (the tally's clock), and the last thing that was said of it."""

    label: str
    since: float
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """A step that is over; ``text`` is the last note or the error."""

    name: str
    label: str
    seconds: float
    failed: bool
    text: str


@dataclass(slots=True)
class Tally:
    """Everything that the events told so far. Times are the events' ``at``."""

    started: float | None = None
    trials: int = 0
    trials_done: int = 0
    cached: int = 0
    workers: int = 1
    running: dict[Key, Running] = field(default_factory=dict)
    durations: list[float] = field(default_factory=list)

    def is_running(self, event: StepEvent) -> bool:
        """Whether the event belongs to a step that runs."""
        return (event.name, event.details) in self.running

    def take(self, event: StepEvent) -> Finished | None:
        """Take an event in; return the step that it ended, if it ended one."""
        if self.started is None:
            self.started = event.at - event.seconds
        key = (event.name, event.details)
        match event.phase:
            case Phase.STARTED if event.name == TRIALS:
                self._plan(dict(event.details))
            case Phase.STARTED:
                self._start(key, event)
            case Phase.NOTE if key in self.running:
                self.running[key].note = event.text
            case Phase.NOTE if event.name == TRIAL:
                # Answered from the cache: there was no step to end.
                self.trials_done += 1
                self.cached += 1
            case Phase.FINISHED | Phase.FAILED:
                return self._ended(key, event)
            case _:
                pass
        return None

    def _plan(self, details: dict[str, str]) -> None:
        self.trials = int(details.get("total", 0))
        self.trials_done = int(details.get("done", 0))

    def _start(self, key: Key, event: StepEvent) -> None:
        self.running[key] = Running(label=label_of(event), since=event.at - event.seconds)
        self.workers = max(self.workers, sum(name == TRIAL for name, _ in self.running))

    def _ended(self, key: Key, event: StepEvent) -> Finished:
        ended = self.running.pop(key, None)
        if event.name == TRIAL:
            self.trials_done += 1
            self.trials = max(self.trials, self.trials_done)
            self.durations.append(event.seconds)
        return Finished(
            name=event.name,
            label=label_of(event),
            seconds=event.seconds,
            failed=event.phase is Phase.FAILED,
            text=event.text or (ended.note if ended else ""),
        )

    def elapsed(self, now: float) -> float:
        """Return the seconds since the first event."""
        return max(0.0, now - self.started) if self.started is not None else 0.0

    def left(self, now: float) -> float | None:
        """Return about how many seconds the trials still take; None as long as none is done to guess by."""
        if not self.durations or self.trials_done >= self.trials:
            return None
        each = statistics.median(self.durations)
        going = [now - step.since for (name, _), step in self.running.items() if name == TRIAL]
        work = each * (self.trials - self.trials_done) - sum(min(each, spent) for spent in going)
        return max(0.0, work / self.workers)


def label_of(event: StepEvent) -> str:
    """Return what a person calls a step: "building the kernel: patched", "trial memcg-limit-two-node-base-s1"."""
    word = _WORDS.get(event.name, event.name)
    details = dict(event.details)
    told = next((details[name] for name in _TOLD if details.get(name)), "")
    if event.name == TRIAL:
        return f"{word} {told}".rstrip()
    return f"{word}: {told}" if told else word
