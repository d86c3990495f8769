"""Where the mail's own files lie: the ledger and the drafts, which are state and no cache: they cannot be made again."""

from __future__ import annotations

import os
from pathlib import Path

from orchestrator.model.mail import MailPolicy

NAME = "mm-patch-orchestrator"


def state_folder() -> Path:
    """Return ``$XDG_STATE_HOME/mm-patch-orchestrator``; it need not be there."""
    base = os.environ.get("XDG_STATE_HOME") or str(Path.home() / ".local" / "state")
    return Path(base) / NAME


def ledger_file() -> Path:
    """Return where the ledger is."""
    return state_folder() / "mail.sqlite"


def drafts_folder(policy: MailPolicy) -> Path:
    """Return the Maildir of the drafts: the policy's, else our own."""
    return Path(policy.drafts).expanduser() if policy.drafts else state_folder() / "drafts"
