"""QEMU's argument list, whole for each topology and kind of machine, and what must be in it whatever the machine."""

from __future__ import annotations

import dataclasses
import itertools
import re
from pathlib import Path

import pytest

from orchestrator.config.catalog import architecture, topologies
from orchestrator.machine.argv import Accelerator, MachineConfig, kernel_command_line, qemu_argv
from orchestrator.model.topology import Node, Topology

TOPOLOGIES = ("one-node", "two-node", "four-node", "memoryless", "cpuless", "one-cpu-four-nodes")

COMMAND_LINE = (
    "console=ttyS0 panic=-1 oops=panic nokaslr norandmaps random.trust_cpu=off null_blk.nr_devices=0 rdinit=/init"
)

SEALED = """
-accel tcg,thread=single
-icount shift=1,sleep=off
-cpu max,-rdrand,-rdseed
-rtc base=2026-01-01T00:00:00,clock=vm
-seed 1
"""
LIVE_TCG = """
-accel tcg,thread=multi
-cpu max
"""
LIVE_KVM = """
-accel kvm
-cpu host
"""

MEMORY = {
    "one-node": """
-m 1024M
-smp 1,sockets=1,cores=1,threads=1
-object memory-backend-ram,id=mem0,size=1024M
-numa node,nodeid=0,cpus=0,memdev=mem0
""",
    "two-node": """
-m 1024M
-smp 2,sockets=2,cores=1,threads=1
-object memory-backend-ram,id=mem0,size=512M
-numa node,nodeid=0,cpus=0,memdev=mem0
-object memory-backend-ram,id=mem1,size=512M
-numa node,nodeid=1,cpus=1,memdev=mem1
-numa dist,src=0,dst=0,val=10
-numa dist,src=0,dst=1,val=20
-numa dist,src=1,dst=0,val=20
-numa dist,src=1,dst=1,val=10
""",
    "four-node": """
-m 1024M
-smp 4,sockets=4,cores=1,threads=1
-object memory-backend-ram,id=mem0,size=256M
-numa node,nodeid=0,cpus=0,memdev=mem0
-object memory-backend-ram,id=mem1,size=256M
-numa node,nodeid=1,cpus=1,memdev=mem1
-object memory-backend-ram,id=mem2,size=256M
-numa node,nodeid=2,cpus=2,memdev=mem2
-object memory-backend-ram,id=mem3,size=256M
-numa node,nodeid=3,cpus=3,memdev=mem3
"""
    + "".join(
        f"-numa dist,src={source},dst={target},val={10 if source == target else 20}\n"
        for source, target in itertools.product(range(4), repeat=2)
    ),
}

MEMORY |= {
    "memoryless": """
-m 1024M
-smp 3,sockets=3,cores=1,threads=1
-object memory-backend-ram,id=mem0,size=512M
-numa node,nodeid=0,cpus=0,memdev=mem0
-numa node,nodeid=1,cpus=1
-object memory-backend-ram,id=mem2,size=512M
-numa node,nodeid=2,cpus=2,memdev=mem2
"""
    + "".join(
        f"-numa dist,src={source},dst={target},val={10 if source == target else 20}\n"
        for source, target in itertools.product(range(3), repeat=2)
    ),
    "cpuless": """
-m 1024M
-smp 2,sockets=2,cores=1,threads=1
-object memory-backend-ram,id=mem0,size=512M
-numa node,nodeid=0,cpus=0,cpus=1,memdev=mem0,initiator=0
-object memory-backend-ram,id=mem1,size=512M
-numa node,nodeid=1,memdev=mem1,initiator=0
-numa dist,src=0,dst=0,val=10
-numa dist,src=0,dst=1,val=50
-numa dist,src=1,dst=0,val=50
-numa dist,src=1,dst=1,val=10
-numa hmat-lb,initiator=0,target=0,hierarchy=memory,data-type=read-latency,latency=80
-numa hmat-lb,initiator=0,target=0,hierarchy=memory,data-type=write-latency,latency=80
-numa hmat-lb,initiator=0,target=0,hierarchy=memory,data-type=read-bandwidth,bandwidth=40960M
-numa hmat-lb,initiator=0,target=0,hierarchy=memory,data-type=write-bandwidth,bandwidth=40960M
-numa hmat-lb,initiator=0,target=1,hierarchy=memory,data-type=read-latency,latency=250
-numa hmat-lb,initiator=0,target=1,hierarchy=memory,data-type=write-latency,latency=250
-numa hmat-lb,initiator=0,target=1,hierarchy=memory,data-type=read-bandwidth,bandwidth=10240M
-numa hmat-lb,initiator=0,target=1,hierarchy=memory,data-type=write-bandwidth,bandwidth=10240M
""",
    "one-cpu-four-nodes": MEMORY["four-node"]
    .replace("-smp 4,sockets=4", "-smp 1,sockets=1")
    .replace("nodeid=1,cpus=1", "nodeid=1")
    .replace("nodeid=2,cpus=2", "nodeid=2")
    .replace("nodeid=3,cpus=3", "nodeid=3"),
}

GOLDEN = """
qemu-system-x86_64
-nodefaults
-no-user-config
-display none
-no-reboot
-name orchestrator-{name},debug-threads=on
-machine q35,usb=off,vmport=off,smbus=off,sata=off,hpet=off{hmat}
{clock}
{memory}
-kernel /builds/vmlinux
-initrd /scratch/initrd
-append {append}
-chardev file,id=console,path=/results/console.log
-serial chardev:console
-chardev socket,id=qmp,fd=7
-mon chardev=qmp,mode=control
-netdev user,id=net0,restrict=on,ipv6=off,hostfwd=tcp:127.0.0.1:0-:22
-device virtio-net-pci,netdev=net0,romfile=
-S
"""

MEMORYLESS = Topology(
    name="memoryless",
    what_for="a node without memory, and one without CPUs",
    nodes=(Node(memory_mib=256, cpus=2), Node(memory_mib=0, cpus=1), Node(memory_mib=128, cpus=0)),
    distances=((10, 20, 30), (20, 10, 20), (30, 20, 10)),
)


def config(
    topology: Topology, *, sealed: bool = True, accelerator: Accelerator = Accelerator.TCG, console: str = "console.log"
) -> MachineConfig:
    return MachineConfig(
        architecture=architecture(),
        topology=topology,
        kernel=Path("/builds/vmlinux"),
        initrd=Path("/scratch/initrd"),
        console=Path("/results") / console,
        qmp_fd=7,
        sealed=sealed,
        accelerator=accelerator,
    )


def words_of(text: str) -> list[str]:
    """Return the words of a golden text: an option and the rest of its line, which is its value."""
    return [word for line in text.splitlines() if line.strip() for word in line.split(" ", 1)]


def values(argv: list[str], option: str) -> list[str]:
    return [argv[place + 1] for place, word in enumerate(argv) if word == option]


ALL = [
    pytest.param(config(topology, sealed=sealed, accelerator=accelerator), id=f"{topology.name}-{kind}")
    for topology in (*topologies().values(), MEMORYLESS)
    for kind, sealed, accelerator in (
        ("sealed", True, Accelerator.TCG),
        ("live-tcg", False, Accelerator.TCG),
        ("live-kvm", False, Accelerator.KVM),
    )
]


@pytest.mark.parametrize("name", TOPOLOGIES)
@pytest.mark.parametrize(
    ("clock", "sealed", "accelerator"),
    [
        pytest.param(SEALED, True, Accelerator.TCG, id="sealed"),
        pytest.param(LIVE_TCG, False, Accelerator.TCG, id="live-tcg"),
        pytest.param(LIVE_KVM, False, Accelerator.KVM, id="live-kvm"),
    ],
)
def test_argv_when_made_for_a_topology_then_is_the_golden_one(
    name: str, clock: str, accelerator: Accelerator, *, sealed: bool
) -> None:
    hmat = ",hmat=on" if name == "cpuless" else ""
    text = GOLDEN.format(name=name, clock=clock, memory=MEMORY[name], append=COMMAND_LINE, hmat=hmat)
    assert qemu_argv(config(topologies()[name], sealed=sealed, accelerator=accelerator)) == words_of(text)


def test_argv_when_a_sealed_machine_was_to_have_kvm_then_is_still_tcg() -> None:
    argv = qemu_argv(config(topologies()["two-node"], sealed=True, accelerator=Accelerator.KVM))
    assert values(argv, "-accel") == ["tcg,thread=single"]


@pytest.mark.parametrize("machine", ALL)
def test_argv_when_made_then_the_cpus_wait_for_us(machine: MachineConfig) -> None:
    assert "-S" in qemu_argv(machine)


@pytest.mark.parametrize("machine", ALL)
def test_argv_when_made_then_the_nodes_memory_adds_up_to_the_machines(machine: MachineConfig) -> None:
    argv = qemu_argv(machine)
    sizes = [int(size) for size in re.findall(r"size=(\d+)M", " ".join(values(argv, "-object")))]
    assert values(argv, "-m") == [f"{sum(sizes)}M"]


@pytest.mark.parametrize("machine", ALL)
def test_argv_when_made_then_every_cpu_is_on_exactly_one_node(machine: MachineConfig) -> None:
    argv = qemu_argv(machine)
    on_nodes = [int(cpu) for cpu in re.findall(r"cpus=(\d+)", " ".join(values(argv, "-numa")))]
    assert on_nodes == list(range(int(values(argv, "-smp")[0].partition(",")[0])))


@pytest.mark.parametrize("machine", ALL)
def test_argv_when_made_then_nothing_of_the_hosts_storage_is_in_it(machine: MachineConfig) -> None:
    text = " ".join(qemu_argv(machine))
    assert re.findall(r"-drive|-blockdev|-fsdev|-virtfs|9p|virtiofs|vhost|virtio-rng|-hda|-cdrom|-pflash", text) == []


@pytest.mark.parametrize("machine", ALL)
def test_argv_when_made_then_the_network_leads_nowhere_but_to_our_port(machine: MachineConfig) -> None:
    options = values(qemu_argv(machine), "-netdev")[0].split(",")
    assert {"restrict=on", "hostfwd=tcp:127.0.0.1:0-:22"} <= set(options)


def test_argv_when_a_node_has_no_memory_then_it_has_no_backend() -> None:
    assert values(qemu_argv(config(MEMORYLESS)), "-numa")[:3] == [
        "node,nodeid=0,cpus=0,cpus=1,memdev=mem0",
        "node,nodeid=1,cpus=2",
        "node,nodeid=2,memdev=mem2",
    ]


def test_argv_when_both_ways_differ_then_hmat_tells_each_and_the_nearest_initiator_is_named() -> None:
    words = values(qemu_argv(config(topologies()["two-tier"])), "-numa")
    assert "node,nodeid=3,memdev=mem3,initiator=1" in words
    place = "hmat-lb,initiator=0,target=3,hierarchy=memory,data-type"
    assert [word for word in words if word.startswith(place)] == [
        f"{place}=read-latency,latency=330",
        f"{place}=write-latency,latency=380",
        f"{place}=read-bandwidth,bandwidth=8192M",
        f"{place}=write-bandwidth,bandwidth=6144M",
    ]


def test_argv_when_distances_are_not_symmetric_then_each_direction_has_its_own() -> None:
    words = values(qemu_argv(config(topologies()["asymmetric"])), "-numa")
    assert {"dist,src=0,dst=1,val=20", "dist,src=1,dst=0,val=40"} <= set(words)


def test_argv_when_the_console_path_has_a_comma_then_it_is_doubled() -> None:
    argv = qemu_argv(config(topologies()["one-node"], console="a,b.log"))
    assert values(argv, "-chardev")[0] == "file,id=console,path=/results/a,,b.log"


def test_command_line_when_parameters_are_added_then_they_stand_at_its_end() -> None:
    machine = dataclasses.replace(config(topologies()["one-node"]), parameters=("quiet", "debug"))
    assert kernel_command_line(machine) == f"{COMMAND_LINE} quiet debug"


def test_argv_when_the_kernel_takes_a_shadow_then_node_0_has_it_more() -> None:
    machine = config(topologies()["two-node"])
    shadowed = dataclasses.replace(machine, architecture=dataclasses.replace(machine.architecture, shadow_share=8))
    argv = qemu_argv(shadowed)
    sizes = [value.rpartition("size=")[2] for value in values(argv, "-object")]
    assert (values(argv, "-m"), sizes) == (["1280M"], ["768M", "512M"])


def test_command_line_when_the_flavour_has_parameters_then_they_stand_before_ours() -> None:
    machine = dataclasses.replace(config(topologies()["one-node"]), parameters=("debug",))
    flavoured = dataclasses.replace(machine.architecture, parameters=("page_owner=on",))
    text = kernel_command_line(dataclasses.replace(machine, architecture=flavoured))
    assert text == f"{COMMAND_LINE} page_owner=on debug"


def test_command_line_when_the_kernel_is_another_then_is_the_same() -> None:
    base = config(topologies()["two-node"])
    patched = dataclasses.replace(base, kernel=Path("/builds/patched/vmlinux"))
    assert kernel_command_line(base) == kernel_command_line(patched)


def test_command_line_when_the_machine_is_sealed_or_live_then_is_the_same() -> None:
    sealed, live = (config(topologies()["two-node"], sealed=sealed) for sealed in (True, False))
    assert kernel_command_line(sealed) == kernel_command_line(live)
