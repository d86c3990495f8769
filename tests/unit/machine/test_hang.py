"""What is read of a hung guest over QMP: registers, memory, stacks; and which CPUs do not get on."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.host.deadline import Cancellation, Deadline
from orchestrator.machine import hang
from orchestrator.machine.hang import Cpu, Symbols, describe_cpu, frames, parse_memory, parse_registers, stuck_cpus
from orchestrator.machine.machine import running_machine
from tests.contract.machines import fake_machine

DATA = Path(__file__).parents[2] / "data" / "hang"
SYMBOLS = Symbols(
    addresses=(0xFFFFFFFF81000000, 0xFFFFFFFF81000100, 0xFFFFFFFF81000400), names=("a", "zswap_store", "z")
)
STACK = 0xFFFFC900000F3000


def cpu(**changes: object) -> Cpu:
    fields: dict[str, object] = {
        "number": 1, "rip": 0xFFFFFFFF8100011B, "rsp": STACK, "rbp": STACK + 16, "in_user": False, "halted": False,
    }  # fmt: skip
    return Cpu(**{**fields, **changes})  # type: ignore[arg-type]


class Memory:
    """Words by address; what is not there ends a reading."""

    def __init__(self, words: dict[int, int]) -> None:
        self.words = words

    def __call__(self, address: int, count: int) -> Sequence[int]:
        found = []
        for at in range(address, address + 8 * count, 8):
            if at not in self.words:
                break
            found.append(self.words[at])
        return found


def test_parse_registers_of_a_real_guest_then_each_cpu_with_what_it_does() -> None:
    idle, spinning = parse_registers((DATA / "info-registers.txt").read_text())
    assert (idle.number, idle.halted, idle.in_user) == (0, True, False)
    assert (spinning.number, spinning.halted, spinning.in_user) == (1, False, False)
    assert spinning.rip >> 32 == 0xFFFFFFFF
    assert spinning.rsp >> 44 == 0xFFFF8


def test_parse_memory_of_a_real_guest_then_all_words_in_order() -> None:
    words = parse_memory((DATA / "x-8gx.txt").read_text())
    assert len(words) == 8


def test_parse_memory_when_it_is_not_there_then_nothing() -> None:
    assert parse_memory("Cannot access memory at address 0xffffc90000000000") == []


@given(st.text())
def test_parsers_of_any_text_never_fail(text: str) -> None:
    parse_registers(f"CPU#0\nRIP={text}{text}")
    parse_registers(f"CPU#{text}")
    assert parse_memory(text) == [] or "0x" in text


def test_frames_when_frame_pointers_lead_on_then_the_return_addresses() -> None:
    memory = Memory(
        {STACK: 1, STACK + 8: 2, STACK + 16: STACK + 32, STACK + 24: 0xFFFFFFFF81000200, STACK + 32: 0, STACK + 40: 7}
    )
    assert list(frames(cpu(), memory)) == [0xFFFFFFFF81000200]


def test_frames_when_the_stack_goes_on_elsewhere_then_it_is_followed_there() -> None:
    other = STACK + (1 << 20)
    memory = Memory(
        {STACK + 8 * nr: 0 for nr in range(2)}
        | {STACK + 16: other, STACK + 24: 0xFFFFFFFF81000200, other: 0, other + 8: 0xFFFFFFFF81000300}
    )
    assert list(frames(cpu(), memory)) == [0xFFFFFFFF81000200, 0xFFFFFFFF81000300]


def test_frames_when_a_frame_leads_to_itself_then_ends() -> None:
    memory = Memory({STACK: 0, STACK + 8: 0, STACK + 16: STACK + 16, STACK + 24: 0xFFFFFFFF81000200})
    assert len(list(frames(cpu(), memory))) == 1


@given(st.dictionaries(st.integers(0, 600).map(lambda nr: STACK + 8 * nr), st.integers(0, (1 << 64) - 1)))
def test_frames_of_any_stack_are_few_and_of_the_kernel(words: dict[int, int]) -> None:
    found = list(frames(cpu(), Memory(words)))
    assert len(found) <= hang.DEPTH
    assert all(address >> 63 for address in found)


def test_describe_cpu_then_reads_as_the_kernels_own_trace() -> None:
    memory = Memory({STACK: 1, STACK + 8: 2, STACK + 16: 0, STACK + 24: 0xFFFFFFFF81000010})
    assert describe_cpu(cpu(), SYMBOLS, memory) == (
        "CPU 1: in the kernel", "RIP: 0010:zswap_store+0x1b/0x300", "Call Trace:", " <TASK>", " a+0x10/0x100", " </TASK>",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "said"),
    [({"halted": True}, "CPU 1: idle"), ({"in_user": True}, "CPU 1: runs a program, at 0xffffffff8100011b")],
)
def test_describe_cpu_when_it_is_not_in_the_kernel_then_no_trace(changes: dict[str, object], said: str) -> None:
    assert describe_cpu(cpu(**changes), SYMBOLS, Memory({})) == (said,)


TRACE = (
    "CPU 1: in the kernel",
    "RIP: 0010:zswap_store+0x1b/0x300",
    "Call Trace:",
    " <TASK>",
    " a+0x10/0x100",
    " </TASK>",
)


def test_stuck_cpus_when_the_same_functions_call_each_other_at_each_look_then_that_cpu() -> None:
    helper = tuple(line.replace("zswap_store+0x1b", "cpu_relax+0x2") for line in TRACE)
    assert stuck_cpus([{0: ("CPU 0: idle",), 1: TRACE}, {0: ("CPU 0: idle",), 1: helper}]) == (1,)


def test_stuck_cpus_when_another_function_calls_then_none() -> None:
    assert stuck_cpus([{1: TRACE}, {1: tuple(line.replace(" a+", " b+") for line in TRACE)}]) == ()


def test_stuck_cpus_when_looked_only_once_then_none() -> None:
    assert stuck_cpus([{1: TRACE}]) == ()


@pytest.mark.parametrize(
    ("words", "seconds"), [([0x100000000 - 30000 + 250], 2.5), ([], None), ([5], None), ([(1 << 64) - 1], None)]
)
def test_seconds_of_jiffies(words: list[int], seconds: float | None) -> None:
    assert hang.seconds_of(words) == seconds


def test_look_at_hang_when_nothing_can_be_read_then_says_so_and_does_not_fail(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("orchestrator.machine.hang.PAUSE_S", 0.0)
    limit = Deadline(30, what="the test", cancellation=Cancellation())
    with running_machine(fake_machine(tmp_path, "silent"), limit) as machine:
        seen = hang.look_at_hang(machine, tmp_path / "no-kernel", limit)
        assert (seen.lines, seen.guest_s, seen.stuck) == (("look 1 of 2:", "look 2 of 2:"), (), ())
        machine.qemu.stop()
        assert "nothing more could be read" in hang.look_at_hang(machine, tmp_path / "no-kernel", limit).lines[0]
