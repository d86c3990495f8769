"""How long until a guest answers?  usage: bench/boot.py [--linux linux-7.2] [-n 5] [--vng PROGRAM]

In turn, N times on the same machine, both on TCG with 2 CPUs and 1 GiB:

* ours: from starting QEMU for a live machine to the answer to ``true`` over SSH, base's kernel from the cache;
* virtme-ng 1.42: ``vng -r KERNEL --disable-kvm --cpus 2 --memory 1G -- true`` from start to exit, and the same with
  ``--force-9p``, on a kernel of the same source and configuration with virtme-ng.config merged last. It boots the
  uncompressed image too: that is faster than bzImage, and so the harder reference.

virtme-ng counts as a user sees it, its own start and the guest's power-off included; the column "gone" is our like: from
starting QEMU until its process is gone. Making keys and the initramfs (milliseconds) is before our clock starts, and
printed. Limits: 3 s to the first answer, and 0.4 of virtme-ng's time (the median of the rounds' ratios).

Kernels come from the real cache, or are built (minutes). virtme-ng comes from PyPI into a venv in the cache folder
(``bench/``) the first time. Exits 1 when a limit is passed.
"""

from __future__ import annotations

import argparse
import dataclasses
import re
import shutil
import statistics
import sys
import tempfile
import time
import venv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from orchestrator.config import catalog, locations
from orchestrator.config.scenarios import scenarios
from orchestrator.guest.image import build_guest_image
from orchestrator.guest.payload import SshFiles, keys_payload, trial_payload
from orchestrator.host import process
from orchestrator.host.deadline import Cancellation, Deadline
from orchestrator.host.resources import usable_cpus
from orchestrator.host.sandbox import find_sandbox
from orchestrator.host.steps import Steps
from orchestrator.host.workspace import cache_root, scratch_folder
from orchestrator.intake.reader import read_series
from orchestrator.kernel.build import BuildRequest, build_kernel
from orchestrator.kernel.making import Workshop
from orchestrator.kernel.toolchain import find_toolchain
from orchestrator.machine.argv import Accelerator, MachineConfig, kernel_command_line
from orchestrator.machine.keys import make_keys
from orchestrator.machine.machine import running_machine
from orchestrator.model.kernel import KernelRole
from orchestrator.model.topology import Node, Topology
from orchestrator.model.trial import TrialSpec
from orchestrator.tree.base import choose_base
from orchestrator.tree.sources import open_source

HERE = Path(__file__).parent
MAIL = HERE.parent / "tests/data/mail/re-patch-v5-2-6-mm-zswap-support-batch-writeback.txt"
VIRTME_NG = "1.42"
LIMIT_S = 3.0
LIMIT_RATIO = 0.4
ROUND_S = 120.0

VARIANTS = {"vng": (), "vng --force-9p": ("--force-9p",)}
"""Where QEMU brings its own old virtiofsd (Debian 12), plain vng waits for that in vain before it falls back to 9P."""

UDEV = ("/usr/lib/systemd/systemd-udevd", "/lib/systemd/systemd-udevd", "/usr/bin/udevadm")

TOPOLOGY = Topology(name="bench", what_for="what vng gets", nodes=(Node(memory_mib=1024, cpus=2),), distances=((10,),))
MARK = re.compile(r"^\[ *(\d+\.\d+)\] orchestrator: ([a-z-]+)", re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Boot:
    """One boot of ours, in seconds since QEMU was started; ``prepared_s`` is what came before that."""

    prepared_s: float
    released_s: float
    ready_s: float
    answer_s: float
    gone_s: float
    guest_ready_s: float


def kernel(linux: str, *more: Path) -> Path:
    """Return base's image, with the fragments ``more`` merged last: as the pipeline finds it, or built now."""
    cache, cancellation = cache_root(), Cancellation()
    steps = Steps(lambda event: print(f"{event.name}: {event.phase} {event.text}", file=sys.stderr))
    source = open_source(linux, cache=cache, steps=steps, cancellation=cancellation)
    base = choose_base(source, read_series(MAIL), rev=None)
    architecture, flavour = catalog.architecture(), catalog.flavour()
    folder = locations.kconfigs_folder()
    request = BuildRequest(
        role=KernelRole.BASE,
        commit=base.commit,
        tree=base.tree,
        base_commit=base.commit,
        base_tree=base.tree,
        architecture=architecture,
        fragments=(*(folder / name for name in (*architecture.fragments, *flavour.fragments)), *more),
    )
    workshop = Workshop(
        repo=source.repo,
        cache=cache,
        sandbox=find_sandbox(cache=cache, cancellation=cancellation),
        toolchain=find_toolchain(),
        jobs=usable_cpus(),
    )
    return build_kernel(request, workshop, steps=steps, cancellation=cancellation).image


def vng_program() -> Path:
    """Return virtme-ng's command, installed into a venv of the cache if it is not there."""
    folder = cache_root() / "bench" / "virtme-ng"
    program = folder / "bin" / "vng"
    if not program.exists():
        venv.create(folder, clear=True, with_pip=True)
        limit = Deadline(300, what="pip")
        process.check([folder / "bin" / "pip", "install", "--quiet", f"virtme-ng=={VIRTME_NG}"], deadline=limit)
    return program


def vng_run(program: Path, image: Path, *words: str) -> process.Finished:
    """Run vng with what both sides have in common."""
    path = f"{program.parent}:/usr/sbin:/usr/bin:/sbin:/bin"
    command: list[str | Path] = [program, "-r", image, "--disable-kvm", "--cpus", "2", "--memory", "1G", *words]
    with tempfile.TemporaryDirectory() as home:
        # Its cache and configuration are not the user's.
        return process.run(command, deadline=Deadline(ROUND_S, what="vng"), env={"PATH": path, "HOME": home})


def check_vng(program: Path, image: Path) -> tuple[int, ...]:
    """Make sure that vng runs commands in this kernel; return the exit statuses that ``true`` may have.

    Its streams and exit status are virtio ports that it finds by udev's names. On a host without udev its init runs the
    command on the console, and vng ends with 255; so it is asked once in words. Without udev it is the faster.
    """
    done = vng_run(program, image, "--verbose", "--", "exit 42")
    said = done.stdout + done.stderr
    assert "script exited with code 42" in said, f"vng does not run commands here:\n{said}"
    if any(Path(name).exists() for name in UDEV):
        return (0,)
    print("no udev on this host: virtme-ng runs without it", file=sys.stderr)
    return (0, 255)


def vng_once(program: Path, image: Path, statuses: Sequence[int], *options: str) -> float:
    """Seconds of one ``vng -- true`` from start to exit."""
    start = time.monotonic()
    done = vng_run(program, image, *options, "--", "true")
    seconds = time.monotonic() - start
    assert done.exit_status in statuses, f"vng failed: {done}"
    return seconds


def ours_once(image: Path, keep: Path | None, parameters: Sequence[str], machine_type: str) -> Boot:
    """Boot a live machine, run ``true`` in it, and let it go."""
    begin = time.monotonic()
    architecture = dataclasses.replace(catalog.architecture(), machine=machine_type)
    scripts = locations.guest_scripts_folder()
    guest = build_guest_image(scripts, cache=cache_root(), cancellation=Cancellation())
    spec = TrialSpec(kernel=KernelRole.BASE, topology=TOPOLOGY.name, scenario="memcg-limit", seed=1, sealed=False)
    payload = trial_payload(
        spec, scenarios()[spec.scenario], TOPOLOGY, probes=(scripts / "src" / "probes" / "zswap.spec").read_bytes()
    )
    keys = make_keys()
    files = SshFiles(authorized_keys=keys.authorized_keys, host_key=keys.host_key_file, entropy=keys.entropy)
    with scratch_folder("boot") as scratch:
        initrd, console = scratch / "initrd", scratch / "console.log"
        initrd.write_bytes(guest.data + payload + keys_payload(files))
        config = MachineConfig(
            architecture=architecture,
            topology=TOPOLOGY,
            kernel=image,
            initrd=initrd,
            console=console,
            qmp_fd=-1,
            sealed=False,
            accelerator=Accelerator.TCG,
            parameters=tuple(parameters),
        )
        limit = Deadline(ROUND_S, what="the boot")
        start = time.monotonic()
        with running_machine(config, limit) as machine:
            released = time.monotonic()
            machine.wait_for_mark("ready", limit)
            ready = time.monotonic()
            with machine.shell(keys, limit) as shell:
                assert shell.run("true", limit).ok
                answer = time.monotonic()
        gone = time.monotonic()
        text = console.read_text(errors="replace")
        if keep:
            keep.write_text(f"{kernel_command_line(config)}\n{text}")
    marks = {name: float(seconds) for seconds, name in MARK.findall(text)}
    return Boot(
        prepared_s=start - begin,
        released_s=released - start,
        ready_s=ready - start,
        answer_s=answer - start,
        gone_s=gone - start,
        guest_ready_s=marks["ready"],
    )


def show(name: str, values: Sequence[float], unit: str = "s") -> float:
    """Print a row and return its median."""
    middle = statistics.median(values)
    print(f"{name:<42} {min(values):7.3f} {middle:7.3f} {max(values):7.3f} {unit}")
    return middle


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--linux", default="linux-7.2")
    parser.add_argument("-n", type=int, default=5, help="rounds (default 5)")
    parser.add_argument("--vng", type=Path, help="another virtme-ng than the bench's own")
    parser.add_argument("--no-vng", action="store_true", help="our side alone")
    parser.add_argument("--kernel", type=Path, help="our side's image, instead of base's from the cache")
    parser.add_argument("--parameter", action="append", default=[], help="add to the kernel command line, for trying")
    parser.add_argument("--machine", default=catalog.architecture().machine, help="QEMU's -machine, for trying")
    parser.add_argument("--keep-console", type=Path, metavar="FILE", help="keep the last boot's console")
    options = parser.parse_args()
    for program in ("qemu-system-x86_64", "busybox"):
        assert shutil.which(program), f"{program} is missing: orchestrator doctor --fix"
    image = options.kernel or kernel(options.linux)
    other = None if options.no_vng else kernel(options.linux, HERE / "virtme-ng.config")
    vng = options.vng or (vng_program() if other else Path())
    statuses = check_vng(vng, other) if other else ()
    boots: list[Boot] = []
    vngs: dict[str, list[float]] = {variant: [] for variant in VARIANTS} if other else {}
    for number in range(options.n):
        boots.append(ours_once(image, options.keep_console, options.parameter, options.machine))
        line = f"round {number + 1}: ours {boots[-1].answer_s:.3f} s"
        for variant, seconds in vngs.items():
            assert other
            seconds.append(vng_once(vng, other, statuses, *VARIANTS[variant]))
            line += f", {variant} {seconds[-1]:.3f} s, ratio {boots[-1].answer_s / seconds[-1]:.3f}"
        print(line, file=sys.stderr)
    return report(boots, vngs)


def report(boots: Sequence[Boot], vngs: Mapping[str, Sequence[float]]) -> int:
    """Print the table; return the exit status."""
    print(f"{len(boots)} rounds{'':34} {'min':>7} {'median':>7} {'max':>7}")
    show("before: image, payload, keys", [boot.prepared_s for boot in boots])
    show("QEMU has answered QMP, CPUs released", [boot.released_s for boot in boots])
    show("guest says ready (its own clock)", [boot.guest_ready_s for boot in boots])
    show("guest says ready (ours)", [boot.ready_s for boot in boots])
    answer = show("first SSH answer", [boot.answer_s for boot in boots])
    show("gone", [boot.gone_s for boot in boots])
    verdicts = [(f"first answer {answer:.2f} s, limit {LIMIT_S:g} s", answer <= LIMIT_S)]
    for variant, seconds in vngs.items():
        show(f"virtme-ng {VIRTME_NG}: {variant}", seconds)
        pairs = list(zip(boots, seconds, strict=True))
        ratio = show(f"ratio answer / {variant}", [boot.answer_s / vng for boot, vng in pairs], "")
        show(f"ratio gone / {variant}", [boot.gone_s / vng for boot, vng in pairs], "")
        verdicts.append((f"ratio to {variant} {ratio:.3f}, limit {LIMIT_RATIO:g}", ratio <= LIMIT_RATIO))
    for text, is_met in verdicts:
        print(f"{text}: {'met' if is_met else 'PASSED'}")
    return 0 if all(is_met for _, is_met in verdicts) else 1


if __name__ == "__main__":
    sys.exit(main())
