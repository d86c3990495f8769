"""What the tests of the watcher share: postings made here, a runner and a sending side that only note what they are told."""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from orchestrator.host.deadline import Cancellation
from orchestrator.model.verdict import Outcome
from orchestrator.model.watch import (
    Budgets,
    Completion,
    Filter,
    RunSettings,
    SourceKind,
    SourceSettings,
    WatchSettings,
)
from orchestrator.watch.outbox import Delivered, Fate, Prepared, Verdictful
from orchestrator.watch.queue import Queue
from orchestrator.watch.runner import LOG, PLAN, RUN, Ended, Job, ended, run_folder
from orchestrator.watch.service import Watcher
from orchestrator.watch.sources import source_of
from orchestrator.watch.state import Entry, State

LIST = "mm@lists.example.org"
LIST_ID = "mm.lists.example.org"
AUTHOR = "A Uthor <a@example.org>"


def diff(number: int, *, path: str = "mm/zswap.c", text: str = "") -> str:
    """Return a diff that is its own for each number and text."""
    return (
        f"diff --git a/{path} b/{path}\nindex 1111111..2222222 100644\n--- a/{path}\n+++ b/{path}\n"
        f"@@ -{number * 10 + 1},3 +{number * 10 + 1},4 @@ int demo(void)\n int demo(void)\n {{\n+\tint one = {number}; /* {text} */\n \treturn 0;\n"
    )


def mail(
    *,
    subject: str,
    body: str,
    message_id: str,
    answers: str = "",
    author: str = AUTHOR,
    to: str = LIST,
    headers: str = "",
    list_id: str = LIST_ID,
) -> bytes:
    """Return a mail as a list passes it on."""
    reply = f"In-Reply-To: <{answers}>\nReferences: <{answers}>\n" if answers else ""
    named = f"List-Id: <{list_id}>\n" if list_id else ""
    return (
        f"From: {author}\nTo: {to}\nDate: Mon, 29 Jun 2026 19:20:28 +0800\nSubject: {subject}\n"
        f"Message-ID: <{message_id}>\n{reply}{named}{headers}\n{body}\n"
    ).encode()


def patch(
    title: str,
    number: int = 0,
    total: int = 0,
    *,
    version: int = 1,
    message_id: str = "",
    answers: str = "",
    tag: str = "PATCH",
    path: str = "mm/zswap.c",
    text: str = "",
    **more: str,
) -> bytes:
    """Return a patch mail; without a total one without ``n/m``."""
    words = [tag, *([f"v{version}"] if version > 1 else []), *([f"{number}/{total}"] if total else [])]
    return mail(
        subject=f"[{' '.join(words)}] {title}",
        body=f"Because.\n\nSigned-off-by: A Uthor <a@example.org>\n---\n{diff(number, path=path, text=text or f'{title} v{version}')}-- \n2.39.5\n",
        message_id=message_id or f"{number}.{'-'.join(title.split())}.v{version}@example.org",
        answers=answers,
        **more,
    )


def posting(
    name: str, parts: int, *, version: int = 1, cover: bool = True, threads: bool = True, **more: Any
) -> list[bytes]:
    """Return a series in the order in which git send-email sends it: cover letter, then parts that answer it.

    Without a cover letter they answer the first part; without ``threads`` nothing.
    """
    head = f"{name}.v{version}@example.org" if cover else f"1.{name}.v{version}@example.org"
    found = []
    if cover:
        tag = f"[PATCH{f' v{version}' if version > 1 else ''} 0/{parts}]"
        rest = {key: value for key, value in more.items() if key in {"author", "headers", "to", "list_id"}}
        found.append(mail(subject=f"{tag} {name}", body="What it is for.", message_id=head, **rest))
    found += [
        patch(
            f"{name} part {number}", number, parts, version=version, message_id=f"{number}.{name}.v{version}@example.org",
            answers=head if threads and (cover or number > 1) else "", **more,
        )
        for number in range(1, parts + 1)
    ]  # fmt: skip
    return found


def drop_into(folder: Path, mails: list[bytes], *, prefix: str = "") -> None:
    """Put mails into the ``new/`` of a Maildir as a delivery agent does: written in ``tmp/``, then renamed."""
    for part in ("tmp", "new", "cur"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    start = sum(1 for _ in folder.rglob("*.*"))
    for number, data in enumerate(mails, start=start):
        name = f"{prefix}{number:06}.M1P1.host"
        (folder / "tmp" / name).write_bytes(data)
        (folder / "tmp" / name).rename(folder / "new" / name)


@dataclass
class FakeRunner:
    """A runner that takes ``polls`` looks for a run; ``outcomes`` by words of the first mail, else PASS.

    ``journal`` gets a line for each beginning: ``start SERIES ATTEMPT``, ``resume ...``.
    """

    journal: Path
    polls: int = 1
    outcomes: dict[str, list[str]] = field(default_factory=dict)

    def start(self, job: Job) -> FakeAttempt:
        """Begin or go on."""
        found = run_folder(job.folder)
        word = "start" if found is None else "resume"
        note(
            self.journal,
            f"{word} {job.folder.parent.name} {job.folder.name} {job.profile}{' partial' if job.partial else ''}",
        )
        resumed = found is not None
        if found is None:
            found = job.folder / "20260101-000000-demo"
            found.mkdir(parents=True, exist_ok=True)
            (found / PLAN).write_text("{}")
        text = b"".join(path.read_bytes() for path in sorted(job.mails.iterdir())).decode("utf-8", "replace")
        word = next((words[0] for name, words in self.outcomes.items() if name in text), "PASS")
        queue = next((words for name, words in self.outcomes.items() if name in text), [])
        if len(queue) > 1:
            queue.pop(0)
        return FakeAttempt(found, word, self.polls, resumed=resumed)


@dataclass
class FakeAttempt:
    """A run that ends after some looks. The word ``exit N`` gives an exit status and no record."""

    run: Path
    word: str
    left: int
    resumed: bool
    stopped: bool = False

    def poll(self) -> Ended | None:
        """Return how it ended."""
        self.left -= 1
        if self.left >= 0:
            return None
        if self.word.startswith("exit "):
            (self.run.parent / LOG).write_text("building\norchestrator: something was wrong\n")
            (self.run / PLAN).unlink(missing_ok=True)
            return ended(None, int(self.word.split()[1]), self.run.parent, resumed=False)
        status = Outcome(self.word).exit_status
        beside = self.run / ".run.json"
        beside.write_text(json.dumps({"verdict": {"outcome": self.word, "sentences": [f"It is {self.word}."]}}))
        beside.rename(self.run / RUN)
        return ended(self.run, status, self.run.parent, resumed=self.resumed)

    def stop(self) -> None:
        """End it."""
        self.stopped = True


@dataclass
class FakeOutbox:
    """A sending side with a ledger in a folder: a file for each reply that went out, made with O_EXCL."""

    folder: Path
    draft: bool = False

    def prepare(self, judged: Verdictful) -> Prepared:
        """Make a reply."""
        verdict = json.loads((judged.run / RUN).read_text())["verdict"]["outcome"]
        if verdict == "INCONCLUSIVE":
            return Prepared(silence="verdict INCONCLUSIVE", says="")
        return Prepared(silence="", says=f"says {verdict}")

    def deliver(self, judged: Verdictful) -> Delivered:
        """Note it once."""
        self.folder.mkdir(exist_ok=True)
        with contextlib.suppress(FileExistsError):
            os.close(os.open(self.folder / str(judged.series), os.O_CREAT | os.O_EXCL | os.O_WRONLY))
            note(self.folder.parent / "sent.log", str(judged.series))
        return Delivered(fate=Fate.DRAFT if self.draft else Fate.SENT, says="250 OK")


def note(path: Path, line: str) -> None:
    """Append a line in one write."""
    with path.open("ab", buffering=0) as handle:
        handle.write(line.encode() + b"\n")


def lines_of(path: Path) -> list[str]:
    """Return a journal's lines."""
    return path.read_text().splitlines() if path.exists() else []


def settings_for(folder: Path, **more: Any) -> WatchSettings:
    """Return settings with one Maildir, ``folder/maildir``, and no waiting."""
    drop_into(folder / "maildir", [])
    fields: dict[str, Any] = {
        "state": folder / "state",
        "sources": (SourceSettings(name="mm", kind=SourceKind.MAILDIR, path=folder / "maildir", poll_s=0.01),),
        "run": RunSettings(linux="linux-7.2", backoff_s=0.01),
        "filter": Filter(paths=("mm/zswap.c",)),
        "completion": Completion(quiet_s=60.0),
        "budgets": Budgets(free_mib=0, runs_a_day=1_000_000),
    }
    return WatchSettings(**{**fields, **more})


class Bench:
    """A watcher with fakes around it, driven round by round."""

    def __init__(self, folder: Path, settings: WatchSettings | None = None, **more: Any) -> None:
        self.folder = folder
        self.settings = settings or settings_for(folder)
        self.queue = Queue(self.settings.queue, clock=more.pop("clock", None))
        self.runner = more.pop("runner", None) or FakeRunner(folder / "runs.log")
        self.outbox = more.pop("outbox", None) or FakeOutbox(folder / "out")
        self.events: list[tuple[str, dict[str, Any]]] = []
        self.watcher = Watcher(
            self.settings,
            queue=self.queue,
            sources=more.pop("sources", None) or [source_of(source) for source in self.settings.sources],
            runner=self.runner,
            outbox=self.outbox,
            log=lambda event, **fields: self.events.append((event, fields)),
            cancellation=Cancellation(),
            **more,
        )

    def deliver(self, *mails: bytes) -> None:
        """Put mails into the Maildir."""
        drop_into(self.folder / "maildir", list(mails))

    def settle(self, rounds: int = 400) -> None:
        """Do rounds until there is nothing to do, sources looked at each time."""
        quiet = 0
        for _ in range(rounds):
            self.watcher.look_again()
            quiet = 0 if self.watcher.round() or self.queue.by_state()[State.RUNNING] else quiet + 1
            if quiet > 2:
                return
        raise AssertionError(f"never at rest: {self.events[-20:]}")

    def settle_until(self, reached: Callable[[], bool], seconds: float = 60.0) -> None:
        """Settle again and again, over the pauses after faults, until ``reached``; what comes then is for the test to say."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.settle()
            if reached():
                return
            time.sleep(0.005)

    def entries(self) -> list[Entry]:
        """Return all series."""
        return self.queue.entries()

    def states(self) -> list[State]:
        """Return where the series are, oldest first."""
        return [entry.state for entry in self.entries()]

    @property
    def runs(self) -> list[str]:
        """What the runner was told."""
        return lines_of(self.folder / "runs.log")

    @property
    def sent(self) -> list[str]:
        """Which series were answered."""
        return lines_of(self.folder / "sent.log")


@contextlib.contextmanager
def watching(folder: Path, settings: WatchSettings | None = None, **more: Any) -> Iterator[Bench]:
    """Hold a watcher with fakes around it."""
    bench = Bench(folder, settings, **more)
    try:
        yield bench
    finally:
        bench.queue.close()
