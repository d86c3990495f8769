"""Mails for the tests: the recorded runs, as if their series had come over a list."""

from __future__ import annotations

import dataclasses
import email
import email.policy
from datetime import UTC, datetime
from email.message import EmailMessage
from pathlib import Path

from orchestrator.model.mail import EarlierReport, ListPolicy, MailPolicy, Merged, Wish
from orchestrator.model.run import RunRecord
from orchestrator.model.series import Message
from orchestrator.report.mail.compose import ComposedMail, Occasion, compose
from orchestrator.report.mail.headers import Address
from orchestrator.report.mail.thread import answered, recipients
from orchestrator.store.run_json import parse_run

RUNS = Path(__file__).parents[2] / "data" / "runs"
NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
SENDER = Address("Jo Tester", "jo@test.example.org")
POLICY = MailPolicy(
    sender=str(SENDER),
    lists=(
        ListPolicy(pattern="linux-mm@kvack.org", wish=Wish.EVERYTHING, moderated=False),
        ListPolicy(pattern="*@vger.kernel.org", wish=Wish.REGRESSIONS, moderated=False),
    ),
    otherwise=ListPolicy(pattern="*", wish=Wish.NEVER),
)


def recorded(name: str) -> RunRecord:
    """Return a recorded run whose patches came as mails over linux-mm, in answer to a cover letter."""
    return posted(parse_run((RUNS / name / "run.json").read_text(), name))


def posted(record: RunRecord) -> RunRecord:
    series = record.series
    messages = tuple(
        message(
            f"[PATCH v{series.version} {patch.index}/{patch.total}] {patch.subject}",
            part=patch.index,
            references=("20260629112028.1-0-hao@lixiang.example.org",),
        )
        for patch in series.patches
    )
    return dataclasses.replace(record, series=dataclasses.replace(series, messages=messages))


def message(subject: str, *, part: int = 1, references: tuple[str, ...] = (), **more: object) -> Message:
    known = Message(
        part=part,
        subject=subject,
        sender="Hao Jia <hao@lixiang.example.org>",
        message_id=f"20260629112028.1-{part}-hao@lixiang.example.org",
        references=references,
        to=("Andrew Morton <akpm@linux-foundation.org>", "yosry@kernel.example.org"),
        cc=("linux-mm@kvack.org", "linux-kernel@vger.kernel.org", "Jürgen Größe <jg@example.net>"),
    )
    return dataclasses.replace(known, **more)  # type: ignore[arg-type]


def with_message(record: RunRecord, *messages: Message) -> RunRecord:
    return dataclasses.replace(record, series=dataclasses.replace(record.series, messages=messages))


def mail_on(
    record: RunRecord,
    policy: MailPolicy = POLICY,
    *,
    templates: dict[str, str] | None = None,
    earlier: EarlierReport | None = None,
    merged: Merged | None = None,
) -> ComposedMail:
    target = answered(record)
    assert target is not None
    occasion = Occasion(
        sender=SENDER,
        message=target,
        recipients=recipients(record, target, policy),
        policy=policy,
        now=NOW,
        version="0.1.0",
        templates=templates,
        earlier=earlier,
        merged=merged,
    )
    return compose(record, occasion)


def parsed(data: bytes) -> EmailMessage:
    """Return a message as Python's parser reads it."""
    return email.message_from_bytes(data, policy=email.policy.default)
