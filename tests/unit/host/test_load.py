"""How busy the host is, as the kernel says."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.host.load import HostTimes, host_times, load_a_cpu


def test_host_times_when_the_kernel_tells_them_then_the_guests_are_counted_once(tmp_path: Path) -> None:
    stat = tmp_path / "stat"
    stat.write_text("cpu  100 5 20 800 10 1 4 60 90 3\ncpu0 1 2 3\n")
    assert host_times(stat) == HostTimes(total=1000, stolen=60)


@pytest.mark.parametrize("text", ["", "cpu\n", "cpu x y\n", "nothing"])
def test_host_times_when_they_cannot_be_read_then_nothing_was_stolen(tmp_path: Path, text: str) -> None:
    stat = tmp_path / "stat"
    stat.write_text(text)
    assert host_times(stat).steal_percent(host_times(tmp_path / "none")) == 0.0


def test_steal_percent_when_time_passes_then_it_is_the_share_of_it() -> None:
    assert HostTimes(total=2000, stolen=85).steal_percent(HostTimes(total=1000, stolen=60)) == 2.5


def test_host_when_it_is_this_one_then_it_has_times_and_a_load() -> None:
    assert host_times().total > 0
    assert load_a_cpu() >= 0.0
