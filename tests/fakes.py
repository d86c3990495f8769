"""Stand-ins that fulfil the same contracts as the real things; ``tests/contract`` runs the same tests on both."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from orchestrator.errors import LostMachine, TimedOut
from orchestrator.host.deadline import Deadline
from orchestrator.machine.keys import MachineKeys
from orchestrator.machine.ssh import Answer


@dataclass(frozen=True, slots=True, kw_only=True)
class Scripted:
    """What a command in the fake guest says, and how many seconds it takes; no second really passes."""

    exit_status: int = 0
    stdout: str = ""
    stderr: str = ""
    seconds: float = 0.0
    kills_guest: bool = False


@dataclass(kw_only=True)
class FakeGuest:
    """A guest that answers from a script. ``folders`` are what it has to fetch; ``commands`` what it was asked.

    Several answers to one command are given in turn, the last of them from then on.
    """

    keys: MachineKeys
    script: Mapping[str, Scripted | Sequence[Scripted]] = field(default_factory=dict)
    folders: Mapping[str, Mapping[str, bytes]] = field(default_factory=dict)
    commands: list[str] = field(default_factory=list)
    alive: bool = True

    @contextlib.contextmanager
    def shell(self, keys: MachineKeys, deadline: Deadline) -> Iterator[FakeShell]:
        """Hold a shell, as :func:`orchestrator.machine.ssh.connected_shell` does."""
        deadline.check()
        self.check_alive()
        if keys.host_public.asbytes() != self.keys.host_public.asbytes():
            raise LostMachine("the guest is not the one that was started: another host key")
        if keys.client.asbytes() != self.keys.client.asbytes():
            raise LostMachine("the guest is not the one that was started: it does not know our key")
        yield FakeShell(self)

    def answer(self, command: str) -> Scripted:
        """Return what the script has for ``command``; what is not in it is not found, as in a shell."""
        self.commands.append(command)
        said = self.script.get(command, Scripted(exit_status=127, stderr=f"{command}: not found\n"))
        if isinstance(said, Scripted):
            return said
        return said[min(self.commands.count(command), len(said)) - 1]

    def check_alive(self) -> None:
        """Raise as the real shell does when nobody answers."""
        if not self.alive:
            raise LostMachine("the guest does not answer on SSH")


class FakeShell:
    """A :class:`orchestrator.machine.ssh.Shell` over a :class:`FakeGuest`."""

    def __init__(self, guest: FakeGuest) -> None:
        self._guest = guest

    def run(self, command: str, deadline: Deadline) -> Answer:
        """Answer from the script."""
        deadline.check()
        self._guest.check_alive()
        said = self._guest.answer(command)
        if said.kills_guest:
            self._guest.alive = False
        self._guest.check_alive()
        if said.seconds > deadline.remaining:
            raise TimedOut(f"{deadline.what}: no answer to '{command}'")
        return Answer(command=command, exit_status=said.exit_status, stdout=said.stdout, stderr=said.stderr)

    def fetch_folder(self, path: str, deadline: Deadline) -> Mapping[str, bytes]:
        """Return a folder of the script."""
        deadline.check()
        self._guest.check_alive()
        if path not in self._guest.folders:
            raise LostMachine(f"'tar -c -C {path} .' failed in the guest with status 1")
        return dict(self._guest.folders[path])
