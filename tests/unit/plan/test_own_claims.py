"""A run with claims about its patch: read before anything is done, and kept in the plan."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest

from orchestrator.errors import UserError
from orchestrator.host.steps import Steps
from orchestrator.intake.reader import Wanted
from orchestrator.pipeline import TestRequest, profile_named, start_run
from orchestrator.plan import narrowed
from tests.command import REPOSITORY

CLAIMS = REPOSITORY / "docs/claims/batch-writeback.toml"


def request(claims: Path, results: Path) -> TestRequest:
    return TestRequest(
        wanted=Wanted(inputs=(str(REPOSITORY / "tests/data/mail/01-comment-only.diff"),)),
        linux="linux-7.2",
        base_rev=None,
        profile=narrowed(profile_named("demo"), scenarios=("memcg-limit",), topologies=("two-node",), seeds=1),
        sealed=True,
        sandbox=True,
        accelerator="auto",
        again=False,
        results=results,
        claims=(str(claims),),
    )


def now() -> dt.datetime:
    return dt.datetime(2026, 11, 23, tzinfo=dt.UTC)


def test_claims_are_kept_in_the_plan(tmp_path: Path) -> None:
    run = start_run(request(CLAIMS, tmp_path), steps=Steps(), now=now)
    assert run.read_plan().claims == (str(CLAIMS),)


def test_claims_about_what_there_is_not_are_refused_before_the_run_has_a_folder(tmp_path: Path) -> None:
    claims = tmp_path / "claims.toml"
    claims.write_text(CLAIMS.read_text().replace('scenario = "pool-limit"', 'scenario = "pool"'))
    with pytest.raises(UserError, match="there is no scenario 'pool'"):
        start_run(request(claims, tmp_path / "results"), steps=Steps(), now=now)
    assert not (tmp_path / "results").exists()
