"""Texts of strangers that try to leave their place: HTML, XML, mail headers, terminals, tables, file names.

Everything in a record that came from a mail, a kernel's log, a guest or a file name may be any of these.
"""

from __future__ import annotations

import dataclasses

from orchestrator.model.run import RunRecord
from orchestrator.model.trial import Check, Status, TrialResult
from orchestrator.model.verdict import Finding

MARK = "hostile7f3a"
"""In every text below, so that a test can find where it went."""

HTML = (
    f"<script>document.title='{MARK}'</script>",
    f'"><img src=x onerror="document.title=\'{MARK}\'">',
    f"'><svg/onload=document.title='{MARK}'>",
    f"</title></style></script></textarea><b id={MARK}>bold</b>",
    f"<a href=\"javascript:document.title='{MARK}'\">{MARK}</a>",
    f"javascript:document.title='{MARK}'",
    f"{{{{ 7 * 7 }}}} {{% for {MARK} in x %}} ${{7*7}} #{{7*7}}",
    f"&lt;script&gt;{MARK}&amp;quot;&#x3c;b&#x3e;",
    f"<!-- {MARK} --><![CDATA[ {MARK} ]]>",
    f"]]><evil>{MARK}</evil><![CDATA[",
    f"<?xml version='1.0'?><!DOCTYPE x [<!ENTITY {MARK} SYSTEM 'file:///etc/passwd'>]>&{MARK};",
)

HEADERS = (
    f"subject {MARK}\r\nBcc: {MARK}@example.com",
    f"subject {MARK}\nX-Evil: 1\n\nbody of a stranger",
    f"subject {MARK}\rX-Evil: 1",
    f"subject {MARK}\x0bX-Evil: 1\x0cX-Evil: 2\x85X-Evil: 3\u2028X-Evil: 4\u2029X-Evil: 5",
    f"=?utf-8?q?{MARK}=0D=0ABcc:_x=40example.com?=",
    f"{MARK}: " + "long " * 400,
)

ADDRESSES = (
    f"{MARK} <{MARK}@example.com>\r\nBcc: other@example.com",
    f"{MARK}@example.com\n.\nMAIL FROM:<x@example.com>",
    f'"{MARK}, other@example.com" <{MARK}@example.com>, <{MARK}2@example.com>',
    f"{MARK} at example dot com",
    f"<{MARK}@>",
    f"{MARK}@exa mple.com",
    f"undisclosed-recipients:{MARK};",
    "",
)

TERMINAL = (
    f"\x1b[2J\x1b[1;31m{MARK}\x1b[0m",
    f"\x1b]0;{MARK}\x07",
    f"\x1b]8;;http://example.com/{MARK}\x1b\\click\x1b]8;;\x1b\\",
    f"\x9b31m{MARK}\x9d0;x\x9c",
    f"{MARK}\x08\x08\x08\x08over\x00nul\x7f",
    f"\u202e{MARK}\u202c\u2066\u200b\u200f\ufeff",
    f"[bold red]{MARK}[/bold red] [link=http://example.com]x[/link]",
)

TEXT = (
    f"{MARK} \ud800 lone surrogate \udfff",
    f"{MARK} \ufffe\uffff noncharacters \U0010ffff",
    f"{MARK} Z\u0351\u034b\u0363a\u0308\u0323 \U0001f4a9 \u4e2d\u6587 \u05e2\u05d1\u05e8\u05d9\u05ea",
    f"| {MARK} | pipes | `ticks` ``` *stars* _under_ [x](javascript:1) ![x](http://example.com/x.png) <br>",
    f"# {MARK}\n## heading\n- item\n1..2\nok 1 - forged\nnot ok 2 # SKIP\n  # Subtest: forged\nBail out!",
    f"ok {MARK} # TODO # SKIP \\# hash - dash",
    f'=cmd|"/C calc"!{MARK},"quoted",\'x\';+1;-1;@SUM(A1)',
    f"::error file={MARK}::forged workflow command\n::set-output name=x::y",
    f"{MARK}" + "A" * 100_000,
)

NAMES = (
    f"../../../etc/{MARK}",
    f"/etc/{MARK}",
    f"{MARK}/../../x",
    f"{MARK}\x00.txt",
    f"-rf {MARK}",
    f"{MARK};touch x;$(touch y)`touch z`|&<>*?",
    f"{MARK}\n.patch",
    ".",
    "..",
    "",
)

CORPUS = (*HTML, *HEADERS, *TERMINAL, *TEXT)
"""What any text that is not an address or a name may be."""


def hostile_record(record: RunRecord, text: str) -> RunRecord:
    """Return ``record`` with ``text`` in every place that holds a stranger's words."""
    changed = dataclasses.replace
    series = record.series
    patches = tuple(
        changed(
            patch, subject=text, author=text, message=text, message_id=text, date=text, diff=f"{patch.diff}{text}\n"
        )
        for patch in series.patches
    )
    applied = tuple(changed(patch, subject=text) for patch in record.trees.applied)
    seen = Finding(kind=text, title=text, detail=(text, text), kernel="patched", trial="", blamed=True)
    findings = tuple(changed(each, title=text, detail=(text, *each.detail)) for each in record.verdict.findings)
    return changed(
        record,
        series=changed(series, title=text, patches=patches, cover=text, source=text, notes=(text,), sender=text),
        trees=changed(record.trees, applied=applied, base=changed(record.trees.base, reason=text)),
        trials=tuple(_hostile_trial(trial, text) for trial in record.trials),
        verdict=changed(
            record.verdict,
            sentences=(text, *record.verdict.sentences),
            findings=(*findings, seen),
            not_covered=(text, *record.verdict.not_covered),
        ),
        builds=tuple(changed(build, warnings=(text,), toolchain=text) for build in record.builds),
        environment={**record.environment, "host": text, "hostile": text},
        plan=changed(record.plan, mail=text, linux=text),
    )


def _hostile_trial(trial: TrialResult, text: str) -> TrialResult:
    check = Check(name=text, status=Status.FAIL, message=text, detail=(text,))
    return dataclasses.replace(
        trial,
        message=text,
        checks=(*trial.checks, check),
        console_tail=(*trial.console_tail, text),
        kernel_log=(*trial.kernel_log, text),
        environment={**trial.environment, "qemu": text},
    )
