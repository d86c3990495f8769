"""git send-email, for users whose mail is set up there already: it gets the message as a file, and adds no one to it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from orchestrator.errors import MissingProgram, TimedOut, UserError, tail
from orchestrator.host import process
from orchestrator.host.deadline import Cancellation, Deadline
from orchestrator.host.workspace import scratch_folder
from orchestrator.mail.ledger import State
from orchestrator.mail.transport import Answer, Outgoing
from orchestrator.report.text import printable_line

TIMEOUT_S = 600.0
_OPTIONS = (
    "--quiet",
    "--confirm=never",
    # Whom it goes to is in the message; nobody is added from its text, or from what git is set up for.
    "--no-to",
    "--no-cc",
    "--no-bcc",
    *(f"--suppress-cc={whom}" for whom in ("author", "self", "sob", "misc-by", "body", "cccmd")),
    "--no-thread",
    "--no-validate",
    "--no-format-patch",
    "--no-xmailer",
    "--transfer-encoding=auto",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class GitSendEmail:
    """git send-email with the user's own configuration. ``options`` are further words of the command, for tests."""

    options: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The program."""
        return "git send-email"

    @property
    def leaves(self) -> bool:
        """It does."""
        return True

    def send(self, mail: Outgoing, *, sending: Callable[[], None], cancellation: Cancellation) -> Answer:
        """Hand the mail over; see :class:`Transport`. A dry run comes first: what fails there has sent nothing."""
        with scratch_folder("orchestrator-mail") as scratch:
            path = scratch / "0001-report.eml"
            path.write_bytes(mail.data)
            # Its whole From: where git would write another, it puts ours into the text.
            argv = ["git", "-C", scratch, "send-email", *_OPTIONS, *self.options, f"--from={mail.author}", path]
            try:
                tried = _run([*argv[:4], "--dry-run", *argv[4:]], cancellation)
            except MissingProgram as error:
                raise UserError(error.message, hint="apt-get install git-email") from error
            if not tried.ok:
                hint = "; is the package git-email installed?" if "is not a git command" in tried.stderr else ""
                return Answer(state=State.REFUSED, says=f"git send-email would not: {_last(tried)}{hint}")
            cancellation.check()
            sending()
            try:
                said = _run(argv, cancellation)
            except TimedOut as error:
                return Answer(state=State.UNKNOWN, says=error.message)
        if said.ok:
            return Answer(state=State.ACCEPTED, says="git send-email says that it was sent")
        return Answer(state=State.UNKNOWN, says=f"git send-email failed in the middle: {_last(said)}")


def _run(argv: list[object], cancellation: Cancellation) -> process.Finished:
    deadline = Deadline(TIMEOUT_S, what="git send-email", cancellation=cancellation)
    return process.run([str(word) for word in argv], deadline=deadline, stdin="")


def _last(said: process.Finished) -> str:
    lines = tail(said.stderr.strip() or said.stdout.strip(), 3)
    return printable_line(" ".join(lines))[:300] or f"exit status {said.exit_status}"
