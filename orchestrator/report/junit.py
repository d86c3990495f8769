"""RUN RECORD → JUNIT XML, by junit-xml; the only module that knows that library.

A suite a topology, and one, ``run``, for what is of no topology: the kernel builds. In a suite a case a trial and a case
a metric. ``<failure>`` stands only where the patch is blamed, so that a file without one and exit status 0 say the same;
``<error>`` where we failed; ``<skipped>`` with its reason where there is nothing to say: not run, or base's own failure.
Valid by Jenkins' junit-10.xsd, which has properties for suites only: counters are named after their case.
"""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections.abc import Iterable, Sequence
from datetime import datetime

from junit_xml import TestCase, TestSuite, to_xml_report_string

from orchestrator.model.coverage import LineState
from orchestrator.model.kernel import KernelRole
from orchestrator.model.run import RunRecord
from orchestrator.model.trial import Status, TrialResult, TrialSpec
from orchestrator.model.verdict import Change, Finding, MetricChange
from orchestrator.report.bisection import bisection_lines
from orchestrator.report.code import code_lines
from orchestrator.report.coverage import coverage_lines
from orchestrator.report.summary import repeat_line

RUN_SUITE = "run"
BUILD = "build"
# XML 1.0 has no way to write these, not even as references. The C1 controls are legal but junit-xml drops them.
_ILLEGAL = re.compile("[^\t\n\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufdcf\ufde0-\ufffd\U00010000-\U0010ffff]")
_NONCHARACTER = re.compile(
    "[" + "".join(f"{chr(plane + 0xFFFE)}{chr(plane + 0xFFFF)}" for plane in range(0x10000, 0x110000, 0x10000)) + "]"
)
_REJECTED = {"testsuites": {"disabled"}, "testsuite": {"disabled"}}
"""Attributes that junit-xml writes and Jenkins' schema does not have."""


def render_junit(record: RunRecord) -> str:
    """Return the text of ``junit.xml``."""
    return _for_jenkins(to_xml_report_string(suites_of(record), prettyprint=False))


def suites_of(record: RunRecord) -> list[TestSuite]:
    """Return the suites: one of the run, one a topology; their texts can be written as XML."""
    topologies = list(dict.fromkeys([*record.plan.profile.topologies, *(spec.topology for spec in record.plan.trials)]))
    return [_run_suite(record), *(_topology_suite(record, topology) for topology in topologies)]


def legal(text: str) -> str:
    """Return ``text`` with every character that XML cannot carry written in hex, where one can see it."""
    text = text.replace("\r\n", "\n")
    return _NONCHARACTER.sub(_visible, _ILLEGAL.sub(_visible, text))


def _visible(match: re.Match[str]) -> str:
    return f"\\x{ord(match[0]):02x}"


def _for_jenkins(text: str) -> str:
    """Return junit-xml's output without the attributes that Jenkins rejects, and with durations that it can read."""
    root = ET.fromstring(text)  # noqa: S314 - what we rendered ourselves a moment ago
    for element in root.iter():
        for name in _REJECTED.get(element.tag, set()):
            element.attrib.pop(name, None)
        if "time" in element.attrib:
            # junit-xml writes str(float), which is "1e-05" for a short time.
            element.set("time", f"{float(element.attrib['time']):.3f}")
    ET.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(root, encoding="unicode") + "\n"


def _suite(record: RunRecord, name: str, cases: Sequence[TestCase], properties: Iterable[tuple[str, str]]) -> TestSuite:
    return TestSuite(
        legal(name),
        list(cases),
        timestamp=_timestamp(record.started),
        properties={legal(key): legal(value) for key, value in properties},
    )


def _timestamp(started: str) -> str:
    # Jenkins wants ISO 8601 without a zone.
    try:
        return datetime.fromisoformat(started).strftime("%Y-%m-%dT%H:%M:%S")
    except ValueError:
        return legal(started)


def _run_suite(record: RunRecord) -> TestSuite:
    cases = [_build_case(record, role) for role in KernelRole]
    cases += [_coverage_case(record)] if record.coverage is not None else []
    cases += [
        _fault_case(finding) for finding in record.verdict.findings if not finding.trial and finding.kind != BUILD
    ]
    facts = [
        ("run_id", record.run_id),
        ("verdict", str(record.verdict.outcome)),
        *((f"verdict.sentence.{number}", text) for number, text in enumerate(record.verdict.sentences, 1)),
        ("series", record.series.title),
        ("base", f"{record.trees.base.describe} ({record.trees.base.commit})"),
        ("base.confidence", str(record.trees.base.confidence)),
        ("base.reason", record.trees.base.reason),
        *((f"base.step.{step.way}", f"{step.outcome}: {step.text}") for step in record.trees.base.steps),
        *((f"base.prerequisite.{nr}", item.text) for nr, item in enumerate(record.trees.base.prerequisites, 1)),
        *((f"applied.{patch.index}", str(patch.rung)) for patch in record.trees.applied),
        *(
            (f"applied.{patch.index}.score", f"{patch.score:.3f}")
            for patch in record.trees.applied
            if patch.score is not None
        ),
        *((("repeat", repeat_line(record)),) if record.plan.sealed and record.trials else ()),
        *((f"object_code.{number}", text) for number, text in enumerate(code_lines(record), 1)),
        *_coverage_facts(record),
        *_bisection_facts(record),
        *((f"not_covered.{number}", text) for number, text in enumerate(record.verdict.not_covered, 1)),
        *((f"environment.{key}", value) for key, value in record.environment.items()),
    ]
    return _suite(record, RUN_SUITE, cases, facts)


def _bisection_facts(record: RunRecord) -> list[tuple[str, str]]:
    found = record.bisection
    if found is None:
        return []
    lines = enumerate(bisection_lines(record), 1)
    named = [("bisection.patch", str(found.patch)), ("bisection.subject", found.subject)] if found.patch else []
    more = [("bisection.confidence", str(found.confidence)), ("bisection.trial", found.trial)]
    return [*named, *more, *((f"bisection.{number}", text) for number, text in lines)]


def _coverage_facts(record: RunRecord) -> list[tuple[str, str]]:
    coverage = record.coverage
    if coverage is None:
        return []
    facts = [("coverage", coverage.sentence)]
    if not coverage.reason:
        facts += [(f"coverage.{state.name.lower()}", str(len(coverage.of_state(state)))) for state in LineState]
    return facts


def _coverage_case(record: RunRecord) -> TestCase:
    """Return the coverage as a case: what ran and what did not is its output; it never fails, the verdict has judged."""
    case = TestCase("coverage", classname=RUN_SUITE)
    coverage = record.coverage
    if coverage is None or coverage.reason:
        case.add_skipped_info(message=legal(coverage.sentence if coverage is not None else "not measured"))
        return case
    said = [*coverage_lines(record, len(coverage.lines)), "", "by:", *coverage.trials]
    case.stdout = legal("\n".join(said))
    return case


def _build_case(record: RunRecord, role: KernelRole) -> TestCase:
    build = next((build for build in record.builds if build.role is role), None)
    case = TestCase(f"build.{role}", classname=RUN_SUITE, elapsed_sec=build.seconds if build else None)
    failed = [
        finding for finding in record.verdict.findings
        if finding.kind == BUILD and finding.kernel == role and not finding.trial
    ]  # fmt: skip
    for finding in failed:
        _add_finding(case, finding)
    if build is None and not failed:
        case.add_skipped_info(message="not built")
    if build is not None:
        case.stdout = legal("\n".join([f"{build.release} {build.key}", *build.warnings]))
    return case


def _fault_case(finding: Finding) -> TestCase:
    case = TestCase(legal(f"{finding.kind}.{finding.kernel}"), classname=RUN_SUITE)
    _add_finding(case, finding)
    return case


def _add_finding(case: TestCase, finding: Finding) -> None:
    """Say what is of no trial: a failure where the patch is blamed, an error where it is base's own or ours."""
    message, output = legal(finding.title), legal("\n".join(finding.detail))
    if finding.blamed:
        case.add_failure_info(message=message, output=output, failure_type=legal(finding.kind))
    else:
        case.add_error_info(message=message, output=output, error_type=legal(finding.kind))


def _topology_suite(record: RunRecord, topology: str) -> TestSuite:
    done = {trial.spec: trial for trial in record.trials}
    specs = [spec for spec in record.plan.trials if spec.topology == topology]
    cases = [_trial_case(record, spec, done.get(spec)) for spec in specs]
    cases += [_metric_case(change) for change in record.verdict.changes if change.topology == topology]
    counters = [
        (f"{_trial_name(spec)}.{name}", _number(value))
        for spec in specs
        if spec in done
        for name, value in done[spec].metrics.items()
    ]
    return _suite(record, topology, cases, counters)


def _trial_name(spec: TrialSpec) -> str:
    return f"{spec.scenario}.{spec.kernel}.s{spec.seed}{'' if spec.sealed else '.live'}"


def _trial_case(record: RunRecord, spec: TrialSpec, trial: TrialResult | None) -> TestCase:
    case = TestCase(legal(_trial_name(spec)), classname=legal(spec.topology))
    if trial is None:
        why = "no change in object code" if record.objects is not None and record.objects.same else "not run"
        case.add_skipped_info(message=f"{Status.MISS}: {why}")
        return case
    case.elapsed_sec = trial.wall_s
    message = legal(trial.message) or str(trial.status)
    evidence = legal("\n".join(_evidence(trial)))
    match trial.status:
        case Status.ERROR:
            case.add_error_info(message=message, output=evidence, error_type="ours")
        case Status.SKIP | Status.MISS:
            case.add_skipped_info(message=f"{trial.status}: {message}")
        case Status.FAIL if blamed := _blamed(record, spec):
            kinds = ", ".join(dict.fromkeys(finding.kind for finding in blamed))
            case.add_failure_info(message=message, output=evidence, failure_type=legal(kinds))
        case Status.FAIL:
            case.add_skipped_info(message=f"failed, but the patch is not to blame: {message}", output=evidence)
    case.stdout = legal("\n".join(_account(trial)))
    return case


def _blamed(record: RunRecord, spec: TrialSpec) -> list[Finding]:
    """Return what the patch is blamed for in a trial, or in the same trial with another seed."""
    same = {
        other.id
        for other in record.plan.trials
        if (other.kernel, other.scenario, other.topology) == (spec.kernel, spec.scenario, spec.topology)
    }
    return [finding for finding in record.verdict.findings if finding.blamed and finding.trial in same]


def _evidence(trial: TrialResult) -> list[str]:
    lines = [
        f"{check.status} {check.name}: {check.message}" for check in trial.checks if check.status is not Status.PASS
    ]
    if trial.kernel_log:
        lines += ["", "kernel log:", *trial.kernel_log]
    if trial.console_tail:
        lines += ["", "end of the console:", *trial.console_tail]
    return lines


def _account(trial: TrialResult) -> list[str]:
    facts = [f"{trial.status} {trial.message}".rstrip(), f"digest {trial.digest or 'none'}", f"key {trial.key}"]
    if trial.cached:
        facts.append("from the cache")
    return [*facts, *(f"{name} = {_number(value)}" for name, value in trial.metrics.items())]


def _metric_case(change: MetricChange) -> TestCase:
    case = TestCase(legal(f"{change.scenario}.{change.metric}"), classname=legal(change.topology))
    rows = [
        f"seed {seed}: base {_number(old)}, patched {_number(new)}"
        for seed, old, new in zip(change.seeds, change.base, change.patched, strict=True)
    ]
    said = [f"{change.change} ({_direction(change)}; spread of base between seeds {_number(change.spread)})", *rows]
    if change.effect is not None:
        interval = f"95 % interval {_number(change.low)} to {_number(change.high)}"
        said.append(f"effect {_number(change.effect)}, {interval}; of interest above {_number(change.smallest)}")
    if change.note:
        said.append(f"not compared: {change.note}")
    if change.change is Change.REGRESSED:
        case.add_failure_info(
            message=legal(f"{change.metric} worsened: {'; '.join(rows)}"),
            output=legal("\n".join(said)),
            failure_type=str(change.change),
        )
    case.stdout = legal("\n".join(said))
    return case


def _direction(change: MetricChange) -> str:
    better = {"up": "higher is better", "down": "lower is better"}
    return better.get(change.direction, "no direction")


def _number(value: float | None) -> str:
    if value is None:
        return "absent"
    return str(int(value)) if float(value).is_integer() else repr(value)
