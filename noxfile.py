"""Sessions: ``nox -l`` lists them; ``./quickstart NAME`` sets a fresh machine up first."""

from __future__ import annotations

import os
import shlex
from pathlib import Path

import nox

nox.options.sessions = ["lint", "tests"]
nox.options.reuse_existing_virtualenvs = True
nox.options.error_on_external_run = True

MAIL = "tests/data/mail/re-patch-v5-2-6-mm-zswap-support-batch-writeback.txt"


def doctor(session: nox.Session, *words: str) -> None:
    """Look whether the system packages are there; quickstart sets the variable that lets doctor install them."""
    session.run("orchestrator", "doctor", *shlex.split(os.environ.get("ORCHESTRATOR_DOCTOR", "")), *words)


@nox.session
def lint(session: nox.Session) -> None:
    """Formatting, style, types, import rules, shell scripts, spelling."""
    session.install("-e", ".[dev]")
    session.run("ruff", "format", "--check", ".")
    session.run("ruff", "check", ".")
    session.run("mypy")
    session.run("lint-imports")
    session.run("shellcheck", "--shell=sh", "quickstart", ".ci/run", "contrib/ci-run", "contrib/prune-cache")
    session.run("shellcheck", "contrib/mm-ci/run-zswap-tests.sh")
    session.run("shellcheck", "--shell=busybox", "--exclude=SC1091", *_guest_scripts())
    session.run("codespell")


def _guest_scripts() -> list[str]:
    folder = Path("guest_scripts")
    scripts = [folder / name for name in ("init", "trial", "live", "lib.sh", "profile")]
    return [str(script) for script in scripts + sorted(folder.glob("scenarios/*/run.sh"))]


@nox.session
def tests(session: nox.Session) -> None:
    """Unit and contract tests: no kernel is built or booted."""
    session.install("-e", ".[dev,contrib]")
    doctor(session, "--tests")
    session.run("pytest", "-m", "not qemu", *session.posargs)


@nox.session
def integration(session: nox.Session) -> None:
    """Tests that build real kernels and boot them in real QEMU."""
    session.install("-e", ".[dev,contrib]")
    doctor(session, "--tests")
    session.run("pytest", "-m", "qemu", *session.posargs)


@nox.session
def fuzz(session: nox.Session) -> None:
    """Feed damaged mails to the readers, 10 minutes; give other seconds as an argument, and a seed after them."""
    session.install("-e", ".[dev]")
    seconds, *seed = session.posargs or ["600"]
    session.run("python", "-m", "tests.fuzz.readers", "--seconds", seconds, *(["--seed", seed[0]] if seed else []))


@nox.session
def demo(session: nox.Session) -> None:
    """Test the patch of a real review mail against Linux 7.2, as a user would."""
    session.install(".")
    doctor(session)
    # 1 is a verdict (a regression), not a failure of the demo.
    session.run(
        "orchestrator", "test", MAIL, "--linux", "linux-7.2", "--profile", "demo", *session.posargs,
        success_codes=[0, 1],
    )  # fmt: skip
