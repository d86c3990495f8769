"""What lib.sh and scenarios compare by themselves, and how they find the compressors of a kernel: run by busybox's shell."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from orchestrator.model.trial import Status
from orchestrator.trial.checks import check_integrity
from orchestrator.trial.records import json_lines
from tests.unit.guest_scripts.test_lib import MOVED, SCRIPTS, GuestRoot

PAGE = 4096
RIGHT = bytes(range(256)) * (3 * PAGE // 256)

CRYPTO = """\
name         : lzo
driver       : lzo-scomp
module       : kernel
type         : scomp

name         : zstd
driver       : zstd-generic
type         : acomp

name         : sha256
driver       : sha256-lib
type         : shash

name         : old
driver       : old-generic
type         : compression
"""


@pytest.fixture
def guest(tmp_path: Path) -> GuestRoot:
    root = GuestRoot(tmp_path)
    for folder in ("results", "run"):
        (tmp_path / folder).mkdir()
    return root


def changed(*places: int, content: bytes = RIGHT) -> bytes:
    out = bytearray(content)
    for place in places:
        out[place] ^= 0xFF
    return bytes(out)


def compared(guest: GuestRoot, found: bytes) -> tuple[int, str, list[Any]]:
    """Return the status, what was said, and the lines of the record."""
    (guest.root / "expected").write_bytes(RIGHT)
    (guest.root / "found").write_bytes(found)
    done = guest.run(f"compare doomed.3 {guest.root}/expected {guest.root}/found")
    assert done.stderr == ""
    record = guest.root / "results/compared"
    return done.returncode, done.stdout, json_lines(record.read_bytes(), what="it") if record.exists() else []


def test_compare_when_the_file_is_right_then_its_pages_count_as_read_back(guest: GuestRoot) -> None:
    status, said, lines = compared(guest, RIGHT)
    assert (status, said, lines) == (0, "", [{"op": "compare", "file": "doomed.3", "pages": 3, "bad": 0}])
    assert not (guest.root / "run/wrong_data").exists()
    assert check_integrity({"": lines}).message == "3 pages read back, all right"


def test_compare_when_bytes_are_wrong_then_is_wrong_data_and_no_failure(guest: GuestRoot) -> None:
    status, said, lines = compared(guest, changed(17, 20, PAGE - 1, 3 * PAGE - 2))
    assert (status, said, (guest.root / "run/wrong_data").exists()) == (0, "", True)
    first, last, whole = lines
    assert first["bad_page"] == {
        "file": "doomed.3", "page": 0, "offset": 17, "wrong_bytes": 3,
        "expected": RIGHT[17:33].hex(), "found": changed(17, 20)[17:33].hex(),
    }  # fmt: skip
    assert last["bad_page"] == {
        "file": "doomed.3", "page": 2, "offset": PAGE - 2, "wrong_bytes": 1, "expected": "feff", "found": "01ff",
    }  # fmt: skip
    assert whole == {"op": "compare", "file": "doomed.3", "pages": 3, "bad": 2}
    check = check_integrity({"": lines})
    assert (check.status, "2 of 3 pages" in check.message, "page 0, offset 17" in check.message) == (
        Status.FAIL,
        True,
        True,
    )


def test_compare_when_many_pages_are_wrong_then_sixteen_are_told_and_all_counted(guest: GuestRoot) -> None:
    (guest.root / "expected").write_bytes(bytes(20 * PAGE))
    (guest.root / "found").write_bytes(b"\1" * 20 * PAGE)
    assert guest.run(f"compare it {guest.root}/expected {guest.root}/found").returncode == 0
    lines = json_lines((guest.root / "results/compared").read_bytes(), what="it")
    assert [line["bad_page"]["page"] for line in lines[:-1]] == list(range(16))  # type: ignore[index]
    assert lines[-1] == {"op": "compare", "file": "it", "pages": 20, "bad": 20}


@pytest.mark.parametrize("found", [RIGHT[:-1], b""])
def test_compare_when_the_file_ends_early_then_fails_and_says_so(guest: GuestRoot, found: bytes) -> None:
    status, said, lines = compared(guest, found)
    assert (status, lines) == (1, [])
    assert said.startswith("12.34 doomed.3 does not read as it should: cmp: EOF on ")


@pytest.mark.parametrize("name", ["lzo", "lzo-scomp", "zstd"])
def test_compressor_when_zswap_can_use_it_then_is_there(guest: GuestRoot, name: str) -> None:
    guest.write("proc/crypto", CRYPTO)
    assert guest.run(f"has_compressor {name}").returncode == 0


@pytest.mark.parametrize("name", ["lz", "lz.", "sha256", "old", "lz4"])
def test_compressor_when_the_kernel_has_none_that_zswap_can_use_then_is_not_there(guest: GuestRoot, name: str) -> None:
    guest.write("proc/crypto", CRYPTO)
    assert guest.run(f"has_compressor {name}").returncode == 1


def test_zswap_when_the_kernel_lacks_the_compressor_then_the_trial_is_skipped_with_the_reason(guest: GuestRoot) -> None:
    guest.write("proc/crypto", CRYPTO)
    guest.write("sys/module/zswap/parameters/enabled", "N\n")
    done = guest.run("zswap_on compressor=lz4 max_pool_percent=1\necho not reached")
    assert (done.returncode, done.stdout) == (14, "12.34 SKIPPED: this kernel has no compressor lz4\n")
    assert guest.read("sys/module/zswap/parameters/enabled") == "N\n"


def test_zswap_when_the_kernel_has_the_compressor_then_it_is_set(guest: GuestRoot) -> None:
    guest.write("proc/crypto", CRYPTO)
    guest.write("sys/module/zswap/parameters/enabled", "N\n")
    assert guest.run("zswap_on compressor=zstd").returncode == 0
    assert guest.read("sys/module/zswap/parameters/compressor") == "zstd\n"


def test_zswap_when_nobody_tells_what_the_kernel_has_then_zswap_is_asked(guest: GuestRoot) -> None:
    guest.write("sys/module/zswap/parameters/enabled", "N\n")
    assert guest.run("zswap_on compressor=lz4").returncode == 0
    assert guest.read("sys/module/zswap/parameters/enabled") == "Y\n"


def scenario(guest: GuestRoot, name: str) -> str:
    """Return the beginning of a script that has the functions of a scenario, and whose root is the guest's."""
    text = (SCRIPTS / "scenarios" / name / "run.sh").read_text()
    for folder in MOVED:
        text = text.replace(folder, f"{guest.root}{folder}")
    guest.write("run.sh", text)
    return f". {guest.root}/run.sh\nsample() {{ :; }}\numount() {{ :; }}\n"


def test_shmem_when_another_process_reads_a_wrong_byte_then_page_and_bytes_are_recorded(guest: GuestRoot) -> None:
    (guest.root / "run/swapped").mkdir()
    (guest.root / "run/swapped/file").write_bytes(RIGHT)
    (guest.root / "wrong").write_bytes(changed(PAGE + 5))
    hooks = (
        scenario(guest, "shmem") + f"hook_remember\ncp {guest.root}/wrong {guest.root}/run/swapped/file\nhook_compare"
    )
    assert guest.run(hooks).returncode == 0
    lines = json_lines((guest.root / "results/compared").read_bytes(), what="it")
    assert check_integrity({"": lines}).message.startswith(
        "1 of 3 pages read back had wrong content; the first: file file, page 1, offset 5: expected 0506"
    )
    assert not (guest.root / "run/remembered").exists()


def test_memcg_offline_when_a_file_is_wrong_then_the_rest_is_compared_too(guest: GuestRoot) -> None:
    source = bytes(range(256)) * (300 * PAGE // 256)
    (guest.root / "source").write_bytes(source)
    (guest.root / "run/kept").mkdir()
    for number in range(8):
        part = source[16 * number * PAGE :][: 128 * PAGE]
        (guest.root / f"run/kept/{number}").write_bytes(changed(9, content=part) if number == 3 else part)
    done = guest.run(f"{scenario(guest, 'memcg-offline')}SOURCE={guest.root}/source\nteardown")
    assert (done.returncode, done.stdout) == (0, "")
    lines = json_lines((guest.root / "results/compared").read_bytes(), what="it")
    assert [(line["file"], line["pages"], line["bad"]) for line in lines if "op" in line] == [
        (f"doomed.{number}", 128, int(number == 3)) for number in range(8)
    ]
    assert "the first: file doomed.3, page 0, offset 9" in check_integrity({"": lines}).message


def test_compressor_switch_when_one_stored_nothing_then_it_is_not_counted_as_used(guest: GuestRoot) -> None:
    names = ("lzo", "lz4", "zstd")
    guest.write("proc/crypto", "".join(f"name : {name}\ndriver : {name}-scomp\ntype : scomp\n\n" for name in names))
    vmstat, compressor = guest.root / "proc/vmstat", guest.root / "sys/module/zswap/parameters/compressor"
    guest.write("sys/module/zswap/parameters/compressor", "lzo\n")
    hooks = f"""
{scenario(guest, "compressor-switch")}
COMPRESSOR=lzo SECOND=lz4 THIRD=zstd FOURTH=deflate FIFTH=842
swap_on() {{ :; }}; zswap_on() {{ :; }}; memcg_make() {{ :; }}
stored() {{ echo "zswpout $1" >{vmstat}; }}
mkdir -p {guest.root}/proc/sys/vm
stored 0; setup
stored 5; hook_second
hook_third; stored 7
hook_back; hook_fourth; hook_fifth; stored 9
hook_enough
"""
    assert guest.run(hooks).returncode == 0
    assert compressor.read_text() == "lzo\n"
    assert guest.read("run/compressors_there") == "3\n"
    assert guest.read("run/compressors_used") == "2\n"
