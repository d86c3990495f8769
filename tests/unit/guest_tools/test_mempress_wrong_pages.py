"""What mempress says of a wrong page: whose content it is, and which steps touched it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.unit.guest_tools.mempress_runs import PAGE, Line, bad_pages, hook_server, of_op, page, run, write


def tampered(
    mempress: Path, in_memory: Path, steps: str, tamper: Callable[[bytearray, bytes], None], *, content: str = "random"
) -> Line:
    """Return the wrong page's line after ``tamper`` changed the region's file from outside, at the second hook.

    It is given the file's bytes at that moment and those at the first hook.
    """
    file = in_memory / "memory"
    states: list[bytes] = []

    def answer(_name: str) -> str:
        states.append(file.read_bytes())
        if len(states) == 2:
            changed = bytearray(states[1])
            tamper(changed, states[0])
            with file.open("r+b") as out:
                out.write(changed)
        return "0\n"

    text = f"region f size=64K file={file} content={content}\nstep fill f\nstep hook look\n{steps}step hook tamper\n"
    with hook_server(in_memory, answer):
        code, lines = run(mempress, write(in_memory, text))
    (bad,) = bad_pages(lines)
    assert (code, bad["page"]) == (1, 5)
    return bad


def likeness(bad: Line) -> Line:
    return {key: bad[key] for key in ("zero", "stale", "page_of") if key in bad}


@pytest.mark.parametrize(
    ("steps", "content", "back"),
    [
        ("step write f\nstep write f from=5 to=6\n", "random", 2),
        ("step write f\nstep write f from=5 to=6\n", "same:7", 2),
        ("step write f\n", "text", 1),
        ("step dontneed f\n", "random", 1),
    ],
)
def test_likeness_when_the_page_is_its_own_older_content_then_it_is_stale(
    mempress: Path, hooks_in_memory: Path, steps: str, content: str, back: int
) -> None:
    def restore(now: bytearray, first: bytes) -> None:
        now[page(5)] = first[page(5)]

    assert likeness(tampered(mempress, hooks_in_memory, steps, restore, content=content)) == {"stale": back}


def test_likeness_when_the_page_is_that_of_another_then_its_index_is_named(
    mempress: Path, hooks_in_memory: Path
) -> None:
    def exchange(now: bytearray, _first: bytes) -> None:
        now[page(5)] = now[page(9)]

    assert likeness(tampered(mempress, hooks_in_memory, "", exchange, content="text")) == {"page_of": 9}


def test_likeness_when_the_page_is_zero_then_it_says_so(mempress: Path, hooks_in_memory: Path) -> None:
    def clear(now: bytearray, _first: bytes) -> None:
        now[page(5)] = bytes(PAGE)

    assert likeness(tampered(mempress, hooks_in_memory, "step write f\n", clear)) == {"zero": True}


def test_likeness_when_one_byte_is_wrong_then_it_is_like_nothing_known(mempress: Path, hooks_in_memory: Path) -> None:
    def flip(now: bytearray, _first: bytes) -> None:
        now[5 * PAGE + 17] ^= 1

    bad = tampered(mempress, hooks_in_memory, "", flip)
    assert likeness(bad) == {}
    assert (bad["offset"], bad["wrong_bytes"]) == (17, 1)


def test_history_when_a_page_is_wrong_then_the_last_eight_steps_that_touched_it_are_named(
    mempress: Path, tmp_path: Path
) -> None:
    text = """region a size=64K
        region b size=64K
        step fill a
        step fill b
        step pageout a
        step read a from=3 to=4
        step read a from=4
        step write a to=4
        step cold a from=4 to=8
        step corrupt a page=3 offset=0
        step verify a
        """
    text += "step read a pattern=random\n" * 3 + "step fork b percent=1\nstep write b\nstep digest a\nstep verify a\n"
    _, lines = run(mempress, write(tmp_path, text))
    found = [bad["history"] for bad in bad_pages(lines)]
    assert found[0] == ["fill:1", "pageout:3", "read:4", "write:6"]
    # The child of the fork finds the page too; the step that finds it is never in the list.
    assert found[1] == ["pageout:3", "read:4", "write:6", "verify:9", "read:10", "read:11", "read:12", "fork:13"]
    assert found[2][-2:] == ["fork:13", "digest:15"]
    assert len(found[2]) == 8


def test_history_when_a_share_was_touched_then_it_agrees_with_what_the_step_did(mempress: Path, tmp_path: Path) -> None:
    corrupt = "".join(f"step corrupt a page={number} offset=0\n" for number in range(16))
    text = "region a size=64K\nstep fill a\nstep write a pattern=random percent=40 threads=3\n" + corrupt
    _, lines = run(mempress, write(tmp_path, text))
    touched = sum(bad["history"] == ["fill:1", "write:2"] for bad in bad_pages(lines))
    assert {tuple(bad["history"]) for bad in bad_pages(lines)} == {("fill:1",), ("fill:1", "write:2")}
    assert touched == of_op(lines, "write")[0]["pages"]
