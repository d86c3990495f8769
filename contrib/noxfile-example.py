"""A nox session for a developer's Linux tree, which says what the commits of a branch do to zswap.

Copy it to the tree as noxfile.py, or call it from the tree where it lies::

    cd ~/linux && nox -f ~/orchestrator/contrib/noxfile-example.py             the commits since the branch's upstream
    cd ~/linux && nox -f ... -- v7.2..HEAD --profile full                    a range, and options of orchestrator test

ORCHESTRATOR says where the orchestrator is (a clone, a wheel, anything that pip takes), when this file is a copy.
Reports lie in zswap-results/ of the tree. The session fails on a regression, and when nothing could be decided.
"""

from __future__ import annotations

import os
from pathlib import Path

import nox

nox.options.reuse_existing_virtualenvs = True

CLONE = Path(__file__).resolve().parents[1]
SINCE_UPSTREAM = "@{upstream}..HEAD"


@nox.session(venv_backend="venv")
def zswap(session: nox.Session) -> None:
    """Test the commits of this branch: builds base and patched, boots both, compares."""
    session.install(os.environ.get("ORCHESTRATOR", str(CLONE)))
    words = list(session.posargs)
    commits = words.pop(0) if words and not words[0].startswith("-") else SINCE_UPSTREAM
    tree = Path(session.invoked_from)
    session.run("orchestrator", "doctor")
    session.run(
        "orchestrator-ci-run", "--linux", str(tree), "--out", str(tree / "zswap-results"), commits, "--", *words,
    )  # fmt: skip
