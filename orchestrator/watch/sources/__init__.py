"""Where mails come from; each source says in a cursor how far it was read."""

from __future__ import annotations

from orchestrator.model.watch import SourceKind, SourceSettings
from orchestrator.watch.sources.base import Source
from orchestrator.watch.sources.files import FolderSource, MaildirSource
from orchestrator.watch.sources.imap import ImapSource
from orchestrator.watch.sources.mirror import MirrorSource

__all__ = ["source_of"]


def source_of(settings: SourceSettings) -> Source:
    """Return the source that ``settings`` describe."""
    match settings.kind:
        case SourceKind.PUBLIC_INBOX:
            return MirrorSource(settings)
        case SourceKind.MAILDIR:
            return MaildirSource(settings)
        case SourceKind.FOLDER:
            return FolderSource(settings)
        case SourceKind.IMAP:
            return ImapSource(settings)
