"""mempress on the host: what it writes is what it finds again, what is wrong is found, and bad workloads are refused."""

from __future__ import annotations

import json
import re
import subprocess
import tempfile
import zlib
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.unit.guest_tools.mempress_runs import Line, check, run, write

WORDS = (
    *("region", "step", "option", "fill", "verify", "pageout", "write", "fork", "sleep", "barrier", "corrupt", "free"),
    *(
        "hot",
        "size=64K",
        "size=0",
        "size=1",
        "size=99999999999G",
        "node=0",
        "node=,",
        "content=random:9",
        "content=same",
    ),
    *(
        "pattern=zipf:nan",
        "pattern=seq",
        "threads=2",
        "threads=0",
        "percent=50",
        "final_verify=no",
        "=",
        "#",
        "\t",
        "-1",
    ),
    *("join", "reap", "hook", "lazyfree", "punch", "cold", "move", "background", "keep", "from=1", "to=0", "to=16"),
)


def digests(lines: list[Line]) -> list[str]:
    return [line["digest"] for line in lines if line.get("op") == "digest"]


def without_times(lines: list[Line]) -> list[Line]:
    return [{key: value for key, value in line.items() if key not in {"ns", "resident"}} for line in lines]


CONTENTS = ("random", "random:1024", "random:13", "mixed:3", "zero", "same:0x5a", "same:0", "text")


@pytest.mark.parametrize("content", CONTENTS)
@pytest.mark.parametrize("kind", ["", "shared", "thp=never"])
def test_round_trip_when_pages_are_rewritten_dropped_and_paged_out_then_nothing_is_wrong(
    mempress: Path, tmp_path: Path, content: str, kind: str
) -> None:
    workload = write(
        tmp_path,
        f"""
        region hot size=512K content={content} {kind}   # a comment
        region other size=64K
        step fill hot threads=2 pattern=random
        step fill other
        step pageout hot batch=128K
        step verify hot pattern=zipf:1.1 count=200 threads=2
        step read hot pattern=random percent=50
        step write hot pattern=zipf:0.8 count=300
        step write hot percent=30 threads=3
        step verify hot
        step fork hot percent=40
        step dontneed hot
        step verify hot
        step write hot percent=50
        step barrier half of it is "zero"
        step sleep 1
        step free other
        """,
    )
    code, lines = run(mempress, workload)
    assert code == 0
    assert [line["bad"] for line in lines if "bad" in line] == [0] * 5
    assert lines[-2]["op"] == "final_verify"
    assert lines[-2]["region"] == "hot"
    assert lines[-1] == {"end": {"seed": 1, "steps": 16, "bad": 0, "exit": 0}}
    assert lines[12]["text"] == 'half of it is "zero"'


def test_steps_when_reported_then_they_carry_pages_region_and_time(mempress: Path, tmp_path: Path) -> None:
    workload = write(tmp_path, "region a size=64K\nstep fill a\nstep pageout a batch=16K\noption final_verify=no\n")
    _, lines = run(mempress, workload)
    assert [(line["step"], line["line"], line["op"]) for line in lines[:-1]] == [(1, 2, "fill"), (2, 3, "pageout")]
    assert lines[0]["region"] == "a"
    assert lines[0]["pages"] == 16
    assert lines[0]["ns"] > 0
    assert (lines[1]["calls"], lines[1]["retries"]) == (4, 0)
    assert 0 <= lines[1]["resident"] <= 16
    assert "bad" not in lines[0]


def test_verify_when_a_byte_was_changed_then_the_page_and_offset_are_named(mempress: Path, tmp_path: Path) -> None:
    workload = write(
        tmp_path, "region hot size=64K\nstep fill hot\nstep corrupt hot page=3 offset=17\nstep verify hot\n"
    )
    code, lines = run(mempress, workload)
    bad = [line["bad_page"] for line in lines if "bad_page" in line]
    assert code == 1
    assert len(bad) == 2  # the step's own verify, and the final one
    assert (bad[0]["region"], bad[0]["page"], bad[0]["offset"], bad[0]["wrong_bytes"]) == ("hot", 3, 17, 1)
    expected, found = bytes.fromhex(bad[0]["expected"]), bytes.fromhex(bad[0]["found"])
    assert len(expected) == 16
    assert found == bytes([expected[0] ^ 0xFF]) + expected[1:]
    assert re.fullmatch(r"0x[0-9a-f]+003000|0x[0-9a-f]+", bad[0]["address"])
    assert lines[-1]["end"] == {"seed": 1, "steps": 4, "bad": 2, "exit": 1}


def test_verify_when_the_last_byte_is_wrong_then_the_excerpt_ends_with_the_page(mempress: Path, tmp_path: Path) -> None:
    workload = write(tmp_path, "region a size=8K\nstep fill a\nstep corrupt a page=1 offset=4095\n")
    _, lines = run(mempress, workload)
    bad = next(line["bad_page"] for line in lines if "bad_page" in line)
    assert (bad["offset"], len(bad["expected"]), len(bad["found"])) == (4095, 2, 2)


def test_verify_when_many_pages_are_wrong_then_sixteen_are_printed_and_all_counted(
    mempress: Path, tmp_path: Path
) -> None:
    corrupt = "".join(f"step corrupt a page={page} offset=0\n" for page in range(20))
    code, lines = run(mempress, write(tmp_path, f"region a size=128K\nstep fill a\n{corrupt}"))
    assert code == 1
    assert sum("bad_page" in line for line in lines) == 16
    assert lines[-1]["end"]["bad"] == 20


@pytest.mark.parametrize("kind", ["", "shared"])
def test_fork_when_a_page_is_wrong_then_child_and_parent_both_count_it(
    mempress: Path, tmp_path: Path, kind: str
) -> None:
    text = f"region a size=64K {kind}\nregion b size=64K\nstep fill b\nstep corrupt b page=2 offset=1\nstep fork a\n"
    code, lines = run(mempress, write(tmp_path, text + "option final_verify=no\n"))
    fork = next(line for line in lines if line.get("op") == "fork")
    assert (code, fork["child_exit"], fork["bad"]) == (1, 1, 1)


def test_output_when_the_seed_is_the_same_then_it_is_the_same(mempress: Path, tmp_path: Path) -> None:
    text = """region a size=256K content=random:1024
        region b size=256K content=text
        step fill a pattern=random
        step write b pattern=zipf:1.0 count=50
        step digest a
        step digest b
        """
    workload = write(tmp_path, text)
    first, second, other = (run(mempress, workload, seed=seed)[1] for seed in (7, 7, 8))
    assert without_times(first) == without_times(second)
    assert set(digests(first)).isdisjoint(digests(other))


def test_digest_when_only_the_number_of_threads_differs_then_a_full_pass_gives_the_same(
    mempress: Path, tmp_path: Path
) -> None:
    seen = {
        digests(
            run(mempress, write(tmp_path, f"region a size=256K\nstep fill a threads={threads}\nstep digest a\n"))[1]
        )[0]
        for threads in (1, 2, 5)
    }
    assert len(seen) == 1


@pytest.mark.parametrize("content", ["random", "text", "same:255"])
def test_digest_when_a_page_is_written_again_then_it_changes_also_across_dontneed(
    mempress: Path, tmp_path: Path, content: str
) -> None:
    text = f"region a size=16K content={content}\n" + "step write a\nstep digest a\n" * 2
    text += "step dontneed a\nstep digest a\nstep write a\nstep digest a\n"
    seen = digests(run(mempress, write(tmp_path, text))[1])
    assert len(set(seen)) == 4


@pytest.mark.parametrize("pattern", ["seq", "random"])
@pytest.mark.parametrize("size", ["4K", "8K", "12K", "268K"])
def test_fill_when_the_pattern_visits_each_page_once_then_two_patterns_give_the_same_content(
    mempress: Path, tmp_path: Path, pattern: str, size: str
) -> None:
    text = f"region a size={size}\nstep fill a pattern={pattern} threads=3\nstep digest a\n"
    plain = f"region a size={size}\nstep fill a\nstep digest a\n"
    assert digests(run(mempress, write(tmp_path, text))[1]) == digests(run(mempress, write(tmp_path, plain))[1])


def page_bytes(sources: Path, out: Path, content: str) -> bytes:
    """The content of a page as zlib will see it, read through a small program which links content.c."""
    source = out / "dump.c"
    source.write_text(
        '#include <stdio.h>\n#include "content.h"\nint main(void)\n{\n'
        f"\tstruct content content = {content};\n\tstatic char page[4096];\n\tprepare_content();\n"
        "\tfor (int i = 1; i < 65; i++) {\n\t\tmake_content(&content, i * 77777ull, 1, page, sizeof(page));\n"
        "\t\tfwrite(page, 1, sizeof(page), stdout);\n\t}\n\treturn 0;\n}\n"
    )
    folder = sources / "mempress"
    argv = ["gcc", "-O2", "-I", str(folder), "-o", str(out / "dump"), str(source), str(folder / "content.c")]
    subprocess.run(argv, check=True)
    return subprocess.run([str(out / "dump")], capture_output=True, check=True).stdout


@pytest.mark.parametrize(
    ("content", "low", "high"),
    [
        ("{.kind = CONTENT_RANDOM, .random_bytes = 4096}", 0.95, 1.1),
        ("{.kind = CONTENT_RANDOM, .random_bytes = 1024}", 3.5, 4.0),
        ("{.kind = CONTENT_TEXT}", 2.5, 5.0),
        ("{.kind = CONTENT_SAME, .byte = 0x5a}", 50, 1000),
    ],
)
def test_content_when_compressed_then_the_ratio_is_as_documented(
    sources: Path, tmp_path: Path, content: str, low: float, high: float
) -> None:
    pages = page_bytes(sources, tmp_path, content)
    packed = sum(len(zlib.compress(pages[at : at + 4096], 1)) for at in range(0, len(pages), 4096))
    assert low < len(pages) / packed < high


@pytest.mark.parametrize(
    ("text", "line", "what"),
    [
        ("", 1, "no step"),
        ("region a size=4K\nstep fill b", 2, "region b is not declared above"),
        ("region a size=4K\n\nregion a size=4K", 3, "declared twice"),
        ("region a size=5000", 1, "not a multiple of the page size"),
        ("region a size=4X", 1, "not a size"),
        ("region a", 1, "no size="),
        ("region a/b size=4K", 1, "name"),
        ("region a size=4K node=0 interleave=0,1", 1, "exclude each other"),
        ("region a size=4K node=5000", 1, "not a whole number"),
        ("region a size=4K node=0,", 1, "not a whole number"),
        ("region a size=4K content=random:5000", 1, "not a whole number"),
        ("region a size=4K content=dense", 1, "content="),
        ("region a size=4K thp=perhaps", 1, "neither never nor always"),
        ("region a size=4K colour=red", 1, "unknown region option colour="),
        ("region a size=4K\nstep free a\nstep fill a", 3, "was freed above"),
        ("region a size=4K file=x", 1, "not an absolute path"),
        ("region a size=4K file=/x\nregion b size=4K file=/x", 2, "is the file of region a"),
        ("region a size=4K\nstep fill a count=3", 2, "fill does not take count="),
        ("region a size=4K\nstep fill a background", 2, "fill does not take background"),
        ("region a size=4K\nstep write a background", 2, "write does not take background"),
        ("region a size=4K\nstep read a background=1", 2, "background takes no value"),
        ("region a size=4K\nstep read a from", 2, "from needs a value"),
        ("region a size=8K\nstep read a from=2", 2, "no part of the 2 pages"),
        ("region a size=8K\nstep read a from=1 to=1", 2, "no part of the 2 pages"),
        ("region a size=8K\nstep read a to=3", 2, "no part of the 2 pages"),
        ("region a size=4K shared\nstep lazyfree a", 2, "private memory"),
        ("region a size=4K file=/x\nstep lazyfree a", 2, "private memory"),
        ("region a size=4K\nstep move a", 2, "needs node= or interleave="),
        ("region a size=4K\nstep move a node=0 interleave=0", 2, "exclude each other"),
        ("region a size=4K\nstep fork a\nstep reap", 3, "reap without a fork that is kept"),
        ("region a size=4K\nstep fork a keep\nstep reap\nstep reap", 4, "reap without"),
        ("region a size=4K\nstep read a background\nstep join\nstep join", 4, "join without"),
        ("region a size=4K\nstep read a background\nstep join a", 3, "join stands alone"),
        ("step hook", 1, "needs a name"),
        ("step hook rm -rf", 1, "letters, digits and _"),
        ("region a size=4K\nstep fill a threads=0", 2, "not a whole number from 1"),
        ("region a size=4K\nstep fill a threads=2 threads=2", 2, "comes twice"),
        ("region a size=4K\nstep fill a pattern=zipf:-1", 2, "exponent"),
        ("region a size=4K\nstep verify a percent=101", 2, "from 1 to 100"),
        ("region a size=4K\nstep corrupt a page=1 offset=0", 2, "has no page 1"),
        ("region a size=4K\nstep corrupt a page=0", 2, "needs page= and offset="),
        ("step sleep soon", 1, "milliseconds"),
        ("step barrier", 1, "needs a text"),
        ("step dance a", 1, "unknown step dance"),
        ("option final_verify=maybe", 1, "unknown option"),
        ("allocate a", 1, "a line starts with"),
        ("step sleep 1\nstep barrier \0", 2, "NUL"),
    ],
)
def test_workload_when_it_is_wrong_then_the_line_is_named(
    mempress: Path, tmp_path: Path, text: str, line: int, what: str
) -> None:
    workload = write(tmp_path, text)
    done = check(mempress, workload)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"mempress: {workload}:{line}: ")
    assert what in done.stderr


def test_check_when_the_workload_is_right_then_nothing_is_run(mempress: Path, tmp_path: Path) -> None:
    done = check(mempress, write(tmp_path, "region a size=1G node=1\nstep fill a\nstep sleep 100000\n"))
    assert (done.returncode, json.loads(done.stdout)) == (
        0,
        {"check": "ok", "regions": 1, "steps": 2, "bytes": 1 << 30, "nodes": [1]},
    )


def test_check_when_regions_are_freed_then_bytes_is_the_peak_and_nodes_are_sorted(
    mempress: Path, tmp_path: Path
) -> None:
    text = """region a size=16K node=70,3
        region b size=8K
        step free a
        region c size=12K interleave=0
        step move c node=12
        step free b
        step free c
        region d size=20K
        """
    found = json.loads(check(mempress, write(tmp_path, text)).stdout)
    assert (found["bytes"], found["nodes"]) == (24 << 10, [0, 3, 12, 70])


def test_log_when_given_then_it_holds_the_same_lines(mempress: Path, tmp_path: Path) -> None:
    workload, log = write(tmp_path, "region a size=8K\nstep fill a\n"), tmp_path / "log"
    argv = [str(mempress), str(workload), "--seed", "0x10", "--log", str(log)]
    done = subprocess.run(argv, capture_output=True, text=True, check=True)
    assert log.read_text() == done.stdout
    assert json.loads(done.stdout.splitlines()[-1])["end"]["seed"] == 16


def test_syscall_when_the_node_does_not_exist_then_exit_is_three_and_says_which(mempress: Path, tmp_path: Path) -> None:
    workload = write(tmp_path, "region a size=8K node=1000\nstep fill a\n")
    argv = [str(mempress), str(workload), "--seed", "1"]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert done.returncode == 3
    assert re.search(r"mbind of region a: E[A-Z]+ ", done.stderr)


@pytest.mark.parametrize("arguments", [[], ["w"], ["w", "--seed"], ["w", "--seed", "-1"], ["w", "--seed", "1", "x"]])
def test_arguments_when_they_are_wrong_then_exit_is_two(mempress: Path, arguments: list[str]) -> None:
    done = subprocess.run([str(mempress), *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith("mempress: ")


garbage_lines = st.lists(st.lists(st.sampled_from(WORDS), max_size=6).map(" ".join), max_size=8)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.one_of(st.binary(max_size=300), garbage_lines.map(lambda lines: "\n".join(lines).encode())))
def test_check_when_given_garbage_then_it_neither_crashes_nor_is_silent(mempress: Path, text: bytes) -> None:
    with tempfile.NamedTemporaryFile() as workload:
        workload.write(text)
        workload.flush()
        argv = [str(mempress), "--check", workload.name]
        done = subprocess.run(argv, capture_output=True, check=False, timeout=60)
    assert done.returncode in {0, 2}
    if done.returncode == 2:
        assert re.match(rb"mempress: [^:]+:\d+: ", done.stderr)
