"""The policy file: the shipped one, a user's over it, and what is wrong with one."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.config.mail_policy import mail_policy, user_templates
from orchestrator.errors import UserError
from orchestrator.model.mail import Encryption, Wish
from orchestrator.report.mail.headers import Address
from orchestrator.report.mail.thread import policy_of


@pytest.fixture(autouse=True)
def own_home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "mail.toml"
    path.write_text(text)
    return path


def test_shipped_policy_is_careful() -> None:
    policy = mail_policy()
    assert policy.sender == ""
    assert policy.smtp is None
    assert all(entry.moderated for entry in (*policy.lists, policy.otherwise))
    assert policy_of(Address("", "linux-mm@kvack.org"), policy).wish is Wish.ON_REQUEST
    assert policy_of(Address("", "stable@vger.kernel.org"), policy).wish is Wish.NEVER
    assert policy.otherwise.wish is Wish.ON_REQUEST


def test_policy_when_the_user_has_one_then_his_lists_first(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        '[sender]\nfrom = "Jo <jo@example.org>"\nexclude = ["*@example.com"]\n'
        '[lists."*@kvack.org"]\nsend = "also no regressions"\nmoderated = false\n'
        '[smtp]\nhost = "mail.example.org"\nencryption = "tls"\nuser = "jo"\n',
    )
    policy = mail_policy(path)
    entry = policy_of(Address("", "linux-mm@kvack.org"), policy)
    assert (entry.wish, entry.moderated) == (Wish.EVERYTHING, False)
    assert policy_of(Address("", "stable@vger.kernel.org"), policy).wish is Wish.NEVER
    assert policy.smtp is not None
    assert (policy.smtp.port, policy.smtp.encryption) == (465, Encryption.TLS)
    assert policy.excluded == ("*@example.com",)
    assert (policy.most, policy.per_s) == (10, 3600)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("x = 1", "x: "),
        ('[default]\nsend = "always"', "mail.toml:2: default.send: "),
        ('[lists."linux-mm.kvack.org"]\nsend = "never"', "no address of a list"),
        ('[smtp]\nhost = "mail.example.org"\nencryption = "none"', "this machine"),
        ('[smtp]\nhost = "localhost"\nencryption = "none"\nuser = "jo"', "no password"),
        ('[smtp]\nhost = "a b"', "smtp.host"),
        ('[smtp]\nhost = "a"\nport = 70000', "smtp.port"),
        ("[limits]\nmails = -1\nseconds = 0", "limits.seconds"),
        ("[default", "not valid TOML"),
        ('[lists."*@example.org"]\nsend = "never"\narchive = "javascript:1"', "archive"),
    ],
)
def test_policy_when_something_is_wrong_then_it_says_where(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(UserError) as caught:
        mail_policy(written(tmp_path, text))
    assert says in caught.value.message


def test_policy_when_the_named_file_is_not_there_then_it_says_so(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="is not there"):
        mail_policy(tmp_path / "none.toml")


def test_templates_are_the_users_files(tmp_path: Path) -> None:
    folder = tmp_path / "config" / "mm-patch-orchestrator" / "templates"
    assert user_templates() == {}
    folder.mkdir(parents=True)
    (folder / "mail.txt").write_text("hello")
    assert user_templates() == {"mail.txt": "hello"}
