"""A public-inbox mirror (v2: ``git/0.git``, ``git/1.git``, ...), by git alone: every commit brings one mail as the file ``m``.

The cursor has the last commit that was read of each epoch. A mirror may be rewritten (public-inbox-purge, or its source
was): then the last commit is no ancestor of the head any more, and what the new history has beyond the part that both share
is read again; the queue knows what it took. https://public-inbox.org/public-inbox-v2-format.html
"""

from __future__ import annotations

import contextlib
import json
import re
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

from orchestrator.errors import InfraError
from orchestrator.host import process
from orchestrator.host.deadline import Cancellation, Deadline
from orchestrator.watch.queue import Queue
from orchestrator.watch.sources.base import HEAD, Arrival, Passed, Source

GIT_TIMEOUT_S = 300.0
UPDATE_TIMEOUT_S = 900.0
_EPOCH = re.compile(r"([0-9]{1,6})\.git")
_COMMIT = re.compile(r"[0-9a-f]{40,64}")


class MirrorSource(Source):
    """A mirror. ``path`` is the inbox' folder, or its ``git`` folder."""

    def read(self, queue: Queue, *, largest: int, cancellation: Cancellation) -> Iterator[Arrival | Passed]:
        """Yield the mails of all commits since the cursor, epoch after epoch."""
        if self.settings.update:
            self._update(cancellation)
        cursor = _Cursor.of(queue.cursor(self.name), since=time.time() - self.settings.since_days * 86400)
        for epoch, repository in self._epochs():
            git = _Git(repository, cancellation)
            head = git.head()
            last = cursor.commits.get(epoch)
            if head is None or head == last:
                continue
            if last is not None and not git.is_ancestor(last, head):
                last = git.merge_base(last, head)
                self.notes.append(f"epoch {epoch} was rewritten: read again from {last or 'its beginning'}")
            commits = git.commits(last, head, since=cursor.since)
            with git.mails() as mail:
                for commit in commits:
                    cancellation.check()
                    cursor.commits[epoch] = commit
                    if found := mail(commit, largest):
                        yield Arrival(data=found[0], size=found[1], cursor=cursor.text())
            cursor.commits[epoch] = head
            yield Passed(cursor=cursor.text())

    def _update(self, cancellation: Cancellation) -> None:
        argv = self.settings.update
        done = process.run(
            argv, cwd=self.settings.path, deadline=Deadline(UPDATE_TIMEOUT_S, what=argv[0], cancellation=cancellation)
        )
        if not done.ok:
            raise InfraError(f"the mirror {self.settings.path} could not be updated", evidence=done.evidence())

    def _epochs(self) -> list[tuple[str, Path]]:
        """Return the epochs' repositories by number."""
        path = self.settings.path
        for folder in (path / "git", path):
            found = {int(match[1]): child for child in _children(folder) if (match := _EPOCH.fullmatch(child.name))}
            if found:
                return [(str(number), found[number]) for number in sorted(found)]
        raise InfraError(
            f"{path} is no public-inbox mirror: there is no git/0.git",
            hint="the folder of a v2 inbox; public-inbox-clone(1) makes one",
        )


def _children(folder: Path) -> list[Path]:
    try:
        return [child for child in folder.iterdir() if child.is_dir()]
    except OSError:
        return []


class _Cursor:
    """The last commit read of each epoch; ``since`` is the time (seconds since 1970) before which mails are passed over."""

    def __init__(self, since: float, commits: dict[str, str]) -> None:
        self.since = since
        self.commits = commits

    @classmethod
    def of(cls, text: str, *, since: float) -> _Cursor:
        """Read a cursor; the first time ``since`` is where reading begins, and stays so."""
        if not text:
            return cls(since, {})
        kept = json.loads(text)
        return cls(float(kept["since"]), dict(kept["commits"]))

    def text(self) -> str:
        """Return the cursor as it is kept."""
        return json.dumps({"since": self.since, "commits": self.commits})


class _Git:
    """One repository, read by git's commands."""

    def __init__(self, repository: Path, cancellation: Cancellation) -> None:
        self._repository = repository
        self._cancellation = cancellation

    def head(self) -> str | None:
        """Return the head's commit, None in an epoch that is empty."""
        said = self._git("rev-parse", "--verify", "--quiet", "HEAD^{commit}")
        word = said.stdout.strip()
        if said.ok and _COMMIT.fullmatch(word):
            return word
        if said.stderr.strip():
            raise InfraError(f"git cannot read {self._repository}", evidence=said.evidence())
        return None

    def is_ancestor(self, old: str, new: str) -> bool:
        """Whether ``new`` has ``old`` in its history."""
        return self._git("merge-base", "--is-ancestor", old, new).ok

    def merge_base(self, old: str, new: str) -> str | None:
        """Return the last commit that both histories have, None when there is none, or ``old`` is gone."""
        said = self._git("merge-base", old, new)
        word = said.stdout.strip()
        return word if said.ok and _COMMIT.fullmatch(word) else None

    def commits(self, last: str | None, head: str, *, since: float) -> list[str]:
        """Return the commits after ``last`` up to ``head``, oldest first; without ``last`` those since a time."""
        span = f"{last}..{head}" if last else head
        floor = [f"--since-as-filter=@{int(since)}"] if since > 0 and not last else []
        said = self._git("rev-list", "--first-parent", "--reverse", *floor, span)
        if not said.ok:
            raise InfraError(f"git cannot list the mails in {self._repository}", evidence=said.evidence())
        return said.stdout.split()

    @contextlib.contextmanager
    def mails(self) -> Iterator[Callable[[str, int], tuple[bytes, int] | None]]:
        """Hold a function that returns the mail of a commit, cut where it is too large, and its size; None for none."""
        argv = ["git", f"--git-dir={self._repository}", "cat-file", "--batch-command"]
        with process.running(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as child:
            to, answers = child.popen.stdin, child.popen.stdout
            assert to is not None  # noqa: S101 - pipes were asked for
            assert answers is not None  # noqa: S101

            def mail(commit: str, largest: int) -> tuple[bytes, int] | None:
                words = _ask(to, answers, f"info {commit}:m")
                if words[-1:] == ["missing"] or words[1:2] != ["blob"]:
                    return None
                size = int(words[2])
                _ask(to, answers, f"contents {words[0]}")
                data = answers.read(size) if size <= largest else answers.read(HEAD)
                left = size - len(data) + 1
                while left > 0 and (gone := len(answers.read(min(left, 1 << 16)))):
                    left -= gone
                if left > 0:
                    raise InfraError(f"git stopped in the middle of a mail in {self._repository}")
                return data, size

            yield mail

    def _git(self, *words: str) -> process.Finished:
        deadline = Deadline(GIT_TIMEOUT_S, what="git", cancellation=self._cancellation)
        return process.run(["git", f"--git-dir={self._repository}", *words], deadline=deadline)


def _ask(to: IO[bytes], answers: IO[bytes], command: str) -> list[str]:
    try:
        to.write(command.encode() + b"\n")
        to.flush()
    except OSError as error:
        raise InfraError(f"git cat-file ended: {error.strerror}") from error
    line = answers.readline(1000)
    if not line.endswith(b"\n"):
        raise InfraError("git cat-file ended in the middle of its work")
    return line.decode("utf-8", "replace").split()
