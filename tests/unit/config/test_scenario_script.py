"""What is read out of a run.sh: its functions, and the labels of its samples."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.config.scenario_script import parse_script, read_script
from orchestrator.config.scenarios import scenarios
from orchestrator.errors import UserError

TEXT = """# hook_of_a_comment() { sample in_a_comment; }
setup() { put 1 /x; }
\thook_full () { job_wait x && sample full; }; hook_next() {
\t# No sample: a sample is taken at rest.
\tif [ "$#" -gt 0 ]; then sample "half-full"; fi
\tsampler --once
\tread_counters 'last'
}
hook_open() { sample open&&put 1 /x; }
"""


def test_script_when_read_then_has_what_is_code_and_not_what_is_commented() -> None:
    script = parse_script(TEXT)
    assert script.functions == {"setup", "hook_full", "hook_next", "hook_open"}
    assert script.samples == frozenset({"full", "half-full", "last", "open"})


@pytest.mark.parametrize("label", ['"$1"', "step-$n", "`name`"])
def test_samples_when_a_label_is_made_as_it_runs_then_are_not_known(label: str) -> None:
    assert parse_script(f"mark() {{ sample {label}; }}").samples is None


def test_script_when_it_has_no_set_up_then_is_refused_with_its_place(tmp_path: Path) -> None:
    (tmp_path / "run.sh").write_text("# setup() {}\nteardown() { :; }\n")
    with pytest.raises(UserError, match=rf"^{tmp_path}/run\.sh:1: there is no setup\(\)"):
        read_script(tmp_path / "run.sh")


@pytest.mark.parametrize("name", list(scenarios()))
def test_script_when_shipped_then_all_its_samples_are_known(name: str) -> None:
    assert read_script(scenarios()[name].folder / "run.sh").samples is not None
