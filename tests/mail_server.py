"""A real SMTP server on loopback (aiosmtpd): TLS, authentication, and whatever can go wrong in a conversation."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import ipaddress
import ssl
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session, syntax
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from orchestrator.model.mail import Encryption, SmtpSettings

USER, PASSWORD = "jo", "correct horse"
REFUSED = "refused@example.net"


@dataclass
class Server:
    """A running server. ``taken`` are the messages that it accepted, as they came, with their envelopes."""

    port: int
    authorities: Path
    taken: list[Envelope] = field(default_factory=list)
    logins: list[str] = field(default_factory=list)
    connections: int = 0
    reached: threading.Event = field(default_factory=threading.Event)

    @property
    def contents(self) -> list[bytes]:
        """The messages as octets."""
        return [envelope.original_content or b"" for envelope in self.taken]

    async def hang(self) -> None:
        """Say that the conversation came so far, and nothing more for ever."""
        self.reached.set()
        await asyncio.sleep(3600)

    def settings(
        self, encryption: Encryption = Encryption.STARTTLS, *, user: str = USER, timeout: float = 10.0
    ) -> SmtpSettings:
        return SmtpSettings(
            host="127.0.0.1",
            port=self.port,
            encryption=encryption,
            user=user,
            authorities=str(self.authorities),
            timeout_s=timeout,
        )


class Faulty(SMTP):
    """An SMTP server with one fault, by name; "" for none."""

    fault = ""
    log: Server
    late_s = 0.0

    async def _handle_client(self) -> None:
        self.log.connections += 1
        if self.fault == "banner":
            await self.push("554 no service here")
            cut(self, at_once=False)
            return
        if self.fault == "hang at the banner":
            await self.log.hang()
        await super()._handle_client()

    async def smtp_EHLO(self, hostname: str) -> None:  # noqa: N802 - aiosmtpd's name
        if self.fault == "ehlo":
            cut(self)
            return
        await super().smtp_EHLO(hostname)

    @syntax("DATA")
    async def smtp_DATA(self, arg: str) -> None:  # noqa: N802 - aiosmtpd's name
        if self.fault == "hang at data":
            await self.log.hang()
        elif self.fault == "data":
            await self.push("452 no room")
        elif self.fault == "cut in the message":
            await self.push("354 go on")
            await self._reader.read(64)
            cut(self)
        else:
            await super().smtp_DATA(arg)

    @syntax("QUIT")
    async def smtp_QUIT(self, arg: str) -> None:  # noqa: N802 - aiosmtpd's name
        if self.fault == "hang at quit":
            await self.log.hang()
        await super().smtp_QUIT(arg)


def cut(server: SMTP, *, at_once: bool = True) -> None:
    """End a conversation, ``at_once`` without what was not sent yet."""
    transport = server.transport
    # A TLS transport of Python 3.11.2 that is closed already cannot be aborted.
    if isinstance(transport, asyncio.Transport) and not transport.is_closing():
        (transport.abort if at_once else transport.close)()


@dataclass
class Handler:
    """What becomes of a conversation."""

    log: Server
    fault: str
    late_s: float

    async def handle_MAIL(  # noqa: N802 - aiosmtpd's name
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if self.fault == "hang at mail":
            await self.log.hang()
        if self.fault == "mail":
            return "550 not from you"
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return "250 OK"

    async def handle_RCPT(  # noqa: N802 - aiosmtpd's name
        self, server: SMTP, _session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if self.fault == "hang at the recipient":
            await self.log.hang()
        if self.fault == "cut at the recipient":
            cut(server)
        if address == REFUSED or self.fault == "recipient":
            return "550 no such user: \x1b[31m\u202ered"
        envelope.rcpt_tos.append(address)
        envelope.rcpt_options.extend(options)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802 - aiosmtpd's name
        match self.fault:
            case "message":
                return "554 spam"
            case "message, for now":
                return "451 come back later"
            case "cut before the answer":
                cut(server)
                return "250 nobody hears this"
            case "hang before the answer":
                await self.log.hang()
            case "taken, then hang":
                self.log.taken.append(envelope)
                await self.log.hang()
            case "taken, then cut":
                self.log.taken.append(envelope)
                cut(server)
                return "250 nobody hears this"
        self.log.taken.append(envelope)
        if self.late_s:
            await asyncio.sleep(self.late_s)
        return "250 taken"


@contextlib.contextmanager
def mail_server(
    folder: Path,
    *,
    fault: str = "",
    tls: bool = False,
    starttls: bool = True,
    late_s: float = 0.0,
    name: str = "127.0.0.1",
) -> Iterator[Server]:
    """Hold a server with a certificate of its own authority; it ends with the block."""
    certificate, authorities = certificates(folder, name)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    log = Server(port=0, authorities=authorities)

    def authenticate(_server: SMTP, _session: Session, _envelope: Envelope, _mechanism: str, data: Any) -> AuthResult:
        assert isinstance(data, LoginPassword)
        log.logins.append(data.login.decode())
        return AuthResult(success=(data.login, data.password) == (USER.encode(), PASSWORD.encode()))

    served: list[SMTP] = []

    def factory() -> SMTP:
        server = Faulty(
            Handler(log, fault, late_s),
            hostname="mail.example.org",
            tls_context=context if starttls and not tls else None,
            require_starttls=starttls and not tls,
            authenticator=authenticate,
            auth_required=starttls and not tls,
            # Over implicit TLS the library does not see that the connection is encrypted.
            auth_require_tls=not tls,
        )
        server.fault, server.log = fault, log
        served.append(server)
        return server

    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()

    async def start() -> asyncio.Server:
        return await loop.create_server(factory, "127.0.0.1", 0, ssl=context if tls else None)

    async def stop(server: asyncio.Server) -> None:
        server.close()
        for each in served:
            cut(each)
        tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        # Transports that were aborted are closed by the loop, a moment later.
        await asyncio.sleep(0.05)

    server = asyncio.run_coroutine_threadsafe(start(), loop).result(30)
    log.port = server.sockets[0].getsockname()[1]
    try:
        yield log
    finally:
        asyncio.run_coroutine_threadsafe(stop(server), loop).result(30)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(30)
        loop.close()


def certificates(folder: Path, name: str) -> tuple[Path, Path]:
    """Return a PEM file with a certificate for ``name`` and its key, and one with the authority that signed it."""
    now = dt.datetime.now(dt.UTC)
    root_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    root_name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "an authority for tests")])

    def begun(subject: str, public: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
        return (
            x509.CertificateBuilder()
            .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, subject)]))
            .issuer_name(root_name)
            .public_key(public)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - dt.timedelta(days=1))
            .not_valid_after(now + dt.timedelta(days=1))
        )

    root = (
        begun("an authority for tests", root_key.public_key())
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(root_key, hashes.SHA256())
    )
    try:
        alternative: x509.GeneralName = x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        alternative = x509.DNSName(name)
    leaf = (
        begun(name, key.public_key())
        .add_extension(x509.SubjectAlternativeName([alternative]), critical=False)
        .sign(root_key, hashes.SHA256())
    )
    folder.mkdir(parents=True, exist_ok=True)
    own, authorities = folder / "server.pem", folder / "authorities.pem"
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    own.write_bytes(secret + leaf.public_bytes(serialization.Encoding.PEM))
    authorities.write_bytes(root.public_bytes(serialization.Encoding.PEM))
    return own, authorities
