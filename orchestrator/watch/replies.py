"""The sending side as the watcher uses it."""

from __future__ import annotations

from orchestrator.host.deadline import Cancellation
from orchestrator.model.watch import WatchSettings
from orchestrator.watch.outbox import NoOutbox, Outbox


def outbox_of(settings: WatchSettings, cancellation: Cancellation) -> Outbox:  # noqa: ARG001 - until the sending side is there
    """Return what the settings say of replies."""
    return NoOutbox()
