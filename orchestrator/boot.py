"""A guest for a person: one kernel, booted live on one topology, with SSH. Beside the pipeline, of the same stages.

sources → (series → patched tree) → build → guest image → machine. Nothing is recorded: the guest, its keys and its
files are gone when the block is left.
"""

from __future__ import annotations

import contextlib
import dataclasses
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from orchestrator.config import catalog, locations
from orchestrator.config.lists import mailing_lists
from orchestrator.errors import TimedOut
from orchestrator.guest.image import build_guest_image
from orchestrator.guest.login import login_payload
from orchestrator.guest.payload import SshFiles, keys_payload
from orchestrator.host import process, workspace
from orchestrator.host.deadline import Cancellation, Deadline
from orchestrator.host.resources import Resources, available_memory_mib, usable_cpus
from orchestrator.host.sandbox import NO_SANDBOX, find_sandbox
from orchestrator.host.steps import Steps
from orchestrator.intake.reader import Wanted, others_of, survey, testable_series_of
from orchestrator.kernel.build import build_kernel, request_for
from orchestrator.kernel.making import Workshop
from orchestrator.kernel.toolchain import find_toolchain
from orchestrator.machine.accelerator import choose_accelerator, qemu_version
from orchestrator.machine.argv import Accelerator, MachineConfig
from orchestrator.machine.keys import MachineKeys, make_keys
from orchestrator.machine.login import CONFIG, write_login
from orchestrator.machine.machine import Machine, running_machine
from orchestrator.machine.ssh import FabricShell
from orchestrator.machine.terminal import run_command, talk
from orchestrator.model.kernel import Architecture, KernelBuild, KernelRole
from orchestrator.model.series import Form, Series
from orchestrator.model.topology import Topology
from orchestrator.model.tree import Source, Trees
from orchestrator.tree.base import choose_base
from orchestrator.tree.prepare import Preparation, prepare_trees
from orchestrator.tree.sources import open_source

READY = "ready"
READY_S = 300.0
"""For a guest of many nodes under TCG on a busy host; nothing is measured against it."""

QEMU_OVERHEAD_MIB = 256
GLANCE_S = 0.2
ENDING_S = 0.5
HOST = "guest"
"""The guest's name in the file that ssh is pointed at."""

NO_SERIES = Series(title="", version=1, form=Form.DIFF, source="", patches=(), total=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class BootRequest:
    """What the user asks for. Without a ``mail`` the base kernel is booted; ``accelerator`` is auto, kvm or tcg."""

    topology: Topology
    mail: str | None
    linux: str
    base_rev: str | None
    flavour: str
    sandbox: bool
    accelerator: str
    may_fetch: bool = False
    strict: bool = False


class Guest:
    """A running guest that answers on SSH."""

    def __init__(self, machine: Machine, keys: MachineKeys, folder: Path, cancellation: Cancellation) -> None:
        self._machine = machine
        self._keys = keys
        self._folder = folder
        self._cancellation = cancellation

    def ssh_command(self) -> str:
        """Return what a user types in another terminal to get a shell in this guest."""
        return shlex.join(self._ssh())

    def run(self, command: str) -> int:
        """Run a shell command in the guest, on our standard streams; return its exit status."""
        whole = f". /etc/profile; {command}"
        if process.find_program("ssh") is not None:
            return process.run_attached([*self._ssh(), whole], cancellation=self._cancellation)
        with self._shell() as shell:
            return run_command(shell, whole, cancellation=self._cancellation)

    def talk(self) -> None:
        """Give the user a shell in the guest until it ends: by ssh, or if that is not installed by our own means."""
        if process.find_program("ssh") is not None:
            process.run_attached(self._ssh(), cancellation=self._cancellation)
            return
        with self._shell() as shell:
            talk(shell, cancellation=self._cancellation)

    def wait(self) -> None:
        """Wait until the user stops us (``Cancelled``) or the guest has ended."""
        while self._machine.qemu.exit_status is None:
            self._cancellation.wait(GLANCE_S)
            self._cancellation.check()

    def last_words(self) -> tuple[str, ...]:
        """Return the end of the console if the guest has ended by itself, as it does when its kernel panics."""
        # A shell ends a moment before QEMU does.
        with contextlib.suppress(TimedOut):
            self._machine.qemu.wait(Deadline(ENDING_S, what="QEMU's end"))
        return self._machine.evidence().last_lines if self._machine.qemu.exit_status is not None else ()

    def _ssh(self) -> list[str]:
        return ["ssh", "-F", str(self._folder / CONFIG), HOST]

    def _shell(self) -> contextlib.AbstractContextManager[FabricShell]:
        deadline = Deadline(READY_S, what="the guest's SSH server", cancellation=self._cancellation)
        return self._machine.shell(self._keys, deadline)


@contextlib.contextmanager
def booted(request: BootRequest, *, steps: Steps, cancellation: Cancellation) -> Iterator[Guest]:
    """Hold a guest as asked for, ready to be logged in to.

    Raises :class:`UserError` for what cannot be used, ``PatchFault`` when the patched kernel does not build,
    :class:`InfraError` when base does not, and ``LostMachine`` when the guest does not come up.
    """
    architecture = catalog.flavour(request.flavour).on(catalog.architecture())
    qemu_version(architecture)
    build = _build(request, architecture, steps, cancellation)
    scripts = locations.guest_scripts_folder()
    with steps.step("image"):
        image = build_guest_image(scripts, cache=workspace.cache_root(), cancellation=cancellation)
    keys = make_keys()
    files = SshFiles(authorized_keys=keys.authorized_keys, host_key=keys.host_key_file, entropy=keys.entropy)
    resources = Resources(cpus=usable_cpus(), memory_mib=available_memory_mib())
    memory = request.topology.with_shadow(architecture.shadow_share).memory_mib + QEMU_OVERHEAD_MIB
    with (
        workspace.scratch_folder("orchestrator-boot") as folder,
        resources.leased(cpus=1, memory_mib=memory, cancellation=cancellation),
    ):
        initrd = folder / "initrd"
        payload = login_payload(scripts, topology=request.topology.name)
        initrd.write_bytes(image.data + payload + keys_payload(files))
        config = MachineConfig(
            architecture=architecture,
            topology=request.topology,
            kernel=build.image,
            initrd=initrd,
            console=folder / "console.log",
            qmp_fd=-1,
            sealed=False,
            accelerator=Accelerator.TCG,
        )
        choice = choose_accelerator(request.accelerator, config, cancellation=cancellation)
        steps.note("accelerator", f"{choice.accelerator}: {choice.reason}")
        config = dataclasses.replace(config, accelerator=choice.accelerator)
        deadline = Deadline(READY_S, what="the guest's SSH server", cancellation=cancellation)
        with contextlib.ExitStack() as stack:
            with steps.step("boot", topology=request.topology.name):
                machine = stack.enter_context(running_machine(config, deadline))
                machine.wait_for_mark(READY, deadline)
                write_login(folder, name=HOST, port=machine.ssh_port, keys=keys)
            yield Guest(machine, keys, folder, cancellation)


def _build(request: BootRequest, architecture: Architecture, steps: Steps, cancellation: Cancellation) -> KernelBuild:
    """Return the kernel: with the series if there is one, from the cache if it is there."""
    # What cannot be used is found before anything is fetched.
    series, others = _series(request, cancellation)
    role = KernelRole.BASE if series is None else KernelRole.PATCHED
    cache = workspace.cache_root()
    toolchain = find_toolchain()
    sandbox = find_sandbox(cache=cache, cancellation=cancellation) if request.sandbox else NO_SANDBOX
    with steps.step("source", linux=request.linux):
        source = open_source(request.linux, cache=cache, steps=steps, cancellation=cancellation)
    preparation = Preparation(
        rev=request.base_rev,
        may_fetch=request.may_fetch,
        strict=request.strict,
        lists=mailing_lists(),
        others=others,
    )
    trees = _trees(source, series, preparation, steps=steps, cancellation=cancellation)
    workshop = Workshop(repo=source.repo, cache=cache, sandbox=sandbox, toolchain=toolchain, jobs=usable_cpus())
    build_request = request_for(role, trees, architecture, locations.kconfigs_folder())
    return build_kernel(build_request, workshop, steps=steps, cancellation=cancellation)


def _series(request: BootRequest, cancellation: Cancellation) -> tuple[Series | None, tuple[Series, ...]]:
    """Return the series, if there is one, and the others of the same input, which it may build on."""
    if request.mail is None:
        return None, ()
    wanted = Wanted(inputs=(request.mail,))
    found = survey(wanted, cancellation=cancellation)
    return testable_series_of(found, wanted), others_of(found, wanted)


def _trees(
    source: Source, series: Series | None, preparation: Preparation, *, steps: Steps, cancellation: Cancellation
) -> Trees:
    """Return base, with the series on it if there is one."""
    if series is not None:
        return prepare_trees(source, series, preparation, steps=steps, cancellation=cancellation)
    with steps.step("base") as note:
        base = choose_base(source, NO_SERIES, rev=preparation.rev, cancellation=cancellation)
        note(base.describe)
    return Trees(source=source, base=base, applied=())
