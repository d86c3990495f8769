"""A machine whose guest does not come to its end: what its CPUs do and whether its time goes on, read over QMP.

Nothing is asked of the guest, which may have its interrupts off or no memory left: registers and stacks are read from
outside (``info registers``, ``x``), and frames are followed by their frame pointers, which our kernels keep
(CONFIG_UNWINDER_FRAME_POINTER). Guest time is the kernel's ``jiffies_64``: where a guest has used many times the guest
time of base's, a slow host is no explanation any more.
"""

from __future__ import annotations

import bisect
import contextlib
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from orchestrator.errors import Cancelled, InfraError
from orchestrator.host import process
from orchestrator.host.deadline import Deadline
from orchestrator.machine.machine import Machine

LOOKS = 2
"""How often the CPUs are looked at: what stands still in both is stuck, what moves is a loop."""

PAUSE_S = 1.0
DEPTH = 24
"""Frames of a stack that are followed."""

STACK_WORDS = 512
"""Words of a stack that are read at once."""

HZ = 100
"""CONFIG_HZ_100 (kconfigs/guest.config)."""

INITIAL_JIFFIES = (1 << 32) - 300 * HZ
"""include/linux/jiffies.h: jiffies begin five minutes before they would wrap in 32 bits."""

_NM_S = 60.0
_CPU = re.compile(r"CPU#(\d+)")
_REGISTER = re.compile(r"\b(R[A-Z0-9]{1,2}) ?=([0-9a-f]{16})")
_FLAG = re.compile(r"\b(CPL|HLT)=(\d)")
_MEMORY = re.compile(r"(?m)^([0-9a-f]{16}):((?: 0x[0-9a-f]{16})+)")
_FUNCTION = re.compile(r"(?m)^(?:RIP: 0010:| )([\w.]+)\+0x")
_SYMBOL = re.compile(r"([0-9a-f]{16}) ([A-Za-z]) (\S+)")

Read = Callable[[int, int], Sequence[int]]
"""From an address and a number of words to the words that could be read there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cpu:
    """One CPU's registers. ``halted`` is idle; ``in_user`` says that it runs a program, not the kernel."""

    number: int
    rip: int
    rsp: int
    rbp: int
    in_user: bool
    halted: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Symbols:
    """A kernel's functions and variables by address, in order."""

    addresses: tuple[int, ...]
    names: tuple[str, ...]

    def named(self, address: int) -> str:
        """Return an address as ``function+0x1a4/0x210``, as the kernel writes it; in hexadecimal where it is nobody's."""
        at = bisect.bisect_right(self.addresses, address) - 1
        if at < 0 or at + 1 >= len(self.addresses):
            return f"{address:#x}"
        start, end = self.addresses[at], self.addresses[at + 1]
        return f"{self.names[at]}+{address - start:#x}/{end - start:#x}"

    def address_of(self, name: str) -> int | None:
        """Return where a symbol is."""
        return self.addresses[self.names.index(name)] if name in self.names else None


@dataclass(frozen=True, slots=True, kw_only=True)
class HangEvidence:
    """What was seen: ``lines`` for people, and the guest's time (s) at each look, () where it cannot be told.

    A kernel that takes no interrupts does not count its time, and a time that stands still says nothing of how long.
    ``stuck`` are the CPUs that were in the kernel, in the same functions, at each look.
    """

    lines: tuple[str, ...]
    guest_s: tuple[float, ...] = ()
    stuck: tuple[int, ...] = ()


def look_at_hang(machine: Machine, kernel: Path, deadline: Deadline) -> HangEvidence:
    """Return what the guest's CPUs do. Breaks the seal; the machine is of no other use afterwards.

    Never fails: what could not be read is said in the lines. Raises ``Cancelled``.
    """
    lines: list[str] = []
    times: list[float] = []
    looks: list[dict[int, tuple[str, ...]]] = []
    try:
        symbols = read_symbols(kernel)
        machine.open_gate()
        for look in range(LOOKS):
            if look:
                deadline.pause(PAUSE_S)
            seen, guest_s = _look(machine, symbols, deadline)
            looks.append(seen)
            times += [] if guest_s is None else [guest_s]
            when = "" if guest_s is None else f" at {guest_s:.2f} s of guest time"
            lines += [f"look {look + 1} of {LOOKS}{when}:", *(line for cpu in seen.values() for line in cpu)]
    except Cancelled:
        raise
    except InfraError as error:
        lines.append(f"nothing more could be read of the machine: {error.message}")
    if len(times) == LOOKS and times[0] == times[-1]:
        lines.append("guest time stands still: the CPU that keeps it takes no interrupts")
        times.clear()
    stuck = stuck_cpus(looks)
    lines += [f"CPU {number} was in the same functions at each look" for number in stuck]
    return HangEvidence(lines=tuple(lines), guest_s=tuple(times), stuck=stuck)


def stuck_cpus(looks: Sequence[Mapping[int, Sequence[str]]]) -> tuple[int, ...]:
    """Return the CPUs whose call traces name the same functions at each look; where in the last of them does not matter."""
    if len(looks) < LOOKS:
        return ()
    called = [{number: _FUNCTION.findall("\n".join(lines)) for number, lines in look.items()} for look in looks]
    return tuple(
        number
        for number, functions in called[0].items()
        # The function at RIP may be a helper of the one that loops.
        if len(functions) > 1 and all(other.get(number, [])[1:] == functions[1:] for other in called[1:])
    )


def _look(machine: Machine, symbols: Symbols, deadline: Deadline) -> tuple[dict[int, tuple[str, ...]], float | None]:
    def ask(command: str, cpu: int = 0) -> str:
        arguments = {"command-line": command, "cpu-index": cpu}
        return str(machine.qmp.execute("human-monitor-command", deadline, **arguments))

    def reader(cpu: int) -> Read:
        return lambda address, words: parse_memory(ask(f"x /{words}gx {address:#x}", cpu))

    machine.qmp.execute("stop", deadline)
    seen: dict[int, tuple[str, ...]] = {}
    guest_s: float | None = None
    for cpu in parse_registers(ask("info registers -a")):
        seen[cpu.number] = describe_cpu(cpu, symbols, reader(cpu.number))
        if guest_s is None and not cpu.in_user and (at := symbols.address_of("jiffies_64")) is not None:
            guest_s = seconds_of(reader(cpu.number)(at, 1))
    machine.qmp.execute("cont", deadline)
    return seen, guest_s


def describe_cpu(cpu: Cpu, symbols: Symbols, read: Read) -> tuple[str, ...]:
    """Return a CPU's stack as a call trace, in the kernel's own format."""
    if cpu.in_user:
        return (f"CPU {cpu.number}: runs a program, at {cpu.rip:#x}",)
    if cpu.halted:
        return (f"CPU {cpu.number}: idle",)
    trace = (f" {symbols.named(address)}" for address in frames(cpu, read))
    rip = f"RIP: 0010:{symbols.named(cpu.rip)}"
    return (f"CPU {cpu.number}: in the kernel", rip, "Call Trace:", " <TASK>", *trace, " </TASK>")


def frames(cpu: Cpu, read: Read) -> Iterator[int]:
    """Yield the return addresses of a stack whose functions keep frame pointers: at RBP the caller's, above it the address."""
    start = cpu.rsp & ~7
    stack = read(start, STACK_WORDS)
    frame = cpu.rbp
    for _ in range(DEPTH):
        inside = (frame - start) // 8
        pair = stack[inside : inside + 2] if 0 <= inside < len(stack) - 1 else ()
        # An interrupt has a stack of its own; its first frame leads to the task's.
        pair = pair if len(pair) == 2 else read(frame, 2) if frame >> 47 == 0x1FFFF and not frame % 8 else ()
        if len(pair) != 2 or not pair[1] >> 63:
            return
        yield pair[1]
        if pair[0] == frame:
            return
        frame = pair[0]


def parse_registers(text: str) -> list[Cpu]:
    """Return the CPUs of HMP's ``info registers -a`` (x86_64: target/i386/cpu-dump.c); those that are whole."""
    cpus = []
    parts = _CPU.split(text)
    for number, part in zip(parts[1::2], parts[2::2], strict=True):
        registers = {name: int(value, 16) for name, value in _REGISTER.findall(part)}
        flags = dict(_FLAG.findall(part))
        with contextlib.suppress(KeyError):
            cpus.append(
                Cpu(
                    number=int(number[:6]),
                    rip=registers["RIP"],
                    rsp=registers["RSP"],
                    rbp=registers["RBP"],
                    in_user=flags["CPL"] == "3",
                    halted=flags["HLT"] == "1",
                )
            )
    return cpus


def parse_memory(text: str) -> list[int]:
    """Return the words of HMP's ``x /Ngx`` up to the first address that is not there."""
    return [int(word, 16) for _, words in _MEMORY.findall(text) for word in words.split()]


def seconds_of(words: Sequence[int]) -> float | None:
    """Return ``jiffies_64`` as seconds since the kernel began; None when it was not read."""
    if not words:
        return None
    since = words[0] - INITIAL_JIFFIES
    return since / HZ if 0 <= since < 1 << 40 else None


def read_symbols(kernel: Path) -> Symbols:
    """Return the symbols of a vmlinux, none of an image that has none; :class:`InfraError` when nm is not there."""
    said = process.run(["nm", "-n", kernel], deadline=Deadline(_NM_S, what="reading the kernel's symbols"))
    found = {
        int(match[1], 16): match[3]
        for line in said.stdout.splitlines()
        if (match := _SYMBOL.fullmatch(line)) and match[2] in "tTwWdDbB" and not match[3].startswith("__pfx_")
    }
    ordered = sorted(found.items())
    return Symbols(addresses=tuple(address for address, _ in ordered), names=tuple(name for _, name in ordered))
