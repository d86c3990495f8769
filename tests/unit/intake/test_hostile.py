"""Input that is large, deep or made to hurt: each has a defined answer, and none takes long or much memory."""

from __future__ import annotations

import gzip
import subprocess
import sys
from pathlib import Path

import pytest

from orchestrator.errors import InputError
from orchestrator.intake import document
from orchestrator.intake.reader import Wanted, read_series
from tests.unit.intake.mails import DIFF, patch_mail

MEMORY = 500 << 20
SECONDS = 60
"""Where something takes time square in the size of the input, it takes hours; nothing is measured against this."""


def saved(folder: Path, data: str | bytes, name: str = "input.mbox") -> Path:
    path = folder / name
    path.write_bytes(data.encode("utf-8", "surrogateescape") if isinstance(data, str) else data)
    return path


def bounded(path: Path) -> str:
    """Read ``path`` in a process of its own under the limits; return what it says."""
    code = f"""
from orchestrator.errors import UserError
from orchestrator.intake.reader import read_series
try:
    series = read_series({str(path)!r})
    print(len(series.patches), "patches", *series.notes)
except UserError as error:
    print("refused:", error.describe()[:2000])
status = open("/proc/self/status").read()
print("peak", int(status.partition("VmHWM:")[2].split()[0]) << 10)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=SECONDS, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    said, _, peak = done.stdout.rpartition("peak ")
    assert int(peak) <= MEMORY
    return said


def series_of(count: int) -> str:
    return "".join(
        patch_mail(tag=f"PATCH {nr:03}/{count}", title=f"mm: part {nr}", message_id=f"<{nr}@x>")
        for nr in range(1, count + 1)
    )


def test_read_series_when_it_has_500_parts_then_all_are_taken(tmp_path: Path) -> None:
    series = read_series(saved(tmp_path, series_of(500)))

    assert (len(series.patches), series.missing) == (500, ())


def test_read_series_when_it_says_that_it_has_99999_parts_then_it_is_refused(tmp_path: Path) -> None:
    path = saved(tmp_path, patch_mail(tag="PATCH 1/99999"))

    with pytest.raises(InputError, match="99999 parts is not supported"):
        read_series(wanted=Wanted(inputs=(str(path),), partial=True))


@pytest.mark.parametrize(
    "tag", ["PATCH " + "9" * 5000 + "/" + "9" * 5000, "PATCH v" + "9" * 5000, "PATCH v٣ ٢/٣", "]" * 50]
)
def test_read_series_when_numbers_are_absurd_then_they_are_no_numbers(tmp_path: Path, tag: str) -> None:
    series = read_series(saved(tmp_path, patch_mail(tag=tag)))

    assert (series.version, series.total) == (1, 1)


def test_read_series_when_a_hunk_counts_absurdly_then_it_is_refused(tmp_path: Path) -> None:
    text = patch_mail(diff=DIFF.replace("-1,5 +1,6", f"-1,{'9' * 5000} +1,6"))

    with pytest.raises(InputError):
        read_series(saved(tmp_path, text))


def test_read_series_when_a_patch_has_50_mib_then_it_is_refused_in_little_memory(tmp_path: Path) -> None:
    added = "+\tx\n" * (13 << 20)
    text = f"--- /dev/null\n+++ b/mm/x.c\n@@ -0,0 +1,{13 << 20} @@\n{added}"

    said = bounded(saved(tmp_path, patch_mail(diff=text)))

    assert "has 52 MiB; the largest message is 16 MiB" in said


def test_read_series_when_a_patch_has_15_mib_then_it_is_read_in_little_memory(tmp_path: Path) -> None:
    lines = (15 << 20) // 40
    added = ("+\t" + "x" * 37 + "\n") * lines
    text = f"diff --git a/mm/x.c b/mm/x.c\nnew file mode 100644\n--- /dev/null\n+++ b/mm/x.c\n@@ -0,0 +1,{lines} @@\n{added}"

    assert bounded(saved(tmp_path, patch_mail(diff=text))).startswith("1 patches")


def test_read_series_when_a_plain_diff_has_50_mib_then_it_is_refused_in_little_memory(tmp_path: Path) -> None:
    added = "+\tx\n" * (13 << 20)

    said = bounded(saved(tmp_path, f"--- a/x\n+++ b/x\n@@ -0,0 +1,{13 << 20} @@\n{added}", "x.diff"))

    assert "the largest message is 16 MiB" in said


def test_read_series_when_an_mbox_has_60_mib_of_other_mail_then_the_series_is_found_in_little_memory(
    tmp_path: Path,
) -> None:
    other = (
        "From x@y Mon Jun 29 10:00:00 2026\nFrom: x@y\nSubject: lunch\nMessage-ID: <{}@y>\n\n"
        + "words " * 8000
        + "\n\n"
    )
    text = "".join(other.format(nr) for nr in range(1200)) + patch_mail()

    assert bounded(saved(tmp_path, text)).startswith("1 patches")


def test_read_series_when_gzip_unpacks_to_gigabytes_then_it_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "bomb.mbox.gz"
    with gzip.open(path, "wb", compresslevel=1) as bomb:
        for _ in range(1 << 10):
            bomb.write(b"\n" * (1 << 20))

    said = bounded(path)

    assert "has more when it is unpacked; the largest input is 64 MiB" in said


def test_read_series_when_gzip_is_cut_or_damaged_then_it_is_refused(tmp_path: Path) -> None:
    whole = gzip.compress(patch_mail().encode())

    with pytest.raises(InputError, match="ends too early"):
        read_series(saved(tmp_path, whole[:-20], "cut.gz"))
    with pytest.raises(InputError, match="cannot be unpacked"):
        read_series(saved(tmp_path, b"\x1f\x8b" + b"x" * 50, "damaged.gz"))


def test_read_series_when_parts_are_nested_a_thousand_deep_then_no_traceback(tmp_path: Path) -> None:
    text = "From: a@b\nSubject: [PATCH] x\n"
    for depth in range(1000):
        text += f'Content-Type: multipart/mixed; boundary="b{depth}"\n\n--b{depth}\n'

    with pytest.raises(InputError):
        read_series(saved(tmp_path, text))


def test_read_series_when_messages_are_attached_in_each_other_then_it_stops(tmp_path: Path) -> None:
    inner = patch_mail(separator=False)
    for depth in range(60):
        inner = f'From: a@b\nSubject: fwd\nMIME-Version: 1.0\nContent-Type: multipart/mixed; boundary="b{depth}"\n\n--b{depth}\nContent-Type: message/rfc822\n\n{inner}\n--b{depth}--\n'

    with pytest.raises(InputError, match="no patch"):
        read_series(saved(tmp_path, inner))


HURTFUL = {
    "blanks before a bar": "From: a@b\nSubject: [PATCH] x\n\n" + " 1 file changed\n" + "a" + " " * 400_000 + "\n 1 file changed, 1 insertion(+)\n" + DIFF,
    "times in a From line": "From x" + " 00:00" * 200_000 + "\nFrom: a\nSubject: x\n\ny\n",
    "tags": "From: a@b\nSubject: " + "[a]" * 300_000 + "\n\n" + DIFF,
    "comments": "<html>" + "<!--" * 500_000,
    "open tags": "<html>" + "<a " * 500_000,
    "brackets": "<html>" + "<" * 1_000_000,
    "wrote": "Re: [PATCH] x\n" + "On " * 100_000 + "\n" + "On Mon, " + " " * 100_000 + "wrote\n> " + DIFF.replace("\n", "\n> "),
    "quotes": ">" * 1_000_000 + "\n" + ("> " * 400_000) + "\n" + DIFF,
    "quoted name": "diff --git " + '"\\' * 300_000 + "\n" + DIFF,
    "lossy counts": "[PATCH] x\nFrom: a\n\ndiff --git a/x b/x\n--- a/x\n+++ b/x\n@@ -1,999999999 +1,999999999 @@\n" + "+a\n-b\nc\n" * 100_000,
    "references": "From: a@b\nSubject: [PATCH] x\nMessage-ID: <1@x>\nReferences: " + "<" * 500_000 + "\n\n" + DIFF,
    "many references": "From: a@b\nSubject: [PATCH] x\nMessage-ID: <1@x>\nReferences: " + "\n ".join(f"<{nr}@x>" for nr in range(50_000)) + "\n\n" + DIFF,
    "addresses": "From: a@b\nTo: " + "(" * 50_000 + "\nCc: " + '"a" <' * 20_000 + "\nSubject: [PATCH] x\n\n" + DIFF,
    "encoded words": "From: a@b\nSubject: " + "=?utf-8?q?a?= " * 50_000 + "\n\n" + DIFF,
    "headers": "".join(f"X-{nr}: a\n" for nr in range(200_000)) + "Subject: [PATCH] x\n\n" + DIFF,
    "diffs of nothing": "From: a@b\nSubject: [PATCH] x\n\n" + "--- a\n" * 200_000 + DIFF,
    "page headers": "From: a\nDate: b\n" * 100_000 + DIFF,
    "links": "From: a@b\nSubject: [PATCH] x\n\n" + "https://lore.kernel.org/" * 50_000 + "\n" + DIFF,
    "scissors": "From: a@b\nSubject: [PATCH] x\n\n" + "- " * 300_000 + "\n" + DIFF,
    "versions": "From: a@b\nSubject: [PATCH] x\n\n" + "v1 " * 300_000 + "https://lore.kernel.org/r/a@b\n" + DIFF,
}  # fmt: skip


@pytest.mark.parametrize("name", HURTFUL)
def test_read_series_when_text_is_made_to_hurt_then_it_is_answered_soon(tmp_path: Path, name: str) -> None:
    assert bounded(saved(tmp_path, HURTFUL[name], "input"))


def test_a_chain_of_answers_when_it_is_long_then_it_is_followed(tmp_path: Path) -> None:
    text = patch_mail(message_id="<0@x>")
    for nr in range(1, 3000):
        text += (
            f"From x@y Mon Jun 29 10:00:00 2026\nFrom: x@y\nSubject: Re: [PATCH] mm: demo\nMessage-ID: <{nr}@x>\n"
            f"In-Reply-To: <{nr - 1}@x>\n\nAcked-by: X <x@y>\n\n"
        )

    assert "1 patches" in bounded(saved(tmp_path, text))


def test_limits_when_read_then_they_are_what_the_messages_say() -> None:
    assert document.LARGEST == 64 << 20
