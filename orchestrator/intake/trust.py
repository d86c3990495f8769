"""Whose word a mail is: DKIM (RFC 6376, by dkimpy) and patatt signatures, shown and never required unless asked for.

A list that adds a footer breaks DKIM; a signature of the sender's domain says nothing about the patch. So none of this
decides anything by itself.
"""

from __future__ import annotations

import contextlib
import logging
import os
import re
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from orchestrator.errors import OrchestratorError, UserError
from orchestrator.host import process
from orchestrator.host.workspace import scratch_folder
from orchestrator.intake.item import Item
from orchestrator.model.series import Patch, Series, Signature, Trust

DNS_TIMEOUT_S = 3
_DKIM = re.compile(rb"^dkim-signature:", re.MULTILINE | re.IGNORECASE)
_PATATT = re.compile(rb"^x-developer-signature:", re.MULTILINE | re.IGNORECASE)
_NO_KEY = "no key (offline)"

Lookup = Callable[[str], bytes | None]
"""From a name (``selector._domainkey.example.org``) to the TXT record there; None when there is none; OSError offline."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Keys:
    """Where public keys come from: ``lookup`` for DKIM, ``keyring`` a folder for patatt beside the user's own."""

    lookup: Lookup
    keyring: Path | None = None
    seen: dict[str, bytes | None] = field(default_factory=dict)

    def record(self, name: str) -> bytes | None:
        """Return the TXT record of ``name``, asked for once. Raises :class:`OSError` when nobody can be asked."""
        if name not in self.seen:
            self.seen[name] = self.lookup(name)
        return self.seen[name]


def from_dns(name: str) -> bytes | None:
    """Ask the network's name server for a TXT record. Raises :class:`OSError` when it does not answer."""
    import dns.exception
    import dns.resolver

    try:
        answer = dns.resolver.resolve(name, "TXT", lifetime=DNS_TIMEOUT_S)
    except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
        return None
    except (dns.exception.DNSException, OSError) as error:
        raise OSError(str(error)) from error
    return b"".join(answer[0].strings)


def from_folder(folder: Path) -> Lookup:
    """Return a look-up in a folder with a file for each name, which holds the TXT record."""

    def found(name: str) -> bytes | None:
        # The name is a stranger's: it stays in the folder.
        if not re.fullmatch(r"[A-Za-z0-9._-]{1,250}", name):
            return None
        with contextlib.suppress(OSError):
            return (folder / name).read_bytes().strip()
        raise FileNotFoundError(name)

    return found


def check_signatures(series: Series, items: Sequence[Item], keys: Keys | None) -> Series:
    """Return ``series`` with what became of each patch's signatures; without ``keys`` only whether there are any."""
    raws: dict[str | None, bytes] = {
        item.envelope.message_id: item.raw for item in items if item.raw is not None and item.envelope.message_id
    }
    patches = tuple(_checked(patch, raws.get(patch.message_id), keys) for patch in series.patches)
    return replace(series, patches=patches)


def require_signatures(series: Series) -> None:
    """Raise :class:`UserError` unless every patch has a good signature."""
    for patch in series.patches:
        if not any(signature.trust is Trust.GOOD for signature in patch.signatures):
            said = "; ".join(describe(signature) for signature in patch.signatures) or "none"
            raise UserError(
                f"patch {patch.index}/{patch.total} ({patch.subject}) has no good signature: {said}",
                hint="leave out --require-signature, or get the raw mail and the sender's key",
            )


def describe(signature: Signature) -> str:
    """Return a signature in words: ``DKIM good (example.org)``, ``patatt not checked: no key (offline)``."""
    words = f"{signature.scheme} {signature.trust}" if signature.trust is not Trust.NONE else "no signature"
    words += f" ({signature.identity})" if signature.identity else ""
    return words + (f": {signature.detail}" if signature.detail else "")


def _checked(patch: Patch, raw: bytes | None, keys: Keys | None) -> Patch:
    if raw is None:
        return patch
    head = re.split(rb"\r?\n\r?\n", raw[: 1 << 18], maxsplit=1)[0]
    found: list[Signature] = []
    for scheme, pattern, check in (("DKIM", _DKIM, dkim_signatures), ("patatt", _PATATT, _check_patatt)):
        if pattern.search(head) is None:
            continue
        if keys is None:
            found.append(Signature(scheme=scheme, trust=Trust.UNCHECKED, detail="nobody asked"))
        else:
            found += check(raw, keys)
    return replace(patch, signatures=tuple(found) or (Signature(scheme="", trust=Trust.NONE),))


def dkim_signatures(raw: bytes, keys: Keys) -> list[Signature]:
    """Return what became of the DKIM signatures of a message, in the order of their headers; the list's own are there as well."""
    import dkim

    quiet = logging.getLogger("orchestrator.dkim")
    quiet.addHandler(logging.NullHandler())
    quiet.propagate = False
    count = min(len(_DKIM.findall(re.split(rb"\r?\n\r?\n", raw, maxsplit=1)[0])), 5)
    found = []
    for index in range(count):
        reached: list[str] = []

        def ask(name: bytes | str, timeout: int = DNS_TIMEOUT_S, reached: list[str] = reached) -> bytes | None:  # noqa: ARG001
            text = (name.decode("ascii", "replace") if isinstance(name, bytes) else name).rstrip(".")
            try:
                return keys.record(text)
            except OSError:
                reached.append(_NO_KEY)
                return None

        checker = dkim.DKIM(raw, logger=quiet)
        detail = ""
        try:
            good = checker.verify(index, dnsfunc=ask)
        except dkim.DKIMException as error:
            good, detail = False, str(error)
        except (ValueError, KeyError, TypeError, IndexError, AttributeError, OverflowError) as error:
            # dkimpy parses a stranger's ASN.1 and tags; not all that is wrong with them has a name of its own.
            good, detail = False, f"damaged ({type(error).__name__})"
        trust = Trust.GOOD if good else Trust.UNCHECKED if reached else Trust.BAD
        domain = (checker.domain or b"").decode("ascii", "replace")
        found.append(Signature(scheme="DKIM", trust=trust, identity=domain, detail=_NO_KEY if reached else detail))
    return found


def _check_patatt(raw: bytes, keys: Keys) -> list[Signature]:
    """Return what patatt says of a message's developer signatures; it is run as a program, it starts git and gpg."""
    program = process.find_program("patatt") or process.find_program(str(Path(sys.executable).parent / "patatt"))
    if program is None:
        return [Signature(scheme="patatt", trust=Trust.UNCHECKED, detail="the program patatt is not installed")]
    environment = dict(os.environ)
    if keys.keyring is not None:
        count = int(environment.get("GIT_CONFIG_COUNT") or 0)
        environment |= {
            "GIT_CONFIG_COUNT": str(count + 1),
            f"GIT_CONFIG_KEY_{count}": "patatt.keyringsrc",
            f"GIT_CONFIG_VALUE_{count}": str(keys.keyring.resolve()),
        }
    with scratch_folder("orchestrator-patatt") as scratch:
        mail = scratch / "mail.eml"
        mail.write_bytes(raw)
        try:
            # One file it would take for an mbox, and write the message anew before it looks at it; of two it takes both
            # as they are.
            said = process.run([program, "validate", mail, mail], cwd=scratch, env=environment)
        except OrchestratorError as error:
            return [Signature(scheme="patatt", trust=Trust.UNCHECKED, detail=error.message)]
    return _patatt_lines(said.stdout + said.stderr)


_VERDICTS = {"PASS": Trust.GOOD, "BADSIG": Trust.BAD, "FAIL": Trust.BAD, "NOKEY": Trust.UNCHECKED}


def _patatt_lines(text: str) -> list[Signature]:
    """Return the signatures in the output of ``patatt validate``: lines of ``PASS | identity | file``."""
    found = []
    for line in text.splitlines():
        words = [word.strip() for word in line.split("|")]
        trust = _VERDICTS.get(words[0].strip())
        if trust is not None and len(words) > 1:
            detail = "no key" if trust is Trust.UNCHECKED else ""
            found.append(Signature(scheme="patatt", trust=trust, identity=words[1].partition(",")[0], detail=detail))
    return found or [Signature(scheme="patatt", trust=Trust.UNCHECKED, detail="patatt did not say")]
