"""KTAP as the kernel's tests print it, and what is missing from it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.trial.ktap import ALL, KtapCase, KtapReport, KtapStatus, parse_ktap

OK, FAIL, SKIP = KtapStatus.OK, KtapStatus.FAIL, KtapStatus.SKIP

# As tools/testing/selftests/cgroup/test_zswap prints it, with a failure and a skip put in.
PRINTED = """\
TAP version 13
1..4
ok 1 test_zswap_usage
# zswpin does not increase while reading
not ok 2 test_zswapin
# zswap is off
ok 3 # SKIP test_no_kmem_bypass
ok 4 # XFAIL test_later
# 1 skipped test(s) detected. Consider enabling relevant config options to improve coverage.
# Totals: pass:1 fail:1 xfail:1 xpass:0 skip:1 error:0
"""

NESTED = """\
KTAP version 1
1..2
  KTAP version 1
  1..2
    KTAP version 1
    1..1
    ok 1 - deepest
  ok 1 - deep
  # said inside
  not ok 2 - other
not ok 1 - outer
ok 2 - last # SKIP no hardware
"""

names = st.from_regex(r"[a-z][a-z0-9_.]{0,12}", fullmatch=True)
sayings = st.lists(st.from_regex(r"[a-z]{1,8}( [a-z]{1,8}){0,3}", fullmatch=True), max_size=3).map(tuple)


@st.composite
def reports(draw: st.DrawFn) -> tuple[KtapCase, ...]:
    def one() -> KtapCase:
        status = draw(st.sampled_from(KtapStatus))
        reason = draw(st.sampled_from(["off", "no such file"])) if status is SKIP else ""
        directive = "SKIP" if status is SKIP else ""
        return KtapCase(name=draw(names), status=status, directive=directive, reason=reason, lines=draw(sayings))

    return tuple(one() for _ in range(draw(st.integers(min_value=1, max_value=6))))


def render(cases: tuple[KtapCase, ...]) -> str:
    lines = ["TAP version 13", f"1..{len(cases)}"]
    for number, case in enumerate(cases, start=1):
        lines += [f"# {line}" for line in case.lines]
        word = "not ok" if case.status is FAIL else "ok"
        lines.append(f"{word} {number} {case.name}" + (f" # SKIP {case.reason}" if case.status is SKIP else ""))
    return "\n".join(lines) + "\n"


@given(reports())
def test_parse_ktap_when_rendered_then_gives_back_the_same(cases: tuple[KtapCase, ...]) -> None:
    assert parse_ktap(render(cases)) == KtapReport(cases=cases)


@given(reports(), st.data())
def test_parse_ktap_when_the_program_ends_early_then_says_so_and_keeps_what_came(
    cases: tuple[KtapCase, ...], data: st.DataObject
) -> None:
    lines = render(cases).splitlines()
    kept = data.draw(st.integers(min_value=0, max_value=len(lines) - 1))
    report = parse_ktap("\n".join(lines[:kept]))
    assert report.error
    assert report.cases == cases[: len(report.cases)]


@given(reports(), st.data())
def test_parse_ktap_when_a_case_is_left_out_then_is_an_error(cases: tuple[KtapCase, ...], data: st.DataObject) -> None:
    gone = data.draw(st.integers(min_value=1, max_value=len(cases)))
    lines = [line for line in render(cases).splitlines() if not line.removeprefix("not ").startswith(f"ok {gone} ")]
    assert f"{len(cases)} cases were planned, {len(cases) - 1} came" in parse_ktap("\n".join(lines)).error


@given(st.text(st.sampled_from("ok not1..2#\n -SKIPBail!TAP version"), max_size=200))
def test_parse_ktap_when_given_anything_then_does_not_raise(text: str) -> None:
    parse_ktap(text)


def test_parse_ktap_when_kselftest_printed_it_then_names_behind_directives_are_names() -> None:
    report = parse_ktap(PRINTED)
    assert report.error == ""
    assert [(case.name, case.status, case.reason) for case in report.cases] == [
        ("test_zswap_usage", OK, ""),
        ("test_zswapin", FAIL, ""),
        ("test_no_kmem_bypass", SKIP, "zswap is off"),
        ("test_later", OK, ""),
    ]
    assert report.cases[1].lines == ("zswpin does not increase while reading",)
    assert report.cases[3].directive == "XFAIL"


def test_parse_ktap_when_tests_are_nested_then_cases_have_the_names_of_all_levels() -> None:
    report = parse_ktap(NESTED)
    assert report.error == ""
    assert [(case.name, case.status) for case in report.cases] == [
        ("outer/deep/deepest", OK),
        ("outer/other", FAIL),
        ("last", SKIP),
    ]
    assert report.cases[2].reason == "no hardware"


def test_parse_ktap_when_the_outer_test_alone_fails_then_it_is_a_case() -> None:
    text = "1..1\n  1..1\n  ok 1 inner\nnot ok 1 outer\n"
    assert [(case.name, case.status) for case in parse_ktap(text).cases] == [("outer/inner", OK), ("outer", FAIL)]


def test_parse_ktap_when_the_program_skips_itself_then_that_is_one_case_with_the_reason() -> None:
    report = parse_ktap("TAP version 13\n1..0 # SKIP cgroup v2 isn't mounted\n")
    (case,) = report.cases
    assert (report.error, case.name, case.status, case.reason) == ("", ALL, SKIP, "cgroup v2 isn't mounted")


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("", "no plan"),
        ("Segmentation fault\n", "no plan"),
        ("ok 1 a\n", "no plan"),
        ("1..0\n", "no case was planned"),
        ("1..1\n1..1\nok 1 a\n", "two plans"),
        ("1..2\nok 1 a\nok 3 b\n", "case 2 has the number 3"),
        ("1..1\nok 1 a\nok 2 b\n", "1 cases were planned, 2 came"),
        ("1..2\nok 1 a\nBail out! no memory\n", "bailed out: no memory"),
        ("1..1\n  1..2\n  ok 1 b\nok 1 a\n", "in a: 2 cases were planned, 1 came"),
        ("1..1\n  1..1\n  ok 1 b\n", "a nested test has no result"),
        # What a test skips after its plan leaves the rest out: 7.2's test_zswap does it when zswap is off.
        ("1..8\nok 1 # SKIP zswap isn't supported\n", "8 cases were planned, 1 came"),
    ],
)
def test_parse_ktap_when_something_is_missing_then_the_error_says_what(text: str, error: str) -> None:
    assert error in parse_ktap(text).error
