"""The drafts: a Maildir that a person looks through with his mail program; what he changes there is what is sent."""

from __future__ import annotations

import email
import email.policy
import os
import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from orchestrator.errors import InfraError
from orchestrator.host.deadline import Cancellation
from orchestrator.host.workspace import make_folder
from orchestrator.mail.ledger import State
from orchestrator.mail.transport import Answer, Outgoing

LARGEST = 16 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Drafts:
    """A Maildir of drafts, made when the first one comes."""

    folder: Path

    @property
    def name(self) -> str:
        """The folder."""
        return f"the drafts in {self.folder}"

    @property
    def leaves(self) -> bool:
        """It does not."""
        return False

    def send(self, mail: Outgoing, *, sending: Callable[[], None], cancellation: Cancellation) -> Answer:  # noqa: ARG002 - nothing is sent
        """Put the mail there, instead of a draft of the same message."""
        cancellation.check()
        before = list(self.of(mail.message_id))
        path = self._add(mail.data)
        for old in before:
            old.unlink(missing_ok=True)
        return Answer(state=State.DRAFTED, says=f"it waits for approval: {path}")

    def of(self, message_id: str) -> Iterator[Path]:
        """Yield the drafts with that message id (no angle brackets)."""
        for part in ("cur", "new"):
            for path in sorted((self.folder / part).glob("*")):
                if path.is_file() and path.stat().st_size <= LARGEST and _message_id(path) == message_id:
                    yield path

    def read(self, message_id: str) -> bytes | None:
        """Return the draft of that message as it is now, with line feeds; None where there is none."""
        found = next(self.of(message_id), None)
        return None if found is None else found.read_bytes().replace(b"\r\n", b"\n")

    def remove(self, message_id: str) -> None:
        """Remove the drafts of that message: it has left."""
        for path in self.of(message_id):
            path.unlink(missing_ok=True)

    def _add(self, data: bytes) -> Path:
        """Write a message as Maildir has it: to tmp, and renamed when it is whole and on the disk."""
        for part in ("tmp", "new", "cur"):
            make_folder(self.folder / part)
        name = f"{time.time_ns()}.{os.getpid()}_{os.urandom(4).hex()}.{socket.gethostname().replace('/', '_').replace(':', '_')}"
        beside, place = self.folder / "tmp" / name, self.folder / "cur" / f"{name}:2,D"
        try:
            with beside.open("xb") as handle:
                handle.write(data)
                handle.flush()
                os.fsync(handle.fileno())
            beside.rename(place)
        except OSError as error:
            beside.unlink(missing_ok=True)
            raise InfraError(f"cannot write the draft {place}: {error.strerror}") from error
        return place


def _message_id(path: Path) -> str:
    with path.open("rb") as handle:
        head = handle.read(65536)
    message = email.message_from_bytes(head, policy=email.policy.compat32)
    return str(message.get("Message-ID", "")).strip().strip("<>")
