"""The kernel's own selftests in a trial: from the KTAP that they left to checks, a case each. Pure.

A selftest says what is wrong in its own words; here it is only made sure that none of it gets lost: a case that was
skipped keeps its reason, one that never came is missed, and a program that skipped itself as a whole is no pass.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from orchestrator.model.trial import Check, Status, TrialResult
from orchestrator.trial.ktap import ALL, NO_PLAN, KtapCase, KtapStatus, parse_ktap

KTAP = "ktap."
"""Files of /results with a selftest's output are called so, with the program's name behind it."""

SELFTEST = "selftest"
"""The first word of these checks' names; program and case follow."""

_STATUSES = {KtapStatus.OK: Status.PASS, KtapStatus.FAIL: Status.FAIL, KtapStatus.SKIP: Status.SKIP}


def check_selftests(names: Sequence[str], files: Mapping[str, bytes]) -> list[Check]:
    """Return the checks on the selftests that left output, and on those of ``names`` that did not.

    ``names`` are a scenario's (``cgroup/test_zswap``), ``files`` what the guest recorded. Besides its cases a program has
    a check ``selftest NAME`` on whether all of them came: FAIL where the output ends before the plan is fulfilled (it
    died, and what kills a program that runs on base is the kernel), ERROR for all else that is not as it should be.
    """
    wanted = [name.rpartition("/")[2] for name in names]
    left = sorted(name.removeprefix(KTAP) for name in files if name.startswith(KTAP))
    checks = []
    for name in dict.fromkeys([*wanted, *left]):
        checks += _checks(name, files.get(KTAP + name, b"").decode("utf-8", "replace"))
    return checks


_ENDED = re.compile(r"^# exit status: [01]$", re.MULTILINE)
"""The last line of an output, by the scenario's run.sh."""


def skipped_selftests(trials: Sequence[TrialResult]) -> tuple[str, ...]:
    """Return a line on each case that was skipped or waived, with its reason and how many trials it was so in."""
    seen: dict[tuple[str, str], list[str]] = {}
    for trial in trials:
        for check in trial.checks:
            if check.name.startswith(f"{SELFTEST} ") and check.status is Status.SKIP:
                seen.setdefault((check.name, check.message), []).append(trial.spec.id)
    return tuple(f"{name} ({_trials(ids)}): {message}" for (name, message), ids in seen.items())


def _trials(ids: Sequence[str]) -> str:
    return ids[0] if len(ids) == 1 else f"{len(ids)} trials, {ids[0]} among them"


def _checks(name: str, text: str) -> list[Check]:
    title = f"{SELFTEST} {name}"
    if not text.strip():
        return [Check(name=title, status=Status.ERROR, message=f"the selftest {name} left no output")]
    report = parse_ktap(text)
    last = tuple(text.splitlines()[-10:])
    cases = [_case(name, case) for case in report.cases if case.name != ALL]
    itself = next((case for case in report.cases if case.name == ALL), None)
    if itself is not None:
        message = f"the selftest {name} skipped all its cases: {itself.reason}"
        return [Check(name=title, status=Status.ERROR, message=message, detail=last), *cases]
    if report.error == NO_PLAN and _ENDED.search(text):
        # Before 6.13 they state none. That the program came to its own end is the next best.
        message = f"{len(cases)} cases came, and the program ended by itself; this kernel's states no plan"
        return [Check(name=title, status=Status.PASS, message=message), *cases]
    if report.error:
        status = Status.FAIL if report.ended_early else Status.ERROR
        message = f"the output of the selftest {name} is not whole: {report.error}"
        return [Check(name=title, status=status, message=message, detail=last), *cases]
    return [Check(name=title, status=Status.PASS, message=f"all {len(cases)} cases came"), *cases]


def _case(name: str, case: KtapCase) -> Check:
    said = f"{case.directive} {case.reason}".strip() if case.directive != "SKIP" else case.reason
    if case.status is KtapStatus.FAIL:
        said = f"the selftest {name} says: not ok {case.name}{_quoted(case.lines)}"
    return Check(name=f"{SELFTEST} {name} {case.name}", status=_STATUSES[case.status], message=said, detail=case.lines)


def _quoted(lines: Sequence[str]) -> str:
    return f" ({'; '.join(lines[-3:])})" if lines else ""
