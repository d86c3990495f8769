"""Sources, against the real things: public-inbox and git, dovecot, folders."""

from __future__ import annotations

import dataclasses
import json
import re
import resource
import shutil
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from email.utils import formatdate
from pathlib import Path
from typing import Any

import pytest

from orchestrator.errors import InfraError, UserError
from orchestrator.host.deadline import Cancellation
from orchestrator.model.watch import ImapServer, SourceKind, SourceSettings, Tls, WatchSettings
from orchestrator.watch.queue import Queue
from orchestrator.watch.sources import source_of
from orchestrator.watch.sources.base import Arrival
from orchestrator.watch.sources.imap import ImapSource
from orchestrator.watch.state import State
from tests.command import eventually
from tests.lists import ADDRESS, Dovecot, Inbox, make_inbox, running_dovecot
from tests.watching import Bench, drop_into, mail, patch, posting, settings_for, watching

SUBJECT = re.compile(rb"^Subject: (.*)$", re.MULTILINE)


def watched(folder: Path, kind: SourceKind, path: Path = Path(), **more: Any) -> WatchSettings:
    source = SourceSettings(name="mm", kind=kind, path=path, poll_s=0.01, since_days=36500, **more)
    return dataclasses.replace(settings_for(folder), sources=(source,))


def to_list(mails: list[bytes]) -> list[bytes]:
    return [each.replace(b"To: mm@lists.example.org", f"To: {ADDRESS}".encode()) for each in mails]


# A mirror


@pytest.fixture
def inbox(tmp_path: Path) -> Inbox:
    return make_inbox(tmp_path / "list")


@pytest.fixture
def mirror(tmp_path: Path, inbox: Inbox) -> Iterator[Bench]:
    (tmp_path / "watch").mkdir()
    with watching(tmp_path / "watch", watched(tmp_path / "watch", SourceKind.PUBLIC_INBOX, inbox.path)) as bench:
        yield bench


def test_mirror_when_mails_are_delivered_while_it_is_watched_then_each_is_taken_once(
    inbox: Inbox, mirror: Bench
) -> None:
    parts = to_list(posting("alpha", 2))
    mirror.settle()

    for each in parts:
        assert mirror.runs == []
        inbox.deliver(each)
        mirror.settle()

    assert mirror.states() == [State.SENT]
    assert mirror.queue.counters()["mails part"] == 3
    assert inbox.git("rev-parse", "HEAD") in mirror.queue.cursor("mm")


def test_mirror_when_it_is_rewritten_then_read_again_and_nothing_is_lost_or_doubled(
    inbox: Inbox, mirror: Bench
) -> None:
    inbox.deliver(*to_list([patch("alpha"), patch("beta")]))
    mirror.settle()
    # The whole history anew, as after a purge: no commit stays, one mail more is there.
    blobs = [inbox.git("rev-parse", f"{commit}:m") for commit in inbox.git("rev-list", "--reverse", "HEAD").split()]
    blobs.append(inbox.git("hash-object", "-w", "--stdin", given=to_list([patch("gamma")])[0]))
    parent: list[str] = []
    for blob in blobs:
        tree = inbox.git("mktree", given=f"100644 blob {blob}\tm\n".encode())
        parent = [
            "-p",
            inbox.git("-c", "user.name=x", "-c", "user.email=x@y", "commit-tree", tree, "-m", "again", *parent),
        ]
    inbox.git("update-ref", "HEAD", parent[1])
    inbox.git("reflog", "expire", "--expire=now", "--all")
    inbox.git("gc", "--prune=now", "--quiet")

    mirror.settle()

    assert sorted(entry.title for entry in mirror.entries()) == ["alpha", "beta", "gamma"]
    assert len(mirror.runs) == len(mirror.sent) == 3
    (said,) = [fields["says"] for event, fields in mirror.events if event == "source note"]
    assert said == "epoch 0 was rewritten: read again from its beginning"
    assert parent[1] in mirror.queue.cursor("mm")


def test_mirror_when_its_last_mail_is_taken_back_then_reading_goes_on(inbox: Inbox, mirror: Bench) -> None:
    inbox.deliver(*to_list([patch("alpha"), patch("beta")]))
    mirror.settle()

    inbox.git("update-ref", "HEAD", inbox.git("rev-parse", "HEAD^"))
    mirror.settle()
    inbox.deliver(*to_list([patch("gamma")]))
    mirror.settle()

    assert sorted(entry.title for entry in mirror.entries()) == ["alpha", "beta", "gamma"]
    assert len(mirror.runs) == 3


def test_mirror_when_a_new_epoch_begins_then_it_is_read_as_well(inbox: Inbox, mirror: Bench) -> None:
    inbox.deliver(*to_list([patch("alpha")]))
    mirror.settle()

    second = inbox.path / "git" / "1.git"
    shutil.copytree(inbox.path / "git" / "0.git", second, symlinks=True)
    blob = inbox.git("hash-object", "-w", "--stdin", given=to_list([patch("beta")])[0], epoch=1)
    tree = inbox.git("mktree", given=f"100644 blob {blob}\tm\n".encode(), epoch=1)
    named = ("-c", "user.name=x", "-c", "user.email=x@y")
    inbox.git("update-ref", "HEAD", inbox.git(*named, "commit-tree", tree, "-m", "x", epoch=1), epoch=1)
    mirror.settle()

    assert sorted(entry.title for entry in mirror.entries()) == ["alpha", "beta"]


def test_mirror_when_a_mail_was_removed_from_it_then_the_others_are_taken(inbox: Inbox, mirror: Bench) -> None:
    inbox.deliver(*to_list([patch("alpha"), patch("beta")]))
    tree = inbox.git("mktree", given=f"100644 blob {inbox.git('rev-parse', 'HEAD:m')}\td\n".encode())
    commit = inbox.git("-c", "user.name=x", "-c", "user.email=x@y", "commit-tree", tree, "-p", "HEAD", "-m", "rm")
    inbox.git("update-ref", "HEAD", commit)

    mirror.settle()

    assert sorted(entry.title for entry in mirror.entries()) == ["alpha", "beta"]


def test_mirror_when_it_is_first_read_then_old_mails_are_passed_over(tmp_path: Path, inbox: Inbox) -> None:
    inbox.deliver(*to_list([patch("alpha")]))
    old = inbox.git("rev-parse", "HEAD^{tree}")
    named = {"GIT_COMMITTER_DATE": "2001-01-01T00:00:00Z", "GIT_AUTHOR_DATE": "2001-01-01T00:00:00Z"}
    dated = dataclasses.replace(inbox, environment={**inbox.environment, **named})
    first = dated.git("-c", "user.name=x", "-c", "user.email=x@y", "commit-tree", old, "-m", "old")
    inbox.git("update-ref", "HEAD", first)
    now = formatdate().encode()
    inbox.deliver(
        *(re.sub(rb"^Date: .*", b"Date: " + now, each, flags=re.MULTILINE) for each in to_list([patch("beta")]))
    )
    wanted = watched(tmp_path, SourceKind.PUBLIC_INBOX, inbox.path)
    recent = dataclasses.replace(wanted.sources[0], since_days=7.0)

    with watching(tmp_path, dataclasses.replace(wanted, sources=(recent,))) as bench:
        bench.settle()

        assert [entry.title for entry in bench.entries()] == ["beta"]


def test_mirror_when_a_mail_has_200_mb_then_its_head_is_read_and_no_more(inbox: Inbox, mirror: Bench) -> None:
    huge = patch("alpha") + b"+x\n" * (200 << 20 >> 2)
    blob = inbox.git("hash-object", "-w", "--stdin", given=huge)
    del huge
    tree = inbox.git("mktree", given=f"100644 blob {blob}\tm\n".encode())
    inbox.git(
        "update-ref", "HEAD", inbox.git("-c", "user.name=x", "-c", "user.email=x@y", "commit-tree", tree, "-m", "x")
    )
    inbox.deliver(*to_list([patch("beta")]))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    mirror.settle()

    # Our own memory; git streams from its pack.
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 40 << 10
    states = {entry.title: (entry.state, entry.reason) for entry in mirror.entries()}
    assert states["alpha"] == (State.REFUSED, "the mail has 150 MiB")
    assert states["beta"][0] is State.SENT


def test_mirror_when_there_is_none_then_the_source_says_so_and_the_others_go_on(tmp_path: Path) -> None:
    wanted = watched(tmp_path, SourceKind.PUBLIC_INBOX, tmp_path / "nowhere")
    both = (*wanted.sources, *dataclasses.replace(settings_for(tmp_path)).sources)
    named = (dataclasses.replace(both[0], name="gone"), dataclasses.replace(both[1], name="well"))
    with watching(tmp_path, dataclasses.replace(wanted, sources=named)) as bench:
        bench.deliver(patch("alpha"))
        bench.settle()

        assert bench.states() == [State.SENT]
        faults = {source["name"]: source["fault"] for source in bench.queue.sources()}
        assert "is no public-inbox mirror" in faults["gone"]
        assert faults["well"] == ""


def test_mirror_when_its_update_fails_then_that_is_said(tmp_path: Path, inbox: Inbox) -> None:
    wanted = watched(tmp_path, SourceKind.PUBLIC_INBOX, inbox.path, update=("git", "no-such-command"))
    with watching(tmp_path, wanted) as bench:
        bench.settle()

        assert "could not be updated" in bench.queue.sources()[0]["fault"]


# Files


def test_maildir_when_a_mail_is_read_by_somebody_else_then_it_is_not_taken_again(tmp_path: Path) -> None:
    with watching(tmp_path) as bench:
        bench.deliver(patch("alpha"))
        bench.settle()
        (path,) = (tmp_path / "maildir" / "new").iterdir()
        path.rename(tmp_path / "maildir" / "cur" / f"{path.name}:2,S")
        bench.settle()

        assert bench.queue.counters() == {"mails part": 1, "verdict PASS": 1}
        assert len(bench.queue.taken("mm")) == 1


def test_maildir_when_a_mail_is_removed_then_its_name_is_forgotten(tmp_path: Path) -> None:
    with watching(tmp_path) as bench:
        bench.deliver(patch("alpha"))
        bench.settle()
        for path in (tmp_path / "maildir" / "new").iterdir():
            path.unlink()
        bench.settle()

        assert bench.queue.taken("mm") == set()
        assert bench.states() == [State.SENT]


def test_maildir_when_a_mail_has_200_mb_then_it_is_not_read_into_memory(tmp_path: Path) -> None:
    with watching(tmp_path) as bench:
        bench.deliver(*posting("alpha", 2)[:2])
        name = tmp_path / "maildir" / "new" / "999999.M1P1.host"
        with name.open("wb") as handle:
            handle.write(posting("alpha", 2)[2])
            handle.truncate(200 << 20)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        bench.settle()

        assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 40 << 10
        (entry,) = bench.entries()
        assert (entry.state, entry.reason) == (State.REFUSED, "the mail has 200 MiB")


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Bench]:
    (tmp_path / "in").mkdir()
    with watching(tmp_path, watched(tmp_path, SourceKind.FOLDER, tmp_path / "in")) as bench:
        yield bench


def test_folder_when_a_file_is_still_being_written_then_it_is_waited_for(tmp_path: Path, folder: Bench) -> None:
    path = tmp_path / "in" / "one.eml"
    whole = patch("alpha")
    for end in (100, 200, len(whole)):
        path.write_bytes(whole[:end])
        folder.watcher.look_again()
        folder.watcher.round()
        assert folder.entries() == []

    folder.settle()

    assert folder.states() == [State.SENT]


def test_folder_when_a_file_is_an_mbox_then_all_its_mails_are_taken(tmp_path: Path, folder: Bench) -> None:
    from_line = b"From mboxrd@z Thu Jan  1 00:00:00 1970\n"
    (tmp_path / "in" / "t.mbox").write_bytes(b"\n".join(from_line + each for each in posting("alpha", 2)))
    (tmp_path / "in" / ".hidden.eml").write_bytes(patch("beta"))
    (tmp_path / "in" / "notes.md").write_bytes(patch("gamma"))

    folder.settle()

    assert [(entry.title, entry.state) for entry in folder.entries()] == [("alpha", State.SENT)]


def test_folder_when_mails_have_no_message_id_then_they_are_told_apart_by_content(
    tmp_path: Path, folder: Bench
) -> None:
    for name in ("one", "two"):
        text = re.sub(rb"Message-ID: .*\n", b"", patch(name))
        (tmp_path / "in" / f"{name}.eml").write_bytes(text)
        (tmp_path / "in" / f"{name}-again.eml").write_bytes(text)

    folder.settle()

    assert sorted((entry.title, entry.state) for entry in folder.entries()) == [("one", "done"), ("two", "done")]
    assert all("without a message id" in entry.reason for entry in folder.entries())


def test_folder_when_it_is_not_there_then_the_source_says_so(tmp_path: Path) -> None:
    source = source_of(SourceSettings(name="x", kind=SourceKind.FOLDER, path=tmp_path / "nowhere"))
    queue = Queue(tmp_path / "q.sqlite3")

    with pytest.raises(InfraError, match=r"cannot read .*nowhere"):
        list(source.read(queue, largest=1 << 20, cancellation=Cancellation()))
    queue.close()


# IMAP


@pytest.fixture
def dovecot() -> Iterator[Dovecot]:
    with running_dovecot() as server:
        yield server


def imap_settings(folder: Path, port: int, **more: Any) -> WatchSettings:
    secret = folder / "password"
    secret.write_text("secret\n")
    server = ImapServer(host="127.0.0.1", port=port, tls=Tls.NONE, user="watcher", password_file=secret, **more)
    return watched(folder, SourceKind.IMAP, imap=server)


def test_imap_when_mails_come_then_each_is_taken_once_and_none_is_marked_as_read(
    tmp_path: Path, dovecot: Dovecot
) -> None:
    with watching(tmp_path, imap_settings(tmp_path, dovecot.port)) as bench:
        parts = posting("alpha", 2)
        drop_into(dovecot.maildir, parts[:2])
        bench.settle()
        assert bench.states() == [State.SEEN]

        drop_into(dovecot.maildir, parts[2:])
        bench.settle()

        assert bench.states() == [State.SENT]
        assert bench.queue.counters()["mails part"] == 3
        assert not [path for path in (dovecot.maildir / "cur").iterdir() if "S" in path.name.rpartition(",")[2]]


def test_imap_when_the_server_goes_away_then_the_fault_is_said_and_reading_goes_on_when_it_is_back(
    tmp_path: Path, dovecot: Dovecot
) -> None:
    with watching(tmp_path, imap_settings(tmp_path, dovecot.port)) as bench:
        drop_into(dovecot.maildir, [patch("alpha")])
        bench.settle()
        dovecot.stop()
        bench.settle()
        assert "the IMAP server 127.0.0.1" in bench.queue.sources()[0]["fault"]

        drop_into(dovecot.maildir, [patch("beta")])
        dovecot.start()
        bench.settle()

        assert bench.states() == [State.SENT, State.SENT]
        assert bench.queue.sources()[0]["fault"] == ""


def test_imap_when_the_mailbox_is_made_anew_then_all_is_read_again_and_nothing_is_doubled(
    tmp_path: Path, dovecot: Dovecot
) -> None:
    with watching(tmp_path, imap_settings(tmp_path, dovecot.port)) as bench:
        drop_into(dovecot.maildir, [patch("alpha"), patch("beta")])
        bench.settle()
        dovecot.stop()
        for path in dovecot.maildir.glob("dovecot*"):
            path.unlink()
        # Another UIDVALIDITY, and other numbers.
        (dovecot.maildir / "dovecot-uidlist").write_text("3 V12345 N900 G0123456789abcdef0123456789abcdef\n")
        (dovecot.maildir / "dovecot-uidlist").chmod(0o666)
        drop_into(dovecot.maildir, [patch("gamma")])
        dovecot.start()
        bench.settle()

        assert json.loads(bench.queue.cursor("mm"))["validity"] == 12345
        assert sorted(entry.title for entry in bench.entries()) == ["alpha", "beta", "gamma"]
        assert len(bench.runs) == 3


def test_imap_when_a_mail_comes_while_it_idles_then_it_wakes_us_also_after_the_server_was_away(
    tmp_path: Path, dovecot: Dovecot
) -> None:
    source = ImapSource(imap_settings(tmp_path, dovecot.port).sources[0])
    woken = threading.Semaphore(0)
    source.listen(woken.release)
    try:
        assert woken.acquire(timeout=30)
        drop_into(dovecot.maildir, [patch("alpha")])
        assert woken.acquire(timeout=30)

        dovecot.stop()
        dovecot.start()
        assert woken.acquire(timeout=60)
        while woken.acquire(timeout=2):
            pass
        drop_into(dovecot.maildir, [patch("beta")])
        assert woken.acquire(timeout=30)
    finally:
        source.close()


def test_imap_when_idle_is_renewed_then_it_goes_on_listening(tmp_path: Path, dovecot: Dovecot) -> None:
    source = ImapSource(imap_settings(tmp_path, dovecot.port, idle_s=0.6).sources[0])
    woken = threading.Semaphore(0)
    source.listen(woken.release)
    try:
        assert woken.acquire(timeout=30)
        assert not woken.acquire(timeout=3)
        drop_into(dovecot.maildir, [patch("alpha")])
        assert woken.acquire(timeout=30)
    finally:
        source.close()


def test_imap_when_a_mail_is_too_large_then_only_its_head_is_fetched(tmp_path: Path, dovecot: Dovecot) -> None:
    wanted = imap_settings(tmp_path, dovecot.port)
    budgets = dataclasses.replace(wanted.budgets, largest_mail=1 << 20)
    with watching(tmp_path, dataclasses.replace(wanted, budgets=budgets)) as bench:
        drop_into(dovecot.maildir, [patch("alpha") + b"x" * 70 + b"\n" + (b"y" * 70 + b"\n") * 60000, patch("beta")])
        bench.settle()

        found = {entry.title: entry.state for entry in bench.entries()}
        assert found == {"alpha": State.REFUSED, "beta": State.SENT}


def test_imap_when_the_password_is_wrong_then_the_fault_says_so(tmp_path: Path, dovecot: Dovecot) -> None:
    wanted = imap_settings(tmp_path, dovecot.port)
    (tmp_path / "password").write_text("other")
    with watching(tmp_path, wanted) as bench:
        bench.settle()

        assert "AUTHENTICATIONFAILED" in bench.queue.sources()[0]["fault"]


def test_imap_when_it_is_public_inboxs_own_server_then_a_list_is_read_by_it(tmp_path: Path, inbox: Inbox) -> None:
    inbox.git("config", "-f", inbox.environment["PI_CONFIG"], "publicinbox.mm.newsgroup", "inbox.test.mm")
    inbox.deliver(*to_list(posting("alpha", 1)))
    wanted = imap_settings(tmp_path, free_port(), mailbox="inbox.test.mm.0")
    assert wanted.sources[0].imap is not None
    argv = ["public-inbox-imapd", "-W0", "-l", f"imap://127.0.0.1:{wanted.sources[0].imap.port}"]
    with (tmp_path / "imapd.log").open("wb") as log:
        server = subprocess.Popen(argv, env=inbox.environment, stdout=log, stderr=log)
    try:
        with watching(tmp_path, wanted) as bench:
            assert eventually(lambda: bench.settle() or bench.states() == [State.SENT])  # type: ignore[func-returns-value]
            inbox.deliver(*to_list([patch("beta")]))
            assert eventually(lambda: bench.settle() or len(bench.states()) == 2)  # type: ignore[func-returns-value]

            assert bench.queue.counters()["mails part"] == 3
    finally:
        server.terminate()
        server.wait(60)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def serve(answers: list[bytes]) -> tuple[int, Callable[[], None]]:
    """Serve one connection with fixed answers, one for each command."""
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen()

    def work() -> None:
        channel, _ = listener.accept()
        with channel:
            channel.sendall(b"* PREAUTH [CAPABILITY IMAP4rev1] ready\r\n")
            for answer in answers:
                line = channel.recv(4096)
                if not line:
                    return
                channel.sendall(answer.replace(b"TAG", line.split()[0]))

    thread = threading.Thread(target=work)
    thread.start()

    def end() -> None:
        listener.close()
        thread.join(30)

    return listener.getsockname()[1], end


@pytest.mark.parametrize(
    "answers",
    [
        [b"* CAPABILITY IMAP4rev1\r\nTAG OK\r\n", b"* 1 EXISTS\r\n* OK [UIDVALIDITY 1] x\r\n* OK [UIDNEXT 2] x\r\nTAG OK\r\n",
         b"* SEARCH 1\r\nTAG OK\r\n", b"* 1 FETCH (UID 1 RFC822.SIZE 10)\r\nTAG OK\r\n", b"* 1 FETCH (BODY[] {9999999999}\r\nxx"],
        [b"* CAPABILITY IMAP4rev1\r\nTAG OK\r\n", b"x" * 3_000_000],
        [b"* BYE no\r\n"],
    ],
)  # fmt: skip
def test_imap_when_the_server_lies_then_a_fault_and_no_more_memory(tmp_path: Path, answers: list[bytes]) -> None:
    port, end = serve(answers)
    source = ImapSource(
        watched(tmp_path, SourceKind.IMAP, imap=ImapServer(host="127.0.0.1", port=port, tls=Tls.NONE)).sources[0]
    )
    queue = Queue(tmp_path / "q.sqlite3")
    try:
        with pytest.raises(InfraError, match="the IMAP server"):
            list(source.read(queue, largest=1 << 20, cancellation=Cancellation()))
    finally:
        end()
        queue.close()


def test_imap_when_the_password_file_is_gone_then_said(tmp_path: Path, dovecot: Dovecot) -> None:
    wanted = imap_settings(tmp_path, dovecot.port)
    (tmp_path / "password").unlink()
    with watching(tmp_path, wanted) as bench:
        bench.settle()
        assert "cannot read the password" in bench.queue.sources()[0]["fault"]
    queue = Queue(tmp_path / "q.sqlite3")
    with pytest.raises(UserError, match="cannot read the password"):
        list(ImapSource(wanted.sources[0]).read(queue, largest=1 << 20, cancellation=Cancellation()))
    queue.close()


def test_arrival_when_nothing_is_said_then_it_has_no_key() -> None:
    assert Arrival(data=mail(subject="x", body="y", message_id="m@x"), size=1).key == ""
