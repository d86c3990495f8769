"""A live trial's script: the scenario is started over SSH, and the counters are read over SSH while it runs."""

from __future__ import annotations

import json
import re
from pathlib import Path

from orchestrator.errors import InfraError, TimedOut
from orchestrator.host import workspace
from orchestrator.host.deadline import Cancellation, Deadline
from orchestrator.machine.machine import Machine
from orchestrator.machine.ssh import Shell
from orchestrator.model.samples import counter_of
from orchestrator.trial.request import EXIT_STATUS, RESULTS, TrialRequest

START = "/guest/live >/dev/null 2>&1 </dev/null &"
SAMPLE = (
    "cat /proc/uptime; for f in /sys/kernel/debug/zswap/*; do echo ${f##*/} $(cat $f); done; "
    "grep -E '^(zswp|pswp)' /proc/vmstat"
)
UPTIME = re.compile(r"\d{1,12}\.\d{2}", re.ASCII)
"""The first word of /proc/uptime."""

SAMPLE_S = 1.0
COMMAND_S = 30.0


def drive_live(request: TrialRequest, machine: Machine, shell: Shell, cancellation: Cancellation) -> None:
    """Start the scenario in the guest and sample its counters until it is over.

    The samples go to ``live.jsonl`` in the trial's folder, one JSON object a line, with guest and host time. Raises
    :class:`TimedOut` with the console's end, and what the shell raises.
    """
    limit = Deadline(request.scenario.timeout_s, what=f"trial {request.spec.id}", cancellation=cancellation)
    started = shell.run(START, limit)
    if not started.ok:
        raise InfraError("the scenario could not be started in the guest", evidence=started.evidence())
    samples = request.folder / "live.jsonl"
    samples.unlink(missing_ok=True)
    try:
        while True:
            _sample(shell, samples, limit)
            if shell.run(f"test -s {RESULTS}/{EXIT_STATUS}", _short(limit)).ok:
                return
            limit.pause(SAMPLE_S)
    except TimedOut as error:
        raise TimedOut(error.message, evidence=machine.evidence()) from None


def _sample(shell: Shell, target: Path, limit: Deadline) -> None:
    answer = shell.run(SAMPLE, _short(limit))
    uptime, *counters = answer.stdout.splitlines() or [""]
    values = {}
    for line in counters:
        name, _, value = line.partition(" ")
        if (number := counter_of(value)) is not None:
            values[name] = number
    match = UPTIME.match(uptime)
    record = {"guest_s": float(match[0]) if match else None, "counters": values}
    workspace.append_line(target, json.dumps(record))


def _short(limit: Deadline) -> Deadline:
    """Return a deadline for one command: the guest is under pressure, but a shell has to answer."""
    limit.check()
    return Deadline(min(COMMAND_S, limit.remaining), what=limit.what, cancellation=limit.cancellation)
