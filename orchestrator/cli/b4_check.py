"""``orchestrator b4-check``: a check command for ``b4 review``: a message on standard input, JSON on standard output.

b4 runs it for each patch (``b4.review-perpatch-check-cmd``) or for the cover letter (``b4.review-series-check-cmd``) and
reads a list of objects with tool, status (pass, warn, fail), summary, url and details. It takes an exit status without
JSON for the patch's failure; so whatever goes wrong here is said as a warning, with exit status 0.
"""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Annotated, Any

import typer

from orchestrator.cli.interrupts import cancelled_by_signals
from orchestrator.cli.options import DEFAULT_RESULTS, ResultsOption
from orchestrator.errors import Cancelled, OrchestratorError, UserError
from orchestrator.host.steps import Steps
from orchestrator.host.workspace import scratch_folder
from orchestrator.intake.reader import Wanted
from orchestrator.model.series import Patch
from orchestrator.pipeline import Pipeline, TestRequest, profile_named, start_run
from orchestrator.report.check_states import TOOL, b4_result
from orchestrator.report.material import Material
from orchestrator.report.text import printable_line
from orchestrator.run_view import material_of
from orchestrator.store.index import RunIndex, diff_key

LARGEST = 64 << 20
"""Bytes of a message; what is larger is none."""

LinuxOption = Annotated[
    str | None,
    typer.Option("--linux", metavar="TREE", help="Test what was not tested yet, against this tree; takes minutes."),
]
ProfileOption = Annotated[str, typer.Option("--profile", help="With --linux: which trials.")]
LinkOption = Annotated[str, typer.Option("--link", metavar="URL", help="Where people read more of the results.")]


def b4_check(
    *,
    linux: LinuxOption = None,
    profile: ProfileOption = "quick",
    link: LinkOption = "",
    results: ResultsOption = DEFAULT_RESULTS,
) -> None:
    """Tell b4 review what a run said of the message on standard input; with --linux, test it first if need be."""
    try:
        answer = _checked(sys.stdin.buffer.read(LARGEST + 1), linux, profile, link, results)
    except OrchestratorError as error:
        if isinstance(error, Cancelled):
            sys.exit(error.exit_status)
        answer = [_warning(f"not tested: {error.message}", error.describe())]
    typer.echo(json.dumps(answer))


def _checked(data: bytes, linux: str | None, profile: str, link: str, results: Path) -> list[dict[str, Any]]:
    if len(data) > LARGEST or not data.strip():
        raise UserError(
            "there is no message on standard input", hint="b4 review runs this command; see docs/formats.md"
        )
    message_id, text = _read(data)
    found = _latest(message_id, text, results)
    if found is None and linux is not None:
        _test(data, linux, profile, results)
        found = _latest(message_id, text, results)
    if found is None:
        why = "No run in the results folder has this message id, or the same change."
        hint = f"orchestrator test, or b4-check --linux TREE; looked in {results.resolve()}"
        return [_warning("not tested yet", f"{why}\n{hint}")]
    return [b4_result(found, patch=_patch(found, message_id, text), url=link)]


def _read(data: bytes) -> tuple[str, str]:
    """Return a message's id, without angle brackets, and its text."""
    try:
        message = message_from_bytes(data, _class=EmailMessage, policy=policy.default)
        message_id = str(message.get("Message-ID", "")).strip().strip("<>")
        body = message.get_body(("plain",))
        text = str(body.get_content()) if body is not None else ""
    except (ValueError, LookupError, TypeError, AttributeError, IndexError):
        # The standard library's parser gives up on some headers.
        message_id, text = "", data.decode("utf-8", "replace")
    return message_id, text


def _latest(message_id: str, text: str, results: Path) -> Material | None:
    with RunIndex(results) as index:
        runs = index.that_tested(message_id=message_id, diff=_diff(text))
    return material_of(runs[0], results) if runs else None


def _diff(text: str) -> str:
    """Return what of a mail's text is its diff: from the first file on, without the signature."""
    lines = text.replace("\r\n", "\n").splitlines()
    start = next(
        (number for number, line in enumerate(lines) if line.startswith(("diff --git ", "--- a/", "--- /dev/null"))),
        None,
    )
    if start is None:
        return ""
    end = next((number for number in range(len(lines) - 1, start, -1) if lines[number].rstrip() == "--"), len(lines))
    return "\n".join(lines[start:end])


def _patch(material: Material, message_id: str, text: str) -> Patch | None:
    """Return the patch of the run that the message is; None for a cover letter."""
    patches = material.record.series.patches
    by_id = next((patch for patch in patches if message_id and patch.message_id == message_id), None)
    key = diff_key(_diff(text))
    return by_id or next((patch for patch in patches if key and diff_key(patch.diff) == key), None)


def _test(data: bytes, linux: str, profile: str, results: Path) -> None:
    with scratch_folder("orchestrator-b4") as folder, cancelled_by_signals() as cancellation:
        mail = folder / "message.eml"
        mail.write_bytes(data)
        request = TestRequest(
            wanted=Wanted(inputs=(str(mail),), partial=True),
            linux=linux,
            base_rev=None,
            profile=profile_named(profile),
            sealed=True,
            sandbox=True,
            accelerator="auto",
            again=False,
            results=results,
        )
        steps = Steps()
        run = start_run(request, steps=steps, now=_now, cancellation=cancellation)
        with run.held():
            try:
                started = _now().isoformat(timespec="seconds")
                Pipeline(run, steps=steps, cancellation=cancellation, started=started).carry_out(now=_now)
            except UserError:
                run.discard()
                raise


def _warning(summary: str, details: str) -> dict[str, Any]:
    lines = "\n".join(printable_line(line) for line in details.splitlines())
    return {"tool": TOOL, "status": "warn", "summary": printable_line(summary), "details": lines}


def _now() -> datetime:
    return datetime.now(UTC)
