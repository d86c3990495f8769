"""``orchestrator doctor``: what it looks for, what it says of what is not there."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from orchestrator.cli.app import app
from orchestrator.host import process, requirements


@pytest.fixture
def nothing_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine on which no program of another package is found."""
    monkeypatch.setattr(process, "find_program", lambda *_args, **_more: None)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))


def doctor(*words: str) -> Result:
    return CliRunner().invoke(app, ["doctor", *words])


@pytest.mark.usefixtures("nothing_installed")
def test_doctor_when_a_needed_program_is_missing_then_names_package_and_reason_and_fails() -> None:
    said = doctor()
    assert said.exit_code == 3
    assert "MISSING  qemu-system-x86_64 (package qemu-system-x86): the machines" in said.stdout
    assert "optional ccache (package ccache)" in said.stdout


@pytest.mark.usefixtures("nothing_installed")
@pytest.mark.parametrize(("words", "found"), [((), False), (("--tests",), True)])
def test_doctor_when_asked_for_the_tests_needs_then_looks_for_these_too(words: tuple[str, ...], found: bool) -> None:  # noqa: FBT001
    assert ("public-inbox-httpd" in doctor(*words).stdout) is found


def test_doctor_when_it_may_not_install_then_asks_apt_for_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def installs(*_args: object, **_more: object) -> None:
        pytest.fail("it installs without --fix")

    monkeypatch.setattr(requirements, "install", installs)
    doctor("--tests")
