"""Message ids and links, through the real b4, from a real public-inbox on this machine."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.command import COMMAND, REPOSITORY
from tests.integration.archive import Archive, running_archive

MAILS = REPOSITORY / "tests" / "data" / "mail"
FIRST_OF_V2 = "20260629.2-1-aiko@example.org"
FIRST_OF_V1 = "20260628.1-1-aiko@example.org"


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Archive]:
    mboxes = [MAILS / "replies-with-trailers.mbox", MAILS / "versions-two.mbox", MAILS / "two-series.mbox"]
    with running_archive(tmp_path_factory.mktemp("archive"), mboxes) as running:
        yield running


def series(*words: str, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    argv = [*COMMAND, "series", "--offline", *words]
    return subprocess.run(argv, capture_output=True, text=True, timeout=300, check=False, env=environment)


def read(*words: str, environment: dict[str, str]) -> dict[str, Any]:
    done = series("--json", *words, environment=environment)
    assert done.returncode == 0, done.stderr
    loaded: dict[str, Any] = json.loads(done.stdout)["series"]
    return loaded


def test_series_when_a_message_id_then_b4_brings_the_whole_thread(archive: Archive) -> None:
    found = read(FIRST_OF_V2, environment=archive.environment)

    assert (found["version"], found["total"], found["missing"]) == (2, 3, [])
    assert [len(patch["trailers"]) for patch in found["patches"]] == [2, 0, 0]
    reference = [(MAILS / "reference" / f"v2-{nr}.diff").read_text() for nr in (1, 2, 3)]
    assert [patch["diff"] for patch in found["patches"]] == reference
    assert found["lists"] == ["mm.lists.example.org", "linux-mm.kvack.org"]


def test_series_when_a_link_of_another_archive_then_its_message_id_is_asked_for(archive: Archive) -> None:
    link = f"https://lore.kernel.org/linux-mm/{FIRST_OF_V2}/T/#t"

    assert read(link, environment=archive.environment)["title"] == "mm: zswap: say how much was scanned"


def test_series_when_an_old_version_is_named_then_the_newest_is_taken_and_said(archive: Archive) -> None:
    found = read(FIRST_OF_V1, environment=archive.environment)

    assert (found["version"], found["versions"]) == (2, [1, 2])
    assert "versions v1, v2 are there: v2 was taken" in found["notes"]


def test_series_when_a_version_is_wanted_then_it_is_taken(archive: Archive) -> None:
    found = read(FIRST_OF_V1, "--version", "1", environment=archive.environment)

    assert [patch["message_id"] for patch in found["patches"]] == [
        f"20260628.1-{nr}-aiko@example.org" for nr in (1, 2, 3)
    ]


def test_series_when_the_archive_does_not_have_it_then_it_says_how_to_go_on(archive: Archive) -> None:
    done = series("nothing@example.org", environment=archive.environment)

    assert done.returncode == 2
    assert "b4 did not fetch <nothing@example.org>" in done.stderr
    assert "save the thread" in done.stderr
    assert "Traceback" not in done.stderr


def test_series_when_the_archive_is_offline_then_it_says_how_to_go_on(archive: Archive, tmp_path: Path) -> None:
    (tmp_path / ".gitconfig").write_text("[b4]\n\tmidmask = http://127.0.0.1:9/mm/%s\n")

    done = series(
        FIRST_OF_V2, environment={**archive.environment, "HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path)}
    )

    assert done.returncode == 2
    assert "cannot be reached" in done.stderr
    assert "give that file instead" in done.stderr


def test_series_when_b4_is_absent_then_it_says_how_to_go_on(tmp_path: Path) -> None:
    # An interpreter of its own, with our modules and without the programs beside it.
    python = tmp_path / "bin" / "python"
    python.parent.mkdir()
    python.symlink_to(Path(sys.executable).resolve())
    code = f"import sys; sys.path[:0] = {sys.path!r}; sys.executable = {str(python)!r}; sys.argv[0] = 'orchestrator'; "
    code += "from orchestrator.cli.app import main; main()"
    argv = [str(python), "-c", code, "series", FIRST_OF_V2]
    environment = {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path)}

    done = subprocess.run(argv, capture_output=True, text=True, timeout=300, check=False, env=environment)

    assert done.returncode == 2, done.stderr
    assert "the program b4 is needed, and it is not installed" in done.stderr
    assert "give that file instead" in done.stderr
