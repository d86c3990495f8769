"""QEMU's argument list as a pure function of what the machine is. Nothing here starts anything.

Sealed machines follow ``sealed.md``: one host thread takes turns for all vCPUs and time is the count of executed
instructions (``-icount``), so that no event of the host can reach the guest before it opens its network.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from orchestrator.model.kernel import Architecture
from orchestrator.model.topology import Topology

SEALED_CLOCK = "2026-01-01T00:00:00"
"""The guest's wall clock at start, the same for every machine."""

INSTRUCTION_SHIFT = 1
"""-icount shift: an instruction takes 2**shift ns of guest time."""

SSH_PORT = 22


class Accelerator(StrEnum):
    """What executes the guest's instructions."""

    TCG = "tcg"
    KVM = "kvm"


@dataclass(frozen=True, slots=True, kw_only=True)
class MachineConfig:
    """All that QEMU needs to know.

    ``initrds`` are concatenated files; ``qmp_fd`` is the descriptor of our end's peer; ``console`` is written by QEMU;
    ``parameters`` are added to the kernel command line; ``gate`` is the library that seals QEMU against its own threads
    (:mod:`orchestrator.machine.gate`), loaded by the process's environment. ``stays`` says that QEMU stays, stopped, where
    the guest ends by itself, so that its memory can still be read; it is said over QMP, and no part of the arguments.
    """

    architecture: Architecture
    topology: Topology
    kernel: Path
    initrd: Path
    console: Path
    qmp_fd: int
    sealed: bool
    accelerator: Accelerator
    parameters: tuple[str, ...] = ()
    gate: Path | None = None
    stays: bool = False


def kernel_command_line(config: MachineConfig) -> str:
    """Return the guest kernel's command line. Base and patched get the same one."""
    words = [
        f"console={config.architecture.console}",
        # A panic ends the guest at once, and with -no-reboot also QEMU.
        "panic=-1",
        "oops=panic",
        # The same addresses and the same entropy at each boot.
        "nokaslr",
        "norandmaps",
        "random.trust_cpu=off",
        # Swap devices are made by the scenarios, through configfs.
        "null_blk.nr_devices=0",
        "rdinit=/init",
        *config.architecture.parameters,
        *config.parameters,
    ]
    return " ".join(words)


def qemu_argv(config: MachineConfig) -> list[str]:
    """Return QEMU's argument list for ``config``."""
    topology = config.topology.with_shadow(config.architecture.shadow_share)
    # fmt: off
    return [
        config.architecture.qemu,
        "-nodefaults", "-no-user-config",
        "-display", "none",
        "-no-reboot",
        # By their names the gate knows QEMU's threads.
        "-name", f"orchestrator-{topology.name},debug-threads=on",
        # HMAT only where there is something to tell: the other machines stay what they were.
        "-machine", f"{config.architecture.machine}{',hmat=on' if topology.has_hmat else ''}",
        *_accelerator_argv(config),
        "-m", f"{topology.memory_mib}M",
        *_numa_argv(topology),
        "-kernel", str(config.kernel),
        "-initrd", str(config.initrd),
        "-append", kernel_command_line(config),
        "-chardev", f"file,id=console,path={_escaped(config.console)}",
        "-serial", "chardev:console",
        "-chardev", f"socket,id=qmp,fd={config.qmp_fd}",
        "-mon", "chardev=qmp,mode=control",
        # restrict=on: nothing leaves the guest; the one way in is SSH, bound on loopback, on a port that QEMU picks.
        "-netdev", f"user,id=net0,restrict=on,ipv6=off,hostfwd=tcp:127.0.0.1:0-:{SSH_PORT}",
        "-device", "virtio-net-pci,netdev=net0,romfile=",
        # The CPUs wait until we have asked QMP for the port: no command reaches a running sealed guest.
        "-S",
    ]
    # fmt: on


def _accelerator_argv(config: MachineConfig) -> list[str]:
    if config.sealed:
        # fmt: off
        return [
            "-accel", "tcg,thread=single",
            "-icount", f"shift={INSTRUCTION_SHIFT},sleep=off",
            "-cpu", f"{config.architecture.cpu},-rdrand,-rdseed",
            "-rtc", f"base={SEALED_CLOCK},clock=vm",
            "-seed", "1",
        ]
        # fmt: on
    if config.accelerator is Accelerator.KVM:
        return ["-accel", "kvm", "-cpu", "host"]
    return ["-accel", "tcg,thread=multi", "-cpu", config.architecture.cpu]


def _numa_argv(topology: Topology) -> list[str]:
    """Return memory, CPUs, distances, and what HMAT tells.

    Every CPU is a socket of its own: CPUs of one package on two nodes make a good kernel warn (arch/x86/kernel/
    smpboot.c, topology_sane).
    """
    argv = ["-smp", f"{topology.cpus},sockets={topology.cpus},cores=1,threads=1"]
    for number, node in enumerate(topology.nodes):
        words = ["node", f"nodeid={number}"]
        words += [f"cpus={cpu}" for cpu in topology.cpus_of(number)]
        if node.memory_mib:
            argv += ["-object", f"memory-backend-ram,id=mem{number},size={node.memory_mib}M"]
            words.append(f"memdev=mem{number}")
        if node.accesses:
            words.append(f"initiator={node.accesses[0].initiator}")
        argv += ["-numa", ",".join(words)]
    if len(topology.nodes) > 1:
        for source, row in enumerate(topology.distances):
            for target, distance in enumerate(row):
                argv += ["-numa", f"dist,src={source},dst={target},val={distance}"]
    return argv + _hmat_argv(topology)


def _hmat_argv(topology: Topology) -> list[str]:
    """Return HMAT's latencies (ns) and bandwidths, four values for each initiator of each node."""
    argv = []
    for target, node in enumerate(topology.nodes):
        for access in node.accesses:
            place = f"hmat-lb,initiator={access.initiator},target={target},hierarchy=memory"
            for value in (
                f"data-type=read-latency,latency={access.read_latency_ns}",
                f"data-type=write-latency,latency={access.write_latency_ns}",
                f"data-type=read-bandwidth,bandwidth={access.read_bandwidth_mib_s}M",
                f"data-type=write-bandwidth,bandwidth={access.write_bandwidth_mib_s}M",
            ):
                argv += ["-numa", f"{place},{value}"]
    return argv


def _escaped(path: Path) -> str:
    """Return a path as a value of QEMU's option syntax, in which a comma is written twice."""
    return str(path).replace(",", ",,")
