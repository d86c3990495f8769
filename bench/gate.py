"""Do sealed trials repeat, with the gate and without?  usage: bench/gate.py [--linux linux-7.2] [-n 7] [--topology four-node]

Runs one trial (memcg-limit, seed 1) N times with the gate (orchestrator/machine/gate.c) and N times without, in turn, each
under a storm of queries on QMP: what disturbs QEMU's main loop most. Compares the console up to the end of the seal,
with the kernel's time stamps (µs of guest time). Prints how many different ones there were, and the median wall time.

Exits 1 when two runs with the gate differ. On an idle host the storm is needed to see much without the gate: with two
CPUs, some 5 to 30 % of the trials differed as the orchestrator runs them.
"""

from __future__ import annotations

import argparse
import dataclasses
import statistics
import threading
import time
from pathlib import Path

from boot import kernel

from orchestrator.config import catalog, locations
from orchestrator.config.scenarios import scenarios
from orchestrator.guest.image import build_guest_image
from orchestrator.guest.payload import SshFiles, keys_payload, trial_payload
from orchestrator.host.deadline import Cancellation, Deadline
from orchestrator.host.workspace import cache_root, scratch_folder
from orchestrator.machine.argv import Accelerator, MachineConfig
from orchestrator.machine.gate import compiled_gate
from orchestrator.machine.keys import make_keys
from orchestrator.machine.machine import running_machine
from orchestrator.model.kernel import KernelRole
from orchestrator.model.trial import TrialSpec

LIMIT_S = 300.0


def sealed_machine(image: Path, topology: str, folder: Path) -> MachineConfig:
    """Return the machine of the trial; its initramfs is in ``folder``, the same for every run."""
    scripts = locations.guest_scripts_folder()
    guest = build_guest_image(scripts, cache=cache_root(), cancellation=Cancellation())
    spec = TrialSpec(kernel=KernelRole.BASE, topology=topology, scenario="memcg-limit", seed=1, sealed=True)
    where = catalog.topologies()[topology]
    probes = (scripts / "src" / "probes" / "zswap.spec").read_bytes()
    payload = trial_payload(spec, scenarios()[spec.scenario], where, probes=probes)
    keys = make_keys()
    files = SshFiles(authorized_keys=keys.authorized_keys, host_key=keys.host_key_file, entropy=keys.entropy)
    (folder / "initrd").write_bytes(guest.data + payload + keys_payload(files))
    return MachineConfig(
        architecture=catalog.architecture(),
        topology=where,
        kernel=image,
        initrd=folder / "initrd",
        console=folder / "console",
        qmp_fd=-1,
        sealed=True,
        accelerator=Accelerator.TCG,
    )


def sealed_console(config: MachineConfig) -> str:
    """Return what a guest says under a storm of queries until its scenario is over."""
    config.console.unlink(missing_ok=True)
    limit = Deadline(LIMIT_S, what="the trial")
    over = threading.Event()
    with running_machine(config, limit) as machine:

        def storm() -> None:
            while not over.is_set():
                machine.qmp.execute("query-status", limit)

        asking = threading.Thread(target=storm)
        asking.start()
        try:
            machine.wait_for_mark("sealed-end", limit)
        finally:
            over.set()
            machine.open_gate()
            asking.join()
        return machine.console_text().partition("sealed-end")[0]


def main() -> int:
    """Run the comparison."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--linux", default="linux-7.2")
    parser.add_argument("--topology", default="four-node")
    parser.add_argument("-n", type=int, default=7)
    arguments = parser.parse_args()
    gate = compiled_gate(cache=cache_root(), cancellation=Cancellation())
    consoles: dict[str, list[str]] = {"with the gate": [], "without": []}
    walls: dict[str, list[float]] = {name: [] for name in consoles}
    with scratch_folder("bench-gate") as folder:
        config = sealed_machine(kernel(arguments.linux), arguments.topology, folder)
        variants = {"with the gate": dataclasses.replace(config, gate=gate.library), "without": config}
        for _ in range(arguments.n):
            for name, variant in variants.items():
                begin = time.monotonic()
                consoles[name].append(sealed_console(variant))
                walls[name].append(time.monotonic() - begin)
    for name, texts in consoles.items():
        common = max(texts.count(text) for text in texts)
        wall = statistics.median(walls[name])
        print(
            f"{name:14} {len(texts)} runs, {len(set(texts))} distinct, {len(texts) - common} unlike the most frequent, {wall:.1f} s"
        )
    return int(len(set(consoles["with the gate"])) > 1)


if __name__ == "__main__":
    raise SystemExit(main())
