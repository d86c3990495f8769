"""mempress's steps beside the plain ones: hooks, the background, children that stay, and pages that are partly dropped."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from tests.unit.guest_tools.mempress_runs import bad_pages, check, hook_server, of_op, page, run, write


def test_hook_when_it_succeeds_then_the_workload_goes_on_after_it(
    mempress: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MEMPRESS_HOOKS", str(tmp_path))
    workload = write(tmp_path, "step hook first_one\nstep hook second\nstep sleep 0\n")
    with hook_server(tmp_path, lambda _: "0\n") as asked:
        code, lines = run(mempress, workload)
    assert (code, asked) == (0, ["first_one", "second"])
    assert [line["text"] for line in of_op(lines, "hook")] == ["first_one", "second"]


@pytest.mark.parametrize(
    ("answer", "what"),
    [
        ("7\n", "the hook swapoff failed with status 7"),
        ("\n", "the hook swapoff did not answer with a status"),
        ("", "the hook swapoff did not answer with a status"),
        ("-1 or so, and a line that is longer than any number\n", "the hook swapoff did not answer with a status"),
    ],
)
def test_hook_when_it_fails_then_exit_is_three(
    mempress: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answer: str, what: str
) -> None:
    monkeypatch.setenv("MEMPRESS_HOOKS", str(tmp_path))
    workload = write(tmp_path, "step hook swapoff\nstep barrier never\n")
    with hook_server(tmp_path, lambda _: answer):
        done = subprocess.run([mempress, workload, "--seed", "1"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (3, "", f"mempress: {what}\n")


def test_hook_when_there_is_no_server_then_exit_is_three_and_names_the_fifo(
    mempress: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MEMPRESS_HOOKS", str(tmp_path))
    workload = write(tmp_path, "step hook x\n")
    done = subprocess.run([mempress, workload, "--seed", "1"], capture_output=True, text=True, check=False)
    assert done.returncode == 3
    assert f"cannot open {tmp_path}/hook.request: ENOENT" in done.stderr


def test_hook_when_many_processes_ask_then_each_gets_the_answer_to_its_own(
    mempress: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MEMPRESS_HOOKS", str(tmp_path))
    for number in range(1, 9):
        (tmp_path / f"workload{number}").write_text("step hook h0\n" * 4 + f"step hook h{number}\n")
    # One shell starts them all: a child of this process holds, until it is the program it is to be, the server's end of
    # the FIFO, and so another one's answer would seem to have ended before it came.
    script = 'for n in 1 2 3 4 5 6 7 8; do "$0" "$1/workload$n" --seed 1 >/dev/null 2>"$1/stderr$n" & done; wait'
    with hook_server(tmp_path, lambda name: f"{name[1:]}\n") as asked:
        subprocess.run(["sh", "-c", script, mempress, tmp_path], check=True, timeout=60)
    stderr = [(tmp_path / f"stderr{number}").read_text() for number in range(1, 9)]
    assert stderr == [f"mempress: the hook h{number} failed with status {number}\n" for number in range(1, 9)]
    assert len(asked) == 40


def test_background_when_it_runs_then_it_reports_at_its_start_and_at_the_join(mempress: Path, tmp_path: Path) -> None:
    text = """region a size=1M
        region b size=64K
        step fill a
        step verify a background threads=2 pattern=random
        step read a background percent=50
        step pageout a batch=64K
        step write b
        step join
        step write a
        step verify a background
        """
    code, lines = run(mempress, write(tmp_path, text))
    assert code == 0
    started = [line for line in lines if "background" in line]
    joined = [line for line in lines if "joined" in line]
    assert [(line["step"], line["op"]) for line in started] == [(2, "verify"), (3, "read"), (8, "verify")]
    assert [(line["step"], line["op"]) for line in joined] == [(2, "verify"), (3, "read"), (8, "verify")]
    assert [line.get("bad") for line in joined] == [0, None, 0]
    assert joined[0]["pages"] == joined[2]["pages"] == 256
    assert not any("pages" in line or "ns" in line for line in started)
    assert of_op(lines, "join")[0]["steps"] == 2
    assert lines.index(joined[1]) + 1 == lines.index(of_op(lines, "join")[0])
    assert lines.index(joined[2]) < lines.index(of_op(lines, "final_verify")[0])


def test_background_when_a_page_is_wrong_then_the_join_counts_it(mempress: Path, tmp_path: Path) -> None:
    text = "region a size=64K\nstep fill a\nstep corrupt a page=4 offset=1\nstep verify a background\n"
    code, lines = run(mempress, write(tmp_path, text + "option final_verify=no\n"))
    assert code == 1
    assert of_op(lines, "verify")[-1]["bad"] == lines[-1]["end"]["bad"] == 1


@pytest.mark.parametrize(
    "step",
    ["fill a", "write a", "dontneed a", "free a", "lazyfree a", "punch a", "corrupt a page=0 offset=0"],
)
def test_background_when_a_step_would_change_its_region_then_it_is_refused_until_the_join(
    mempress: Path, tmp_path: Path, step: str
) -> None:
    busy = f"region a size=8K\nregion b size=8K\nstep read a background\nstep read b background\nstep {step}\n"
    done = check(mempress, write(tmp_path, busy))
    assert (done.returncode, "join it first" in done.stderr) == (2, True)
    assert check(mempress, write(tmp_path, busy.replace(f"step {step}", f"step join\nstep {step}"))).returncode == 0
    assert check(mempress, write(tmp_path, busy.replace("step read a background\n", ""))).returncode == 0


def test_background_when_the_child_of_a_fork_could_write_its_region_then_only_shared_memory_is_refused(
    mempress: Path, tmp_path: Path
) -> None:
    text = "region a size=8K\nstep read a background\nstep fork a\n"
    assert check(mempress, write(tmp_path, text)).returncode == 0
    assert check(mempress, write(tmp_path, text.replace("8K", "8K shared"))).returncode == 2


def test_lazyfree_when_pages_are_dropped_or_not_then_both_are_right_until_they_are_written(
    mempress: Path, tmp_path: Path
) -> None:
    text = """region a size=1M
        step fill a
        step lazyfree a percent=50
        step verify a
        step pageout a
        step verify a
        step write a percent=50
        step lazyfree a from=16 to=48
        step pageout a
        step verify a
        step write a
        step pageout a
        """
    code, lines = run(mempress, write(tmp_path, text))
    assert code == 0
    assert [line["pages"] for line in of_op(lines, "lazyfree")][1] == 32
    assert 80 < of_op(lines, "lazyfree")[0]["pages"] < 176


def test_lazyfree_when_reclaim_comes_then_pages_really_are_dropped(mempress: Path, tmp_path: Path) -> None:
    text = "region a size=256K\nstep fill a\nstep lazyfree a\nstep pageout a\nstep read a\nstep digest a\n"
    text += "region b size=256K content=zero\nstep fill b\nstep digest b\n"
    _, lines = run(mempress, write(tmp_path, text))
    dropped, zero = (line["digest"] for line in of_op(lines, "digest"))
    assert dropped == zero


@pytest.mark.parametrize("page_state", ["lazyfree a", "fill a"])
def test_lazyfree_when_a_byte_is_wrong_then_it_is_found(mempress: Path, tmp_path: Path, page_state: str) -> None:
    text = f"region a size=64K\nstep fill a\nstep {page_state}\nstep corrupt a page=2 offset=4\n"
    code, lines = run(mempress, write(tmp_path, text))
    assert (code, [bad["page"] for bad in bad_pages(lines)]) == (1, [2])


@pytest.mark.parametrize("kind", ["", "shared", "thp=never"])
def test_punch_when_pages_are_chosen_then_they_read_as_zero_and_the_others_stay(
    mempress: Path, tmp_path: Path, kind: str
) -> None:
    text = f"""region a size=4M {kind}
        step fill a
        step punch a percent=25
        step verify a
        step punch a from=100 to=200
        step verify a
        step write a from=150 to=160
        step pageout a from=150
        """
    code, lines = run(mempress, write(tmp_path, text))
    punched = of_op(lines, "punch")
    assert code == 0
    assert 200 < punched[0]["pages"] < 312
    assert punched[1]["pages"] == 100
    assert of_op(lines, "pageout")[0]["pages"] == 1024 - 150


def test_range_when_pages_are_written_then_no_others_change(mempress: Path, hooks_in_memory: Path) -> None:
    file = hooks_in_memory / "memory"
    states: list[bytes] = []

    def answer(_name: str) -> str:
        states.append(file.read_bytes())
        return "0\n"

    text = f"""region f size=64K file={file}
        step fill f
        step hook before
        step write f from=3 to=9 pattern=random threads=2
        step hook after
        """
    with hook_server(hooks_in_memory, answer):
        code, lines = run(mempress, write(hooks_in_memory, text))
    changed = [number for number in range(16) if states[0][page(number)] != states[1][page(number)]]
    assert (code, changed) == (0, list(range(3, 9)))
    assert of_op(lines, "write")[0]["pages"] == 6


def test_file_when_the_region_is_freed_or_the_run_ends_then_it_is_removed(mempress: Path, in_memory: Path) -> None:
    text = f"""region f size=64K file={in_memory}/f
        region g size=64K file={in_memory}/g
        step fill f
        step fill g
        step pageout f
        step punch g percent=50
        step fork g percent=30
        step dontneed f
        step verify f
        step free f
        """
    code, _ = run(mempress, write(in_memory, text))
    assert (code, [file.name for file in in_memory.iterdir()]) == (0, ["workload"])


def test_file_when_it_is_there_already_then_it_is_left_alone(mempress: Path, tmp_path: Path) -> None:
    (tmp_path / "f").write_text("mine")
    workload = write(tmp_path, f"region f size=64K file={tmp_path}/f\nstep fill f\n")
    done = subprocess.run([mempress, workload, "--seed", "1"], capture_output=True, text=True, check=False)
    assert done.returncode == 3
    assert "EEXIST" in done.stderr
    assert (tmp_path / "f").read_text() == "mine"


@pytest.mark.parametrize("kind", ["", "shared"])
def test_kept_children_when_the_parent_goes_on_then_they_verify_what_they_see_at_the_reap(
    mempress: Path, tmp_path: Path, kind: str
) -> None:
    text = f"""region a size=256K {kind}
        region b size=64K
        step fill a
        step fill b
        step fork a keep
        step write a percent=50
        step fork a keep percent=20
        step pageout a
        step write a
        step dontneed b
        step punch a percent=50
        step free b
        step reap
        step verify a
        """
    code, lines = run(mempress, write(tmp_path, text))
    (reap,) = of_op(lines, "reap")
    assert (code, reap["children"], reap["child_exit"], reap["bad"]) == (0, 2, 0, 0)
    assert reap["pages"] == 2 * (64 + 16)
    assert [line["kept"] for line in of_op(lines, "fork")] == [True, True]


def test_kept_children_when_a_page_is_wrong_then_the_reap_counts_it(mempress: Path, tmp_path: Path) -> None:
    text = "region a size=64K\nstep fill a\nstep corrupt a page=7 offset=1\nstep fork a keep\nstep fill a\n"
    code, lines = run(mempress, write(tmp_path, text))
    (reap,) = of_op(lines, "reap")
    assert (code, reap["line"], reap["child_exit"], reap["bad"]) == (1, 0, 1, 1)
    assert lines[-1]["end"]["bad"] == 1
    assert [bad["history"] for bad in bad_pages(lines)] == [["fill:1", "fork:3"]]


def test_kept_children_when_the_parent_dies_then_they_do_not_stay(mempress: Path, tmp_path: Path) -> None:
    workload = write(tmp_path, "region a size=64K\nstep fork a keep\nregion b size=64K\nstep wait /no/such/fifo\n")
    # communicate() only returns when nobody holds the pipe any more: a child that stayed would be waited for.
    done = subprocess.run([mempress, workload, "--seed", "1"], capture_output=True, check=False, timeout=60)
    assert done.returncode == 3


def test_advice_when_regions_are_moved_and_cooled_then_contents_stay(mempress: Path, in_memory: Path) -> None:
    text = f"""region a size=256K interleave=0
        region f size=64K file={in_memory}/f node=0
        step fill a
        step fill f
        step cold a from=10
        step move a node=0
        step move f interleave=0
        step pageout a
        step verify a
        """
    code, lines = run(mempress, write(in_memory, text))
    assert code == 0
    assert [line["pages"] for line in of_op(lines, "move")] == [64, 16]
    assert of_op(lines, "cold")[0]["pages"] == 54


def test_move_when_the_node_does_not_exist_then_exit_is_three(mempress: Path, tmp_path: Path) -> None:
    workload = write(tmp_path, "region a size=8K\nstep fill a\nstep move a node=1000\n")
    done = subprocess.run([mempress, workload, "--seed", "1"], capture_output=True, text=True, check=False)
    assert done.returncode == 3
    assert re.search(r"mbind of region a: E[A-Z]+ ", done.stderr)


def test_region_when_mapped_then_it_starts_at_two_mebibytes(mempress: Path, tmp_path: Path) -> None:
    text = "".join(f"region r{n} size=4K\nstep fill r{n}\nstep corrupt r{n} page=0 offset=0\n" for n in range(3))
    _, lines = run(mempress, write(tmp_path, text))
    assert [int(bad["address"], 16) % (2 << 20) for bad in bad_pages(lines)] == [0, 0, 0]
