"""RUN RECORD → TRAILERS that a mail may offer: only what the record, or a mail of ours, proves. Pure.

``Tested-by`` where the patch is the user's own or fixes what we reported, all of it was tested as it was posted, both
kernels ran to the end and nothing got worse. ``Reported-by`` and ``Closes`` where it fixes what we reported.
``#regzbot introduced`` only for a commit that is in a release: regressions of patches are no regressions yet
(Documentation/process/handling-regressions.rst).
"""

from __future__ import annotations

from dataclasses import dataclass

from orchestrator.model.mail import EarlierReport, Merged
from orchestrator.model.run import RunRecord
from orchestrator.model.trial import Status
from orchestrator.model.verdict import Outcome
from orchestrator.report.mail.headers import Address, is_message_id, read_address
from orchestrator.report.mail.says import is_whole, ran_both

ARCHIVE = "https://lore.kernel.org/r/"


@dataclass(frozen=True, slots=True, kw_only=True)
class Vouched:
    """The lines, what is said before them, and the earlier report that is settled, None where none is."""

    lines: tuple[str, ...] = ()
    intro: str = ""
    earlier: EarlierReport | None = None


def vouched(
    record: RunRecord, sender: Address, *, earlier: EarlierReport | None = None, merged: Merged | None = None
) -> Vouched:
    """Return the trailers that are provable; none is the rule."""
    outcome = record.verdict.outcome
    if outcome is Outcome.REGRESSION and merged is not None:
        return Vouched(lines=(f"#regzbot introduced: {merged.commit}",), intro=f"The commit is in {merged.tag}:")
    if outcome not in {Outcome.PASS, Outcome.IMPROVEMENT, Outcome.CHANGED} or not _is_proven(record):
        return Vouched()
    settled = earlier if earlier is not None and _settles(record, earlier) else None
    tested = f"Tested-by: {sender}"
    if settled is not None:
        reported = (f"Reported-by: {sender}", f"Closes: {ARCHIVE}{settled.message_id}")
        return Vouched(lines=(*reported, tested), intro="If you like, add:", earlier=settled)
    if _is_own(record, sender):
        return Vouched(lines=(tested,), intro="All of the posting was tested as it was posted:")
    return Vouched()


def _is_proven(record: RunRecord) -> bool:
    done = {trial.spec for trial in record.trials if trial.status is Status.PASS}
    return (
        is_whole(record)
        and bool(record.trials)
        and all(spec in done for spec in record.plan.trials)
        and not record.verdict.findings
    )


def _settles(record: RunRecord, earlier: EarlierReport) -> bool:
    return (
        earlier.version < record.series.version
        and is_message_id(earlier.message_id)
        and ran_both(record, earlier.scenario, earlier.topology)
    )


def _is_own(record: RunRecord, sender: Address) -> bool:
    authors = {address.key for patch in record.series.patches if (address := read_address(patch.author)) is not None}
    return authors == {sender.key}
