"""What the kernel's own tests print: KTAP, as cases; and whether all that was planned was said.

Documentation/dev-tools/ktap.rst has the format; tools/testing/selftests/kselftest.h writes it a little otherwise: no
"-" before the name, and a case that is skipped has its name behind the directive (``ok 3 # SKIP test_zswapin``).
Nothing is taken on trust: a program that dies half-way, or that leaves out a case, gives a report with an error.
"""

from __future__ import annotations

import dataclasses
import re
from dataclasses import dataclass, field
from enum import StrEnum

_VERSION = re.compile(r"^K?TAP version \d+$")
_PLAN = re.compile(r"^1\.\.(\d{1,9})(?:\s+#\s*SKIP\b[ \t]*(?P<why>.*))?$", re.IGNORECASE)
_RESULT = re.compile(r"^(?P<bad>not )?ok (?P<number>\d{1,9})\b(?P<rest>.*)$")
_DIRECTIVE = re.compile(
    r"(?:^|\s)#\s*(?P<word>SKIP|TODO|XFAIL|XPASS|TIMEOUT|ERROR)\b:?[ \t]*(?P<text>.*)$", re.IGNORECASE
)
_BAIL_OUT = re.compile(r"^Bail out!\s*(.*)$")

ALL = "all cases"
"""The name of the one case of a program that skips itself as a whole (``1..0 # SKIP reason``)."""

NO_PLAN = "no plan"
"""The error of an output that does not say how many cases there are."""

_KEPT_LINES = 40


class KtapStatus(StrEnum):
    """What became of a case."""

    OK = "ok"
    FAIL = "fail"
    SKIP = "skip"


@dataclass(frozen=True, slots=True, kw_only=True)
class KtapCase:
    """One case. A case of a nested test is called ``outer/inner``.

    ``directive`` is the word behind "#" in capitals (SKIP, XFAIL, ...), ``reason`` its text, or where that is the
    case's name the last line said before it; ``lines`` are what was said since the case before, the last
    40 of them.
    """

    name: str
    status: KtapStatus
    directive: str = ""
    reason: str = ""
    lines: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class KtapReport:
    """All cases in their order. ``error`` is not empty when this is not all that there should be.

    ``ended_early``: fewer cases came than were planned, and the program did not say that it gave up.
    """

    cases: tuple[KtapCase, ...]
    error: str = ""
    ended_early: bool = False


@dataclass(slots=True)
class _Level:
    """One test's own lines: at the margin, or indented for a nested one."""

    indent: int
    plan: int | None = None
    seen: int = 0
    cases: list[KtapCase] = field(default_factory=list)


def parse_ktap(text: str) -> KtapReport:
    """Return the cases in ``text``, the output of one test program. Never raises.

    The error says what is missing: the plan, cases of it, numbers in order; or that the program bailed out.
    """
    reader = _Reader()
    for line in text.splitlines():
        reader.take(line.rstrip())
    return reader.report()


class _Reader:
    """The state between lines: the open levels, the outermost first, and what was said since the last case."""

    def __init__(self) -> None:
        self._levels = [_Level(indent=0)]
        self._said: list[str] = []
        self._errors: list[str] = []
        self._gave_up = False

    def take(self, line: str) -> None:
        """Read one line."""
        content = line.lstrip(" ")
        indent = len(line) - len(content)
        plan, result = _PLAN.match(content), _RESULT.match(content)
        if plan or _VERSION.match(content):
            self._open(indent)
        level = next((level for level in self._levels if level.indent == indent), None)
        if level is None or not (plan or result):
            self._listen(content)
        elif plan:
            self._plan(level, int(plan[1]), plan["why"])
        elif result:
            self._result(level, result)

    def report(self) -> KtapReport:
        """Return what was read, once all lines were."""
        outermost = self._levels[0]
        for level in self._levels[1:]:
            self._errors.append("a nested test has no result of its own")
            outermost.cases += level.cases
        self._check_plan(outermost)
        is_short = outermost.plan is not None and outermost.seen < outermost.plan
        return KtapReport(
            cases=tuple(outermost.cases), error="; ".join(self._errors), ended_early=is_short and not self._gave_up
        )

    def _open(self, indent: int) -> None:
        if indent > self._levels[-1].indent:
            self._levels.append(_Level(indent=indent))

    def _listen(self, content: str) -> None:
        bail_out = _BAIL_OUT.match(content)
        if bail_out:
            self._gave_up = True
            self._errors.append(f"bailed out: {bail_out[1]}" if bail_out[1] else "bailed out")
        elif content and not _VERSION.match(content):
            self._said.append(content.removeprefix("#").strip())

    def _plan(self, level: _Level, count: int, why: str | None) -> None:
        if level.plan is not None:
            self._errors.append("two plans")
        level.plan = count
        if why is not None and not count:
            level.cases.append(
                KtapCase(name=ALL, status=KtapStatus.SKIP, directive="SKIP", reason=why or "no reason given")
            )
        elif not count:
            self._errors.append("no case was planned")

    def _result(self, level: _Level, match: re.Match[str]) -> None:
        level.seen += 1
        number = int(match["number"])
        if number != level.seen:
            self._errors.append(f"case {level.seen} has the number {number}")
        case = _case(match, tuple(self._said[-_KEPT_LINES:]))
        self._said.clear()
        inner: list[KtapCase] = []
        while self._levels[-1].indent > level.indent:
            nested = self._levels.pop()
            self._check_plan(nested, f"in {case.name}: ")
            inner = nested.cases + inner
        level.cases += [dataclasses.replace(one, name=f"{case.name}/{one.name}") for one in inner]
        # The outer case says what the inner ones have said, unless it says more.
        failed = any(one.status is KtapStatus.FAIL for one in inner)
        if not inner or (case.status is KtapStatus.FAIL and not failed):
            level.cases.append(case)

    def _check_plan(self, level: _Level, where: str = "") -> None:
        if level.plan is None:
            self._errors.append(f"{where}{NO_PLAN}")
        elif level.plan != level.seen:
            self._errors.append(f"{where}{level.plan} cases were planned, {level.seen} came")


def _case(match: re.Match[str], said: tuple[str, ...]) -> KtapCase:
    rest = match["rest"]
    found = _DIRECTIVE.search(rest)
    directive, text = (found["word"].upper(), found["text"].strip()) if found else ("", "")
    name = (rest[: found.start()] if found else rest).strip().removeprefix("-").split("#")[0].strip()
    if found and not name:
        # kselftest.h: the name stands where the reason should.
        name, text = text, next((line for line in reversed(said) if line), "")
    is_bad = bool(match["bad"]) and directive not in {"TODO", "XFAIL"}
    status = KtapStatus.FAIL if is_bad else KtapStatus.OK
    if directive == "SKIP":
        status, text = KtapStatus.SKIP, text or "no reason given"
    return KtapCase(name=name or f"case {match['number']}", status=status, directive=directive, reason=text, lines=said)
