"""A mailbox on an IMAP server (RFC 3501), read only; IDLE (RFC 2177) says at once when something new is there.

public-inbox serves NNTP lists by IMAP too (public-inbox-imapd), so there is no reader for NNTP of its own. The cursor is
UIDVALIDITY and the last UID; when the server says another UIDVALIDITY, all is read again, and the queue knows what it took.
Two connections: one reads, one only listens, so that a server that goes away in the middle of either costs nothing else.
"""

from __future__ import annotations

import contextlib
import imaplib
import json
import re
import select
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

from orchestrator.errors import InfraError, UserError
from orchestrator.host.deadline import Cancellation
from orchestrator.model.watch import ImapServer, SourceSettings, Tls
from orchestrator.watch.queue import Queue
from orchestrator.watch.sources.base import HEAD, Arrival, Passed, Source

TIMEOUT_S = 60.0
PAUSES_S = (1.0, 5.0, 30.0, 120.0)
"""Pauses before listening is tried again, the last one from then on."""

_SIZE = re.compile(rb"UID ([0-9]+)\b.*RFC822\.SIZE ([0-9]+)|RFC822\.SIZE ([0-9]+)\b.*UID ([0-9]+)")
_BATCH = 200
_SPARE = 1 << 20
_FIRST_YEAR = 1990
_TAG = b"IDLE1"
_FAULTS = (imaplib.IMAP4.error, OSError, ssl.SSLError, EOFError)


class ImapSource(Source):
    """One mailbox."""

    def __init__(self, settings: SourceSettings) -> None:
        super().__init__(settings)
        if settings.imap is None:
            raise UserError(f"the source {settings.name} names no IMAP server")
        self._server = settings.imap
        self._listener: _Listener | None = None

    def read(self, queue: Queue, *, largest: int, cancellation: Cancellation) -> Iterator[Arrival | Passed]:
        """Yield the mails above the cursor's UID, in their order."""
        kept = json.loads(queue.cursor(self.name) or "{}")
        try:
            with connected(self._server, largest) as connection:
                validity = _number(connection, "UIDVALIDITY")
                last = int(kept["uid"]) if kept.get("validity") == validity else 0
                floor = "" if kept else _day(self.settings.since_days)
                for uid, size in _new_mails(connection, last, floor):
                    cancellation.check()
                    cursor = json.dumps({"validity": validity, "uid": uid})
                    data = _fetch(connection, uid, whole=size <= largest)
                    yield Passed(cursor=cursor) if data is None else Arrival(data=data, size=size, cursor=cursor)
                if not kept:
                    yield Passed(
                        cursor=json.dumps({"validity": validity, "uid": max(last, _number(connection, "UIDNEXT") - 1)})
                    )
        except _FAULTS as error:
            raise InfraError(f"the IMAP server {self._server.host}: {_words(error)}") from error

    def listen(self, wake: Callable[[], None]) -> None:
        """Listen in a thread until :meth:`close`."""
        self._listener = _Listener(self._server, wake, name=self.name)
        self._listener.start()

    def close(self) -> None:
        """Stop listening."""
        if self._listener is not None:
            self._listener.stop()
            self._listener = None


class _Bounded(imaplib.IMAP4):
    """A connection that reads by itself: a literal is never larger than what was asked for, and one can wait for a line."""

    largest = 64 << 20

    def open(self, host: str = "", port: int = 143, timeout: float | None = None) -> None:
        """Connect."""
        self.pending = bytearray()
        super().open(host, port, timeout)

    def read(self, size: int) -> bytes:
        """Read a literal."""
        if size > self.largest + _SPARE:
            raise self.abort(f"it sends {size} bytes where at most {self.largest} were asked for")
        while len(self.pending) < size:
            self._more()
        found = bytes(self.pending[:size])
        del self.pending[:size]
        return found

    def readline(self) -> bytes:
        """Read a line."""
        searched = 0
        while (end := self.pending.find(b"\n", searched)) < 0:
            searched = len(self.pending)
            if searched > _SPARE:
                raise self.abort("it sends a line without an end")
            self._more()
        found = bytes(self.pending[: end + 1])
        del self.pending[: end + 1]
        return found

    def waits(self, seconds: float) -> bool:
        """Whether a line begins to come within some seconds."""
        if self.pending or (isinstance(self.sock, ssl.SSLSocket) and self.sock.pending()):
            return True
        return bool(select.select([self.sock], [], [], seconds)[0])

    def _more(self) -> None:
        data = self.sock.recv(1 << 16)
        if not data:
            raise self.abort("the server hung up")
        self.pending += data


class _BoundedTls(_Bounded, imaplib.IMAP4_SSL):  # type: ignore[misc]  # the default port differs
    """The same over TLS."""


@contextlib.contextmanager
def connected(server: ImapServer, largest: int) -> Iterator[_Bounded]:
    """Hold a connection with the mailbox open for reading. Raises what imaplib does."""
    connection = _connection(server)
    connection.largest = largest
    try:
        if server.user and server.password_file is not None:
            connection.login(server.user, _password(server))
        status, said = connection.select(_quoted(server.mailbox), readonly=True)
        if status != "OK":
            raise imaplib.IMAP4.error(f"cannot open {server.mailbox}: {_words(said)}")
        yield connection
    finally:
        with contextlib.suppress(*_FAULTS):
            connection.logout()
        with contextlib.suppress(*_FAULTS):
            connection.shutdown()


def _connection(server: ImapServer) -> _Bounded:
    if server.tls is Tls.NONE:
        return _Bounded(server.host, server.port, timeout=TIMEOUT_S)
    context = ssl.create_default_context(cafile=str(server.ca_file) if server.ca_file else None)
    if server.tls is Tls.IMPLICIT:
        return _BoundedTls(server.host, server.port, ssl_context=context, timeout=TIMEOUT_S)
    connection = _Bounded(server.host, server.port, timeout=TIMEOUT_S)
    try:
        connection.starttls(context)
    except BaseException:
        connection.shutdown()
        raise
    return connection


def _password(server: ImapServer) -> str:
    assert server.password_file is not None  # noqa: S101 - asked before
    try:
        return server.password_file.read_text(encoding="utf-8").rstrip("\r\n")
    except OSError as error:
        raise UserError(f"cannot read the password in {server.password_file}: {error.strerror}") from error


def _quoted(mailbox: str) -> str:
    return '"' + mailbox.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _number(connection: imaplib.IMAP4, name: str) -> int:
    _, values = connection.response(name)
    value = values[-1] if values else None
    try:
        return int(value or 0)
    except ValueError:
        return 0


def _day(days: float) -> str:
    months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
    when = datetime.now(UTC) - timedelta(days=days)
    if when.year < _FIRST_YEAR:
        # All of it; and not every server takes such a date.
        return ""
    return f"SINCE {when.day}-{months[when.month - 1]}-{when.year}"


def _new_mails(connection: imaplib.IMAP4, last: int, since: str) -> Iterator[tuple[int, int]]:
    """Yield UID and size of mails above ``last``."""
    words = ["UID", f"{last + 1}:*", *since.split()]
    status, found = connection.uid("SEARCH", *words)
    if status != "OK":
        raise imaplib.IMAP4.error(f"SEARCH: {_words(found)}")
    numbers = sorted(int(word) for line in found if line for word in line.split())
    # "n:*" always holds the last mail, even when that is below n.
    uids = [uid for uid in numbers if uid > last]
    for start in range(0, len(uids), _BATCH):
        batch = uids[start : start + _BATCH]
        sizes = _sizes(connection, batch)
        yield from ((uid, sizes[uid]) for uid in batch if uid in sizes)


def _sizes(connection: imaplib.IMAP4, uids: list[int]) -> dict[int, int]:
    status, found = connection.uid("FETCH", ",".join(map(str, uids)), "(UID RFC822.SIZE)")
    if status != "OK":
        raise imaplib.IMAP4.error(f"FETCH: {_words(found)}")
    sizes = {}
    for line in found:
        if isinstance(line, bytes) and (match := _SIZE.search(line)):
            uid, size = (match[1], match[2]) if match[1] else (match[4], match[3])
            sizes[int(uid)] = int(size)
    return sizes


def _fetch(connection: imaplib.IMAP4, uid: int, *, whole: bool) -> bytes | None:
    """Return a mail, or its beginning; None when it has gone meanwhile."""
    what = "BODY.PEEK[]" if whole else f"BODY.PEEK[]<0.{HEAD}>"
    status, found = connection.uid("FETCH", str(uid), f"({what})")
    if status != "OK":
        raise imaplib.IMAP4.error(f"FETCH: {_words(found)}")
    return next((part[1].replace(b"\r\n", b"\n") for part in found if isinstance(part, tuple)), None)


def _words(said: object) -> str:
    return (str(said) or type(said).__name__)[:300]


class _Listener(threading.Thread):
    """Waits in IDLE and says when the server does; connects again when it has gone away."""

    def __init__(self, server: ImapServer, wake: Callable[[], None], *, name: str) -> None:
        super().__init__(name=f"imap-{name}", daemon=True)
        self._server = server
        self._wake = wake
        self._stopped = threading.Event()

    def run(self) -> None:
        """Listen until told to stop."""
        failed = 0
        while not self._stopped.is_set():
            began = time.monotonic()
            try:
                with connected(self._server, 1 << 20) as connection:
                    # What came while nobody listened.
                    self._wake()
                    if "IDLE" not in connection.capabilities:
                        return
                    while not self._stopped.is_set():
                        self._idle(connection)
            except (*_FAULTS, UserError):
                failed = 0 if time.monotonic() - began > PAUSES_S[-1] else failed + 1
                self._stopped.wait(PAUSES_S[min(failed, len(PAUSES_S) - 1)])

    def stop(self) -> None:
        """End the thread; it looks twice a second."""
        self._stopped.set()
        self.join(TIMEOUT_S)

    def _idle(self, connection: _Bounded) -> None:
        """Wait in IDLE for some minutes at most: servers hang up after half an hour of silence.

        By hand: imaplib knows IDLE from Python 3.14 on.
        """
        connection.send(_TAG + b" IDLE\r\n")
        while not (line := self._heard(connection)).startswith(b"+"):
            if line.startswith(_TAG):
                raise imaplib.IMAP4.abort(f"IDLE: {_words(line)}")
        end = time.monotonic() + self._server.idle_s
        while not self._stopped.is_set() and time.monotonic() < end:
            if connection.waits(0.5):
                self._heard(connection)
        connection.send(b"DONE\r\n")
        while not self._heard(connection).startswith(_TAG):
            pass

    def _heard(self, connection: _Bounded) -> bytes:
        """Read a line; wake where it says that there are more mails. They may be told of at any point."""
        line = connection.readline()
        if line.upper().startswith(b"* BYE"):
            raise imaplib.IMAP4.abort("the server hung up")
        if line.rstrip().upper().endswith((b" EXISTS", b" RECENT")):
            self._wake()
        return line
