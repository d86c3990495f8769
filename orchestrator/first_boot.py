"""Base's first boot: whether its kernel comes up at all, seen before anything is said of a patch.

One machine without a scenario, which takes a second or two; not sealed, which would take three times as long and says no
more of whether it boots. A boot that went well is remembered by all that can bear on it (kernel, guest image, machine,
QEMU) and not done again; one that did not shows itself each time.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from orchestrator.errors import BrokenBase, Evidence, LostMachine, TimedOut, tail
from orchestrator.guest.image import GuestImage
from orchestrator.guest.login import login_payload
from orchestrator.host import workspace
from orchestrator.host.deadline import Cancellation, Deadline
from orchestrator.host.steps import Steps
from orchestrator.judge.kernel_log import scan_kernel_log
from orchestrator.machine.argv import Accelerator, MachineConfig, qemu_argv
from orchestrator.machine.machine import GuestEnded, running_machine
from orchestrator.model.kernel import Architecture, KernelBuild
from orchestrator.model.topology import Topology

KEY_VERSION = "first boot 1"
"""Changed when having come up means something else, so that older boots are not found any more."""

READY = "ready"
READY_S = 120.0
"""For a guest that takes two seconds, on a very busy host; as many times as long as the kernel's flavour is slow."""

TRIES = 2
"""A machine that was lost, or was not ready in time, is tried again: that may have been this host."""

CONSOLE = "console.log"
_CONSOLE_LINES = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class FirstBoot:
    """What is booted: base's ``build`` on one topology. ``scripts`` is ``guest_scripts/``, ``qemu`` QEMU's version."""

    build: KernelBuild
    architecture: Architecture
    topology: Topology
    image: GuestImage
    scripts: Path
    qemu: str

    @property
    def payload(self) -> bytes:
        """The archive behind the guest image: no scenario, and no keys, for nobody logs in."""
        return login_payload(self.scripts, topology=self.topology.name)

    def config(self, *, kernel: Path, initrd: Path, console: Path) -> MachineConfig:
        """Return the machine."""
        return MachineConfig(
            architecture=self.architecture,
            topology=self.topology,
            kernel=kernel,
            initrd=initrd,
            console=console,
            qmp_fd=-1,
            sealed=False,
            accelerator=Accelerator.TCG,
        )

    @property
    def key(self) -> str:
        """The key of the boot; not where files lie."""
        nowhere = Path("/")
        argv = qemu_argv(self.config(kernel=nowhere / "kernel", initrd=nowhere / "initrd", console=nowhere / "console"))
        return workspace.content_key(
            KEY_VERSION, self.build.key, self.build.image_sha256, self.image.key, self.payload, self.qemu, *argv
        )


def check_base_boots(boot: FirstBoot, *, cache: Path, steps: Steps, cancellation: Cancellation) -> None:
    """Boot base once, unless that is known to go well.

    Raises :class:`BrokenBase` with what the kernel said last when the guest ends by itself or is not up in time twice,
    and :class:`LostMachine` when QEMU itself failed twice.
    """
    mark = cache / "boots" / boot.key
    if mark.exists():
        steps.note("boot", "base came up in an earlier run", kernel=boot.build.role, topology=boot.topology.name)
        return
    with (
        steps.step("boot", kernel=boot.build.role, topology=boot.topology.name) as note,
        workspace.scratch_folder("orchestrator-first-boot") as folder,
    ):
        for nr in range(1, TRIES + 1):
            try:
                _boot_once(boot, folder, cancellation)
                break
            except GuestEnded as error:
                raise _broken(boot, error, "the guest ended before it was up", folder) from error
            except (LostMachine, TimedOut) as error:
                if nr < TRIES:
                    note(f"{error.message}; once more")
                elif isinstance(error, TimedOut) and _said(folder):
                    raise _broken(boot, error, f"it was not up within {_limit_s(boot):.0f} s, twice", folder) from error
                else:
                    raise
        note("base comes up")
    workspace.publish_text(mark, f"{boot.build.release} on {boot.topology.name}\n")


def _boot_once(boot: FirstBoot, folder: Path, cancellation: Cancellation) -> None:
    initrd, console = folder / "initrd", folder / CONSOLE
    console.unlink(missing_ok=True)
    initrd.write_bytes(boot.image.data + boot.payload)
    deadline = Deadline(_limit_s(boot), what="base's first boot", cancellation=cancellation)
    config = boot.config(kernel=boot.build.image, initrd=initrd, console=console)
    with running_machine(config, deadline) as machine:
        machine.wait_for_mark(READY, deadline)


def _limit_s(boot: FirstBoot) -> float:
    return READY_S * boot.architecture.slowdown


def _said(folder: Path) -> str:
    console = folder / CONSOLE
    return console.read_bytes().decode("utf-8", "replace") if console.exists() else ""


def _broken(boot: FirstBoot, error: LostMachine | TimedOut, what: str, folder: Path) -> BrokenBase:
    """Return the error with the kernel's own complaint where it has one, else the console's end."""
    console = _said(folder)
    crashes = scan_kernel_log(console).crashes
    kernel = f"{boot.build.release} ({boot.build.commit[:12]})"
    return BrokenBase(
        f"base does not boot: {kernel} on {boot.topology.name}: {crashes[0].title if crashes else what}",
        stage="boot",
        hint="choose another base with --base",
        evidence=Evidence(
            command=error.evidence.command,
            last_lines=crashes[0].lines if crashes else tail(console, _CONSOLE_LINES),
        ),
    )
