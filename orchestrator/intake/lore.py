"""A message id or an archive's link to the thread's mbox, through the program b4 with the user's own configuration.

b4 knows archives, mirrors and local public-inboxes, and the user has told it which; it is run as a program (GPL).
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from urllib.parse import unquote, urlsplit

from orchestrator.errors import InputError, TimedOut, UserError, tail
from orchestrator.host import process
from orchestrator.host.deadline import Cancellation, Deadline
from orchestrator.host.workspace import scratch_folder
from orchestrator.intake.document import Document, take_in

TIMEOUT_S = 120.0
_MESSAGE_ID = re.compile(r"[^\s<>@/,;:\"'][^\s<>@/\"']{0,250}@[^\s<>@/\"']{1,250}")
_IN_PATH = re.compile(r"[^/\s<>@]{1,250}@[^/\s<>@]{1,250}")
_ON = "save the thread (in the archive's page: 'mbox.gz'), and give that file instead"


def message_id_of(word: str) -> str | None:
    """Return the message id that ``word`` is or that a link has in its path; None when it is neither."""
    bare = word.strip().removeprefix("id:").strip("<>")
    if word.startswith(("http://", "https://")):
        found = _IN_PATH.search(unquote(urlsplit(word).path))
        return found.group(0) if found else None
    return bare if _MESSAGE_ID.fullmatch(bare) else None


def find_b4() -> Path | None:
    """Return the program b4: on PATH, or beside our own interpreter, where the extra ``lore`` puts it."""
    return process.find_program("b4") or process.find_program(str(Path(sys.executable).parent / "b4"))


def read_thread(message_id: str, *, newer: bool, largest: int, cancellation: Cancellation) -> Document:
    """Return the thread of ``message_id`` as an mbox, with those of newer versions of the series if they are wanted.

    Raises :class:`UserError`, saying how to go on from a file, when b4 is not installed, finds nothing, or is offline.
    """
    b4 = find_b4()
    if b4 is None:
        raise UserError(
            f"to fetch <{message_id}>, the program b4 is needed, and it is not installed",
            hint=f"pipx install b4 (then set it up as its manual says); or {_ON}",
        )
    with scratch_folder("orchestrator-b4") as scratch:
        argv: list[str | Path] = [b4, "--no-interactive", "--no-stdin", "mbox", "-o", scratch, "-n", "thread.mbx"]
        argv += [*(["--check-newer-revisions"] if newer else []), "--", message_id]
        deadline = Deadline(TIMEOUT_S, what="b4", cancellation=cancellation)
        try:
            said = process.run(argv, deadline=deadline)
        except TimedOut as error:
            raise UserError(f"b4 did not fetch <{message_id}> within {TIMEOUT_S:.0f} s", hint=_ON) from error
        mbox = scratch / "thread.mbx"
        if not said.ok or not mbox.is_file() or not mbox.stat().st_size:
            raise _not_fetched(message_id, said)
        document = take_in(mbox, largest=largest)
    return Document(path=Path(f"<{message_id}>"), data=document.data)


def _not_fetched(message_id: str, said: process.Finished) -> InputError:
    """Return the error for a thread that b4 did not bring, with b4's words."""
    words = tail(said.stderr.strip() or said.stdout.strip(), 5)
    evidence = said.evidence()
    return InputError(
        f"b4 did not fetch <{message_id}>: there is no such message in its archives, or they cannot be reached",
        hint=_ON,
        evidence=type(evidence)(command=evidence.command, exit_status=said.exit_status, last_lines=words),
    )
