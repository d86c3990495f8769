"""Requests for a test: who may ask is looked at by DKIM (RFC 6376), for a From header alone says nothing."""

from __future__ import annotations

import email.parser
import json
import re
import sqlite3
import zlib
from collections.abc import Sequence

from orchestrator.errors import InfraError
from orchestrator.intake.headers import address_of
from orchestrator.intake.trust import Keys, dkim_signatures, from_dns, from_folder
from orchestrator.model.series import Trust
from orchestrator.model.watch import Requests, WatchSettings
from orchestrator.watch.queue import Queue
from orchestrator.watch.state import Entry, State

PATIENCE_S = 24 * 3600.0
"""How long a request waits for the series that it answers."""

DAY_S = 24 * 3600.0
PAUSE_S = 300.0
"""How long nobody is asked again when no name server answered."""

_SIGNED = ("from", "subject", "date", "message-id")
"""What a signature must cover: without these, another mail's signature could be put to a new use."""


class NobodyAnswers(InfraError):
    """No name server says whose a signature is: to be asked again later."""


def why_not(raw: bytes, settings: Requests, keys: Keys) -> str:
    """Return why the sender of a mail may not ask for a test, "" when he may. Raises :class:`NobodyAnswers`.

    He is among those who may, and a good DKIM signature of his address' domain covers who, what, when and what it answers,
    to the end of the mail.
    """
    head = email.parser.BytesHeaderParser().parsebytes(raw)
    senders = head.get_all("From", [])
    if len(senders) != 1:
        return f"it has {len(senders)} From headers"
    sender = address_of(str(senders[0]))
    if sender not in settings.senders:
        return f"{sender or 'its sender'} may not ask for tests"
    domain = sender.rpartition("@")[2]
    answers = [name for name in ("in-reply-to", "references") if head.get(name) is not None]
    fields = [str(value) for value in head.get_all("DKIM-Signature", [])]
    found = dkim_signatures(raw, keys)
    said = []
    for signature, field in zip(found, fields, strict=False):
        tags = _tags(field)
        if signature.trust is not Trust.GOOD:
            said.append(f"DKIM {signature.trust}{': ' + signature.detail if signature.detail else ''}")
        elif signature.identity.lower() != domain and not domain.endswith("." + signature.identity.lower()):
            said.append(f"signed by {signature.identity}, not by {domain}")
        elif lacking := [name for name in (*_SIGNED, *answers) if name not in tags.get("h", "").lower().split(":")]:
            said.append(f"the signature does not cover {', '.join(lacking)}")
        elif "l" in tags:
            said.append("the signature covers only a part of the text")
        else:
            return ""
    if settings.keys is None and any(signature.trust is Trust.UNCHECKED for signature in found):
        raise NobodyAnswers(f"no name server answers for {sender}'s signature")
    return f"{sender} is not proven: {'; '.join(said) or 'no DKIM signature'}"


def _tags(field: str) -> dict[str, str]:
    pairs = (part.partition("=") for part in re.sub(r"\s+", "", field).split(";"))
    return {name.lower(): value for name, _, value in pairs if name}


class RequestDesk:
    """Looks at requests that came in, and has their series tested."""

    def __init__(self, queue: Queue, settings: WatchSettings) -> None:
        self._queue = queue
        self._settings = settings
        self._asked = -PAUSE_S

    def work(self) -> int:
        """Look at all requests that are open; return how many were granted."""
        due = self._queue.clock.now() >= self._asked + PAUSE_S
        states = "('unchecked', 'waiting')" if due else "('waiting')"
        rows = self._queue.db.rows(
            f"SELECT message, sender, targets, profile, state, kept, raw FROM request WHERE state IN {states} LIMIT 100"  # noqa: S608
        )
        granted = 0
        for row in rows:
            if row["state"] == "unchecked":
                try:
                    why = self._refusal(row["raw"], row["sender"], row["profile"])
                except NobodyAnswers as error:
                    self._ask_again(row["message"], row["kept"], error.message)
                    continue
                if why:
                    self._close(row["message"], "refused", why)
                    continue
            granted += self._grant(row, json.loads(row["targets"]))
        return granted

    def _refusal(self, raw: bytes, sender: str, profile: str) -> str:
        asked = self._settings.requests
        folder = asked.keys
        # Records are asked for anew each time: a key that was withdrawn is gone.
        keys = Keys(lookup=from_folder(folder) if folder else from_dns)
        if profile and profile not in (asked.profiles or (self._settings.run.profile,)):
            return f"the profile {profile!r} may not be asked for"
        if why := why_not(zlib.decompress(raw), asked, keys):
            return why
        since = self._queue.clock.now() - DAY_S
        row = self._queue.db.row(
            "SELECT count(*) n FROM request WHERE sender = ? AND state = 'granted' AND kept > ?", sender, since
        )
        if row is not None and row["n"] >= asked.a_day:
            return f"{sender} has asked {row['n']} times in a day"
        return ""

    def _grant(self, row: sqlite3.Row, targets: Sequence[str]) -> int:
        message = row["message"]
        entry = self._meant(targets)
        if entry is None:
            if self._queue.clock.now() > row["kept"] + PATIENCE_S:
                self._close(message, "refused", "it answers no series that came by")
            elif row["state"] != "waiting":
                self._close(message, "waiting", "waits for the series that it answers")
            return 0
        with self._queue.transaction():
            series = self._tested(entry, row["sender"], row["profile"])
            self._queue.db.run(
                "UPDATE request SET state = 'granted', reason = '', series = ?, raw = NULL WHERE message = ?",
                series,
                message,
            )
        return 1

    def _ask_again(self, message: str, kept: float, why: str) -> None:
        """Leave a request as it is, for some time: it is our network that fails."""
        self._asked = self._queue.clock.now()
        if self._asked > kept + PATIENCE_S:
            self._close(message, "refused", why)
        else:
            self._close(message, "unchecked", why)

    def _close(self, message: str, state: str, why: str) -> None:
        with self._queue.transaction():
            self._queue.db.run(
                "UPDATE request SET state = ?, reason = ?, raw = CASE WHEN ? = 'refused' THEN NULL ELSE raw END WHERE message = ?",
                state, why[:1000], state, message,
            )  # fmt: skip

    def _meant(self, targets: Sequence[str]) -> Entry | None:
        """Return the latest series with one of the messages, the nearest first."""
        for target in targets:
            found = self._queue.entries(
                where="s.id IN (SELECT series FROM part WHERE message = ?) AND s.state != ?",
                values=[target, str(State.SAME)],
            )
            if found:
                return found[-1]
        return None

    def _tested(self, entry: Entry, sender: str, profile: str) -> int:
        """Have a series tested as asked; return its number in the queue. A series that has its verdict begins anew."""
        wanted = profile or self._settings.run.profile
        planned = entry.profile or self._settings.run.profile
        if entry.state in {State.SEEN, State.COMPLETE}:
            self._queue.change(entry.id, asked_by=sender, profile=wanted)
            self._queue.note(entry.id, entry.state, f"{sender} asks for a test with {wanted}")
            return entry.id
        if entry.state in {State.PLANNED, State.RUNNING} and wanted == planned:
            self._queue.change(entry.id, asked_by=entry.asked_by or sender)
            return entry.id
        new = self._queue.new_series(
            state=State.SEEN,
            thread=entry.thread,
            version=entry.version,
            total=entry.total,
            title=entry.title,
            address=entry.address,
            resend=entry.resend,
            numbered=entry.numbered,
            title_key=entry.title_key,
            change_id=entry.change_id,
            profile=wanted,
            asked_by=sender,
            check=0.0,
        )
        self._queue.db.run("INSERT OR IGNORE INTO part SELECT ?, message FROM part WHERE series = ?", new, entry.id)
        self._queue.note(new, State.SEEN, f"{sender} asks for a test with {wanted}, again after series {entry.id}")
        return new
