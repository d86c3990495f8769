"""A mail server that takes mail from us, by SMTP (RFC 5321) over STARTTLS (RFC 3207) or TLS (RFC 8314).

All recipients or none: a mail that a list has and its author has not would have to be sent twice. Nobody is told of a
password before the connection is encrypted and the server's certificate is checked.
"""

from __future__ import annotations

import contextlib
import smtplib
import ssl
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from orchestrator.errors import UserError
from orchestrator.host.deadline import Cancellation
from orchestrator.mail.ledger import State
from orchestrator.mail.transport import Answer, Outgoing
from orchestrator.model.mail import Encryption, SmtpSettings
from orchestrator.report.text import printable_line

PATIENCE = 10
"""The answer to the whole message may take this many times as long as others (RFC 5321, 4.5.3.2.6: ten minutes)."""

SAID = 300
_FAULTS = (OSError, smtplib.SMTPException, EOFError)


@dataclass(frozen=True, slots=True, kw_only=True)
class SmtpTransport:
    """A mail server. ``password`` "" logs in nowhere."""

    settings: SmtpSettings
    password: str = ""

    @property
    def name(self) -> str:
        """The server."""
        return f"{self.settings.host}:{self.settings.port}"

    @property
    def leaves(self) -> bool:
        """It does."""
        return True

    def send(self, mail: Outgoing, *, sending: Callable[[], None], cancellation: Cancellation) -> Answer:
        """Hand the mail over; see :class:`Transport`."""
        begun = ended = False
        try:
            with self._session() as session:
                refused = _envelope(session, mail)
                if refused is not None:
                    return refused
                cancellation.check()
                sending()
                begun = True
                code, words = session.docmd("DATA")
                if code != 354:
                    return _refused(f"it does not take the message: {_said(code, words)}")
                session.send(_as_data(mail.data))
                if session.sock is not None:
                    session.sock.settimeout(self.settings.timeout_s * PATIENCE)
                # From here on a server may have taken it, whatever we hear of that.
                ended = True
                session.send(b".\r\n")
                code, words = session.getreply()
        except _FAULTS as error:
            said = printable_line(str(error) or type(error).__name__)[:SAID]
            if ended:
                return Answer(
                    state=State.UNKNOWN, says=f"{self.name} was given the whole message and did not answer: {said}"
                )
            when = "while the message was on the way, not all of it" if begun else "before the message was sent"
            return _refused(f"{self.name} failed {when}: {said}")
        if 200 <= code < 300:
            return Answer(state=State.ACCEPTED, says=f"{self.name} accepted it: {_said(code, words)}")
        if code < 400:
            return Answer(state=State.UNKNOWN, says=f"{self.name} gave an answer that is none: {_said(code, words)}")
        return _refused(f"{self.name} does not take the message: {_said(code, words)}")

    @contextlib.contextmanager
    def _session(self) -> Iterator[smtplib.SMTP]:
        """Hold a connection over which mail can be sent: encrypted, checked and logged in."""
        settings = self.settings
        if settings.encryption is Encryption.TLS:
            session: smtplib.SMTP = smtplib.SMTP_SSL(
                settings.host, settings.port, timeout=settings.timeout_s, context=self._context()
            )
        else:
            session = smtplib.SMTP(settings.host, settings.port, timeout=settings.timeout_s)
        try:
            session.ehlo_or_helo_if_needed()
            if settings.encryption is Encryption.STARTTLS:
                # smtplib forgets what the server said before: only what it says encrypted counts.
                session.starttls(context=self._context())
                session.ehlo()
            if settings.user:
                if settings.encryption is Encryption.NONE:
                    raise UserError("a password is not sent over a connection that is not encrypted")
                session.login(settings.user, self.password)
            yield session
        finally:
            # What it says to our leaving changes nothing.
            with contextlib.suppress(*_FAULTS):
                if session.sock is not None:
                    session.sock.settimeout(2.0)
                session.quit()
            session.close()

    def _context(self) -> ssl.SSLContext:
        authorities = self.settings.authorities
        if authorities and not Path(authorities).expanduser().is_file():
            raise UserError(f"{authorities}: there is no such file of certificates")
        try:
            return ssl.create_default_context(cafile=str(Path(authorities).expanduser()) if authorities else None)
        except ssl.SSLError as error:
            raise UserError(f"{authorities}: no certificates can be read there ({error})") from error


def _envelope(session: smtplib.SMTP, mail: Outgoing) -> Answer | None:
    """Give sender and recipients; None when the server takes all of them."""
    code, words = session.mail(mail.sender)
    if code != 250:
        return _refused(f"it does not take mail from {mail.sender}: {_said(code, words)}")
    refusals = []
    for address in mail.recipients:
        code, words = session.rcpt(address)
        if code not in {250, 251}:
            refusals.append(f"{address} ({_said(code, words)})")
            if code == 421:
                break
    if refusals:
        with contextlib.suppress(*_FAULTS):
            session.rset()
        return _refused(
            f"nothing was sent, because it does not take mail for {', '.join(refusals)}; --without ADDRESS leaves one out"
        )
    return None


def _as_data(data: bytes) -> bytes:
    """Return a message as DATA takes it: CR LF, and a dot more before each line that begins with one."""
    text = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n").replace(b"\n.", b"\n..")
    if text.startswith(b"."):
        text = b"." + text
    return text.replace(b"\n", b"\r\n") + (b"" if text.endswith(b"\n") else b"\r\n")


def _said(code: int, words: bytes) -> str:
    return printable_line(f"{code} {words.decode('utf-8', 'replace')}".strip())[:SAID]


def _refused(says: str) -> Answer:
    return Answer(state=State.REFUSED, says=says)
