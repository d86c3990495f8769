"""A kernel that is older than what a scenario is about: the reason is there before anything boots."""

from __future__ import annotations

import dataclasses

import pytest

from orchestrator.trials import Parts
from tests.unit.plan.test_parts import bare_parts
from tests.unit.record_builder import BASE, PATCHED, build, spec


def parts(release: str, *symbols: str) -> Parts:
    return dataclasses.replace(
        bare_parts(),
        builds={role: dataclasses.replace(build(role), release=release) for role in (BASE, PATCHED)},
        symbols={role: frozenset(symbols) for role in (BASE, PATCHED)},
    )


@pytest.mark.parametrize(
    ("release", "symbols", "says"),
    [
        ("6.12.48", ["CONFIG_HOTPLUG_CPU"], "this kernel is 6.12.48, older than 7.0"),
        ("6.12.48", [], "this kernel is 6.12.48, older than 7.0; this kernel is built without CONFIG_HOTPLUG_CPU"),
        ("7.0.0-rc1", ["CONFIG_HOTPLUG_CPU"], ""),
    ],
)
def test_lacking_when_the_kernel_is_older_than_the_scenario_then_says_which_it_is(
    release: str, symbols: list[str], says: str
) -> None:
    assert parts(release, *symbols).lacking(spec(PATCHED, scenario="offline-cursor")) == says


def test_lacking_when_the_scenario_is_about_all_versions_then_none_is_too_old() -> None:
    assert parts("4.20.17").lacking(spec(BASE, scenario="memcg-limit")) == ""
