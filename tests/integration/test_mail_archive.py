"""Our mail in a real public-inbox on this machine, in the right thread, and back through the real b4."""

from __future__ import annotations

import dataclasses
import gzip
import mailbox
import re
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrator.report.mail.compose import ComposedMail
from orchestrator.report.mail.thread import answered
from tests.command import COMMAND, REPOSITORY
from tests.integration.archive import Archive, running_archive
from tests.unit.intake.test_messages import read
from tests.unit.report.mails import mail_on, parsed, recorded

THREAD = REPOSITORY / "tests" / "data" / "mail" / "versions-two.mbox"
COVER = "20260629.2-0-aiko@example.org"


@pytest.fixture(scope="module")
def ours() -> ComposedMail:
    """The mail about a recorded regression, as the answer to a series that is in the archive."""
    series = read(THREAD)
    record = recorded("regression")
    record = dataclasses.replace(record, series=dataclasses.replace(record.series, messages=series.messages))
    target = answered(record)
    assert target is not None
    assert target.message_id == COVER
    return mail_on(record)


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory, ours: ComposedMail) -> Iterator[Archive]:
    folder = tmp_path_factory.mktemp("archive")
    with_ours = folder / "ours.mbox"
    # As a list passes it on.
    head, _, body = ours.data.partition(b"\n\n")
    passed_on = head + b"\nList-Id: <mm.lists.example.org>\nPrecedence: bulk\n\n" + body
    with_ours.write_bytes(b"From mboxrd@z Thu Jan  1 00:00:00 1970\n" + passed_on)
    with running_archive(folder, [THREAD, with_ours]) as running:
        yield running


def page(url: str) -> str:
    with urllib.request.urlopen(url, timeout=60) as answer:
        data: bytes = answer.read()
    return (gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data).decode()


def test_archive_shows_it_below_the_cover_letter(archive: Archive, ours: ComposedMail) -> None:
    thread = page(f"{archive.url}{COVER}/t.mbox.gz")
    assert f"Message-ID: <{ours.message_id}>" in thread

    shown = re.sub(r"<[^>]+>", "", page(f"{archive.url}{COVER}/t/"))
    overview = shown[shown.index("Thread overview") :]
    # The mark is how deep it stands in the thread: an answer to the cover letter, beside the patches.
    assert "12:00 ` [PATCH v2 0/3] mm: zswap: say how much was scanned Jo Tester" in overview
    assert overview.count("10:20 ` [PATCH v2 ") == 3


def test_archive_gives_it_back_as_it_was_sent(archive: Archive, ours: ComposedMail) -> None:
    raw = page(f"{archive.url}{ours.message_id}/raw")
    _, _, message = raw.partition("\n") if raw.startswith("From ") else ("", "", raw)
    assert parsed(message.encode()).get_content().rstrip("\n") == ours.text.rstrip("\n")


def test_b4_fetches_the_thread_with_it(archive: Archive, ours: ComposedMail, tmp_path: Path) -> None:
    b4 = Path(sys.executable).parent / "b4"
    argv = [str(b4), "--no-interactive", "--no-stdin", "mbox", "-o", str(tmp_path), "-n", "thread.mbx", COVER]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=120, check=False, env=archive.environment)
    assert done.returncode == 0, done.stderr
    box = mailbox.mbox(tmp_path / "thread.mbx")
    try:
        found = {str(message["Message-ID"]).strip("<>"): message for message in box}
    finally:
        box.close()
    mine = found[ours.message_id]
    assert mine["In-Reply-To"] == f"<{COVER}>"
    assert {f"20260629.2-{part}-aiko@example.org" for part in range(4)} <= set(found)


def test_b4_takes_no_trailer_and_no_patch_from_it(archive: Archive, tmp_path: Path) -> None:
    b4 = Path(sys.executable).parent / "b4"
    argv = [str(b4), "--no-interactive", "--no-stdin", "am", "-o", str(tmp_path), "-n", "series", COVER]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=120, check=False, env=archive.environment)
    assert done.returncode == 0, done.stderr
    (made,) = tmp_path.glob("series*.mbx")
    assert "Jo Tester" not in made.read_text()
    assert made.read_text().count("\n---\n") == 3


def test_orchestrator_reads_the_thread_with_its_own_mail_in_it(archive: Archive) -> None:
    argv = [*COMMAND, "series", "--offline", "--json", COVER]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=300, check=False, env=archive.environment)
    assert done.returncode == 0, done.stderr
    assert '"total": 3' in done.stdout
