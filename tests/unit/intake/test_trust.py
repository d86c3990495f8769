"""Signatures: real ones, made here, with keys from a folder instead of a name server."""

from __future__ import annotations

import base64
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import dkim
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from orchestrator.errors import UserError
from orchestrator.intake.reader import Wanted, read_series
from orchestrator.intake.trust import Keys, describe, from_folder
from orchestrator.model.series import Signature, Trust
from tests.unit.intake.mails import patch_mail

NAME = "s1._domainkey.example.org"
PATATT = str(Path(sys.executable).parent / "patatt")


@dataclass(frozen=True)
class Signed:
    """A mail signed by example.org, and the folder with the key."""

    mail: bytes
    keys: Path


@pytest.fixture(scope="module")
def signed(tmp_path_factory: pytest.TempPathFactory) -> Signed:
    keys = tmp_path_factory.mktemp("keys")
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    )
    public = key.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    (keys / NAME).write_bytes(b"v=DKIM1; k=rsa; p=" + base64.b64encode(public) + b"\n")
    mail = patch_mail(separator=False).encode()
    return Signed(mail=dkim.sign(mail, b"s1", b"example.org", private) + mail, keys=keys)


def checked(folder: Path, mail: bytes, keys: Keys | None, *, required: bool = False) -> tuple[Signature, ...]:
    path = folder / "mail.eml"
    path.write_bytes(mail)
    wanted = Wanted(inputs=(str(path),), keys=keys, require_signature=required)
    return read_series(wanted=wanted).patches[0].signatures


def test_dkim_when_the_mail_is_as_it_was_signed_then_good(tmp_path: Path, signed: Signed) -> None:
    (found,) = checked(tmp_path, signed.mail, Keys(lookup=from_folder(signed.keys)), required=True)

    assert (found.scheme, found.trust, found.identity) == ("DKIM", Trust.GOOD, "example.org")
    assert describe(found) == "DKIM good (example.org)"


def test_dkim_when_a_line_of_the_patch_was_changed_then_bad(tmp_path: Path, signed: Signed) -> None:
    changed = signed.mail.replace(b"one = 1", b"one = 2")

    (found,) = checked(tmp_path, changed, Keys(lookup=from_folder(signed.keys)))

    assert found.trust is Trust.BAD
    with pytest.raises(UserError, match="no good signature: DKIM bad"):
        checked(tmp_path, changed, Keys(lookup=from_folder(signed.keys)), required=True)


def test_dkim_when_nobody_can_be_asked_for_the_key_then_not_checked(tmp_path: Path, signed: Signed) -> None:
    def offline(name: str) -> bytes | None:
        raise OSError(name)

    (found,) = checked(tmp_path, signed.mail, Keys(lookup=offline))

    assert describe(found) == "DKIM not checked (example.org): no key (offline)"
    with pytest.raises(UserError, match="not checked"):
        checked(tmp_path, signed.mail, Keys(lookup=offline), required=True)


def test_dkim_when_the_domain_has_no_such_key_then_bad(tmp_path: Path, signed: Signed) -> None:
    (found,) = checked(tmp_path, signed.mail, Keys(lookup=lambda _name: None))

    assert found.trust is Trust.BAD


@pytest.mark.parametrize("key", [b"", b"p=", b"v=DKIM1; k=rsa; p=AAAA", b"\xff\xfe", b"v=DKIM1; k=ed25519; p=AAAA"])
def test_dkim_when_the_key_is_damaged_then_no_traceback(tmp_path: Path, signed: Signed, key: bytes) -> None:
    (found,) = checked(tmp_path, signed.mail, Keys(lookup=lambda _name: key))

    assert found.trust is Trust.BAD


@pytest.mark.parametrize("header", [b"v=1", b"v=1; a=rsa-sha256; d=x; s=\xff; h=from; bh=; b=", b"", b"=;=;=" * 100])
def test_dkim_when_the_header_is_damaged_then_bad(tmp_path: Path, header: bytes) -> None:
    mail = b"DKIM-Signature: " + header + b"\n" + patch_mail(separator=False).encode()

    (found,) = checked(tmp_path, mail, Keys(lookup=lambda _name: None))

    assert found.trust is Trust.BAD


def test_signatures_when_there_are_none_then_none(tmp_path: Path) -> None:
    mail = patch_mail(separator=False).encode()

    (found,) = checked(tmp_path, mail, Keys(lookup=lambda _name: None))

    assert describe(found) == "no signature"
    with pytest.raises(UserError, match="has no good signature: no signature"):
        checked(tmp_path, mail, Keys(lookup=lambda _name: None), required=True)


def test_signatures_when_keys_are_not_wanted_then_nobody_is_asked(tmp_path: Path, signed: Signed) -> None:
    (found,) = checked(tmp_path, signed.mail, None)

    assert found.trust is Trust.UNCHECKED


def test_from_folder_when_a_name_leads_out_then_there_is_no_key(tmp_path: Path) -> None:
    assert from_folder(tmp_path)("../../etc/passwd") is None


@pytest.fixture(scope="module")
def patatt_signed(tmp_path_factory: pytest.TempPathFactory) -> Signed:
    """A mail signed by patatt, with the public key in a keyring."""
    home = tmp_path_factory.mktemp("home")
    environment = {"PATH": os.environ["PATH"], "HOME": str(home), "XDG_DATA_HOME": str(home / "data")}
    (home / ".gitconfig").write_text("[user]\n\tname = A Uthor\n\temail = a@example.org\n")

    def patatt(*words: str, given: bytes = b"") -> bytes:
        argv = [PATATT, *words]
        done = subprocess.run(argv, input=given, check=True, capture_output=True, cwd=home, env=environment, timeout=60)
        return done.stdout

    patatt("genkey", "-n", "20260629")
    config = "[patatt]\n\tsigningkey = ed25519:20260629\n\tselector = 20260629\n"
    (home / ".gitconfig").write_text((home / ".gitconfig").read_text() + config)
    mail = patch_mail(separator=False).encode()
    mail = patatt("sign", given=mail)
    keyring = home / "keyring" / "ed25519" / "example.org" / "a"
    keyring.mkdir(parents=True)
    # The same key lies there under its name and under its hash.
    public = next(path for path in (home / "data" / "patatt" / "public").rglob("*") if path.is_file())
    (keyring / "20260629").write_bytes(public.read_bytes())
    return Signed(mail=mail, keys=home / "keyring")


def test_patatt_when_the_key_is_in_the_keyring_then_good(
    tmp_path: Path, patatt_signed: Signed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    keys = Keys(lookup=lambda _name: None, keyring=patatt_signed.keys)

    (found,) = checked(tmp_path, patatt_signed.mail, keys, required=True)

    assert describe(found) == "patatt good (a@example.org)"
    (found,) = checked(tmp_path, patatt_signed.mail.replace(b"one = 1", b"one = 2"), keys)
    assert describe(found) == "patatt bad (a@example.org)"


def test_patatt_when_the_key_is_not_known_then_not_checked(
    tmp_path: Path, patatt_signed: Signed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))

    (found,) = checked(tmp_path, patatt_signed.mail, Keys(lookup=lambda _name: None))

    assert (found.scheme, found.trust, found.detail) == ("patatt", Trust.UNCHECKED, "no key")
