"""probes: the sums of a captured trace, the spec's grammar, and starting and stopping on a faked tracefs.

What a kernel makes of it shows in the exact figures of tests/integration/test_main_job.py.
"""

from __future__ import annotations

import json
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

Line = dict[str, Any]

# Up to "LOST", lines of a guest's `trace` (7.2.12, gcc 12, probed with zswap.spec); what follows is made up to be awkward.
TRACE = """\
# tracer: nop
#
#           TASK-PID     CPU#  |||||  TIMESTAMP  FUNCTION
        mempress-64      [000] .....    12.057758: shrink_memcg: (zswap_store+0x7a/0x688 <- shrink_memcg) ret=-11
        mempress-64      [000] .....    12.057789: walk_entry: (list_lru_walk_one+0x4/0x11) nid=0 cb=0xffffffff81393335 arg=0x0 ask=1
        mempress-64      [000] .....    12.097759: walk_return: (shrink_memcg+0x8d/0xde <- list_lru_walk_one) nid=1 cb=0xffffffff81393335 arg=0x0 left=0 written=1
        mempress-64      [000] .....    12.097761: shrink_memcg: (zswap_store+0x7a/0x688 <- shrink_memcg) ret=0
        mempress-64      [000] .....    12.097972: walk_entry: (list_lru_walk_one+0x4/0x11) nid=0 cb=0xffffffff81393335 arg=0x0 ask=1
        mempress-64      [000] .....    12.098017: walk_return: (shrink_memcg+0x8d/0xde <- list_lru_walk_one) nid=0 cb=0xffffffff81393335 arg=0x0 left=0 written=1
        mempress-64      [000] .....    12.098021: walk_entry: (list_lru_walk_one+0x4/0x11) nid=1 cb=0xffffffff81393335 arg=0x0 ask=1
        mempress-64      [000] .....    12.098066: walk_return: (shrink_memcg+0x8d/0xde <- list_lru_walk_one) nid=1 cb=0xffffffff81393335 arg=0x0 left=0 written=1
        mempress-64      [000] .....    12.098068: shrink_memcg: (zswap_store+0x7a/0x688 <- shrink_memcg) ret=0
CPU:1 [LOST 3 EVENTS]
  a: b: (c) d: e-72      [001] .....     8.500000: walk_return: (x+0x0/0x9 <- list_lru_walk_one) nid=1 cb=0x1 arg=0xffff888001234000 left=60 written=4
        mempress-71      [001] .....     8.500001: walk_return: (x+0x0/0x9 <- list_lru_walk_one) nid=1 cb=0x1 arg=0x1 left=(fault) written=1
        mempress-71      [001] .....     8.500003: shrink_memcg: (zswap_store+0x1e/0x5d0 <- shrink_memcg) ret=-11
        mempress-71      [001] .....     8.500004: shrink_memcg_other: (zswap_store+0x1e/0x5d0 <- shrink_memcg) ret=-11
"""
KALLSYMS = """\
ffffffff8114d000 t shrink_memcg
ffffffff8114d5f0 t shrink_memcg_cb
ffffffff8114d5ff t shrink_memcg_cb	[zs_late]
ffffffff81150000 T list_lru_walk_one
"""


def run(probes: Path, *arguments: object) -> list[Line]:
    done = subprocess.run([str(probes), *map(str, arguments)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    return [json.loads(line) for line in done.stdout.splitlines()]


def group(lines: list[Line], probe: str, **key: object) -> Line:
    (found,) = [line for line in lines if line.get("probe") == probe and line.get("group") == key]
    return found


@pytest.fixture
def zswap_spec(sources: Path, tmp_path: Path) -> Path:
    """The kprobes and kretprobes of the spec that all trials use."""
    lines = (sources / "probes" / "zswap.spec").read_text().splitlines(keepends=True)
    spec = tmp_path / "zswap.spec"
    spec.write_text("".join(line for line in lines if line.startswith(("kprobe", "kretprobe"))))
    return spec


@pytest.fixture
def sums(probes: Path, zswap_spec: Path, tmp_path: Path) -> list[Line]:
    (tmp_path / "trace").write_text(TRACE)
    return run(probes, "--sum", tmp_path / "trace", zswap_spec)


def test_sum_when_a_field_is_a_histogram_then_each_value_is_counted(sums: list[Line]) -> None:
    shrink = group(sums, "shrink_memcg")
    assert (shrink["status"], shrink["calls"]) == ("ok", 4)
    assert shrink["hist"] == {"ret": {"-11": 2, "0": 2}}


def test_sum_when_fields_are_grouped_then_each_group_has_its_own_sums(sums: list[Line]) -> None:
    assert group(sums, "walk_entry", nid=0, arg="null")["sum"] == {"ask": 2}
    assert group(sums, "walk_return", nid=1, arg="null")["sum"] == {"left": 0, "written": 2}
    assert group(sums, "walk_return", nid=1, arg="set")["calls"] == 2
    assert [line["group"] for line in sums if line["probe"] == "walk_return"] == [
        {"nid": 0, "arg": "null"},
        {"nid": 1, "arg": "null"},
        {"nid": 1, "arg": "set"},
    ]


def test_sum_when_a_field_is_no_number_then_it_is_counted_and_not_taken_for_zero(sums: list[Line]) -> None:
    fault = group(sums, "walk_return", nid=1, arg="set")
    assert (fault["sum"], fault["unparsed"]) == ({"left": 60, "written": 5}, 1)
    assert group(sums, "shrink_memcg")["unparsed"] == 0


def test_sum_when_nothing_was_seen_then_there_are_no_calls(probes: Path, zswap_spec: Path, tmp_path: Path) -> None:
    (tmp_path / "trace").write_text("# tracer: nop\n")
    lines = run(probes, "--sum", tmp_path / "trace", zswap_spec)
    assert [(line["probe"], line["group"], line["calls"]) for line in lines] == [
        ("shrink_memcg", {}, 0),
        ("walk_entry", {}, 0),
        ("walk_return", {}, 0),
    ]


def test_sum_when_values_are_many_and_large_then_they_are_ordered_and_added(probes: Path, tmp_path: Path) -> None:
    (tmp_path / "spec").write_text("kprobe p f a=$arg1:s64 b=$arg2:x64 | sum=a,b hist=b\n")
    values = [(-(index % 7), (index * 37) % 101) for index in range(500)]
    lines = [f" c-1 [000] ..... 1.{index:06}: p: (f+0x0/0x1) a={a} b={b:#x}\n" for index, (a, b) in enumerate(values)]
    (tmp_path / "trace").write_text("".join(lines))
    (line,) = run(probes, "--sum", tmp_path / "trace", tmp_path / "spec")
    assert line["sum"] == {"a": sum(a for a, _ in values), "b": sum(b for _, b in values)}
    expected = {str(b): sum(other == b for _, other in values) for b in sorted({b for _, b in values})}
    assert list(line["hist"]["b"].items()) == list(expected.items())


@pytest.mark.parametrize(
    ("text", "line", "what"),
    [
        ("# nothing\n", 2, "no probe"),
        ("uprobe a b", 1, "starts with kprobe"),
        ("kprobe a-b c", 1, "name"),
        ("kprobe a", 1, "no symbol"),
        ("kprobe", 1, "name"),
        ("kprobe a b x=$arg1 | sum=y", 1, "no fetch argument is called 'y'"),
        ("kprobe a b xy=$arg1 | sum=y", 1, "no fetch argument"),
        ("kprobe a b x=$arg1 | sum=x:null", 1, ":null"),
        ("kprobe a b x=$arg1 | group=x:zero", 1, ":null"),
        ("kprobe a b x=$arg1 | sum=x sum=x", 1, "once"),
        ("kprobe a b x=$arg1 | filter x==1 | filter x==2", 1, "more than one filter"),
        ("\nkprobe a b\nkprobe a c", 3, "twice"),
        ("count a.b c\nlatency a_b d", 2, "twice"),
        ("count .a b", 1, "name"),
        ("count a b x=$arg1", 1, "nothing but a name"),
        ("latency a b | hist=x", 1, "nothing but a name"),
        ("tracepoint a vmscan", 1, "GROUP/EVENT"),
        ("tracepoint a vmscan/b/c", 1, "GROUP/EVENT"),
        ("kprobe a b x=$arg1 | mean=x", 1, "expected group="),
    ],
)
def test_spec_when_it_is_wrong_then_the_line_is_named(
    probes: Path, tmp_path: Path, text: str, line: int, what: str
) -> None:
    spec = tmp_path / "spec"
    spec.write_text(text)
    argv = [str(probes), "--sum", "/dev/null", str(spec)]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith(f"probes: {spec}:{line}: ")
    assert what in done.stderr


def fake_tracefs(root: Path, *events: str, trace: str = "") -> Path:
    """Plain files where tracefs has its own: `probes` must not care, and what it wrote can be read."""
    for name in ("kprobe_events", "tracing_on", "buffer_size_kb", "options/raw"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text("")
    (root / "trace").write_text(trace)
    for cpu in range(2):
        (root / "per_cpu" / f"cpu{cpu}").mkdir(parents=True)
        stats = f"entries: 9\noverrun: {cpu * 5}\ncommit overrun: 0\nbytes: 7\ndropped events: 2\nread events: 0\n"
        (root / "per_cpu" / f"cpu{cpu}" / "stats").write_text(stats)
    (root / "kprobe_profile").write_text(
        "  shrink_memcg      7     0\n  walk_return      9     4\n  foreign   1   50\n"
    )
    for event in events:
        (root / "events" / "guest_probes" / event).mkdir(parents=True)
        for name in ("enable", "filter"):
            (root / "events" / "guest_probes" / event / name).write_text("")
    return root


def start(probes: Path, tracefs: Path, spec: Path, kallsyms: str, *more: str) -> list[Line]:
    symbols = tracefs / "kallsyms"
    symbols.write_text(kallsyms)
    return run(probes, "--start", tracefs, spec, "--kallsyms", symbols, *more)


def test_start_when_all_symbols_exist_then_events_are_defined_filtered_and_enabled(
    probes: Path, zswap_spec: Path, tmp_path: Path
) -> None:
    tracefs = fake_tracefs(tmp_path / "t", "shrink_memcg", "walk_entry", "walk_return")
    lines = start(probes, tracefs, zswap_spec, KALLSYMS, "--buffer-kb", "512")
    assert lines == [{"probe": name, "status": "ok"} for name in ("shrink_memcg", "walk_entry", "walk_return")]
    events = (tracefs / "kprobe_events").read_text().splitlines()
    assert events[:3] == [f"-:guest_probes/{name}" for name in ("shrink_memcg", "walk_entry", "walk_return")]
    assert events[3] == "r256:guest_probes/shrink_memcg shrink_memcg ret=$retval:s32"
    assert events[4].startswith("p:guest_probes/walk_entry list_lru_walk_one nid=$arg2:s32 cb=$arg4:x64 ")
    walk = tracefs / "events" / "guest_probes" / "walk_return"
    assert (walk / "filter").read_text() == "cb==0xffffffff8114d5f0"
    assert (walk / "enable").read_text() == "1"
    assert ((tracefs / "tracing_on").read_text(), (tracefs / "buffer_size_kb").read_text()) == ("1", "512")


@pytest.mark.parametrize(
    ("absent", "missing"),
    [("list_lru_walk_one", {"walk_entry", "walk_return"}), ("shrink_memcg_cb", {"walk_entry", "walk_return"})],
)
def test_start_when_a_symbol_is_not_in_the_kernel_then_its_probes_are_missing(
    probes: Path, zswap_spec: Path, tmp_path: Path, absent: str, missing: set[str]
) -> None:
    tracefs = fake_tracefs(tmp_path / "t", "shrink_memcg")
    kallsyms = "".join(line for line in KALLSYMS.splitlines(keepends=True) if absent not in line)
    lines = start(probes, tracefs, zswap_spec, kallsyms)
    assert {line["probe"] for line in lines if line["status"] == "missing"} == missing
    assert {line["symbol"] for line in lines if line["status"] == "missing"} == {absent}
    assert "walk" not in (tracefs / "kprobe_events").read_text()


def test_start_when_the_kernel_has_no_event_for_it_then_the_probe_is_rejected(
    probes: Path, zswap_spec: Path, tmp_path: Path
) -> None:
    tracefs = fake_tracefs(tmp_path / "t", "walk_entry", "walk_return")
    lines = start(probes, tracefs, zswap_spec, KALLSYMS)
    assert lines[0] == {"probe": "shrink_memcg", "status": "rejected", "error": "ENOENT"}


def test_stop_when_events_were_lost_then_they_are_reported_beside_the_sums(
    probes: Path, zswap_spec: Path, tmp_path: Path
) -> None:
    tracefs = fake_tracefs(tmp_path / "t", "shrink_memcg", "walk_return", trace=TRACE)
    (tracefs / "kallsyms").write_text(KALLSYMS)
    out = tmp_path / "out"
    assert run(probes, "--stop", tracefs, zswap_spec, "--kallsyms", tracefs / "kallsyms", "--out", out) == []
    lines = [json.loads(line) for line in out.read_text().splitlines()]
    assert lines[-1] == {"lost": {"overrun": 5, "dropped": 4, "missed": 4}}
    assert group(lines, "shrink_memcg")["calls"] == 4
    assert {"probe": "walk_entry", "status": "rejected"} in lines
    assert (tracefs / "tracing_on").read_text() == "0"
    assert (tracefs / "kprobe_events").read_text() == ""


def test_stop_when_the_directory_is_no_tracefs_then_exit_is_three(
    probes: Path, zswap_spec: Path, tmp_path: Path
) -> None:
    argv = [str(probes), "--stop", str(tmp_path), str(zswap_spec)]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert done.returncode == 3
    assert "tracing_on: ENOENT" in done.stderr


HIST = """\
# event histogram
#
# trigger info: hist:keys=nid,arg:vals=hitcount,left,written:sort=hitcount:size=2048 if cb==0x1 [active]
#

{ nid:          0, arg:          0 } hitcount:          2  left:          7  written:          1
{ nid:          1, arg: 18446744073709551615 } hitcount:          5  left: 18446744073709551611  written:          0

Totals:
    Hits: 7
    Entries: 2
    Dropped: 3
"""
WALK = "kretprobe walk f nid=$arg2:s32 arg=$arg5:x64 left=$arg6:s64 written=$retval:u64 | filter arg==1 | group=nid,arg:null sum=left,written\n"


def give_hist(tracefs: Path, event: str, text: str = "") -> Path:
    """Fake CONFIG_HIST_TRIGGERS for an event."""
    folder = tracefs / "events" / "guest_probes" / event
    (folder / "hist").write_text(text)
    (folder / "trigger").write_text("# Available triggers:\n# hist\n")
    return folder


def spec_of(folder: Path, text: str) -> Path:
    spec = folder / "spec"
    spec.write_text(text)
    return spec


def test_start_when_the_kernel_has_hist_triggers_then_the_event_is_summed_there(probes: Path, tmp_path: Path) -> None:
    tracefs = fake_tracefs(tmp_path / "t", "walk")
    walk = give_hist(tracefs, "walk")
    start(probes, tracefs, spec_of(tmp_path, WALK), "ffffffff81150000 T f\n")
    trigger = "hist:keys=nid,arg:vals=hitcount,left,written if arg==1"
    assert (walk / "trigger").read_text().splitlines()[-1] == trigger
    assert ((walk / "enable").read_text(), (walk / "filter").read_text()) == ("0", "")


def test_start_when_a_trigger_has_no_room_for_the_fields_then_the_buffer_takes_them(
    probes: Path, tmp_path: Path
) -> None:
    tracefs = fake_tracefs(tmp_path / "t", "a", "b", "c")
    folders = [give_hist(tracefs, name) for name in ("a", "b", "c")]
    arguments = "w=$arg1 x=$arg2 y=$arg3 z=$arg4"
    sums = ("hist=w,x,y,z", "group=w sum=x,y,z", "group=w sum=w")
    spec = "".join(f"kprobe {name} f {arguments} | {sums}\n" for name, sums in zip("abc", sums, strict=True))
    start(probes, tracefs, spec_of(tmp_path, spec), "ffffffff81150000 T f\n")
    assert [(folder / "enable").read_text() for folder in folders] == ["1", "1", "1"]
    assert not any("keys" in (folder / "trigger").read_text() for folder in folders)


def test_start_when_an_earlier_run_left_a_trigger_then_it_is_removed(probes: Path, tmp_path: Path) -> None:
    tracefs = fake_tracefs(tmp_path / "t", "walk")
    walk = give_hist(tracefs, "walk")
    (walk / "trigger").write_text("hist:keys=nid:vals=hitcount:sort=hitcount:size=2048 if a==1 [active]\n")
    start(probes, tracefs, spec_of(tmp_path, WALK), "ffffffff81150000 T f\n")
    assert "!hist:keys=nid:vals=hitcount:sort=hitcount:size=2048 if a==1\n" in (walk / "trigger").read_text()


def test_stop_when_a_trigger_counted_then_its_sums_are_told_and_what_it_dropped(probes: Path, tmp_path: Path) -> None:
    tracefs = fake_tracefs(tmp_path / "t", "walk")
    give_hist(tracefs, "walk", HIST)
    lines = run(probes, "--stop", tracefs, spec_of(tmp_path, WALK))
    near, far = group(lines, "walk", nid=0, arg="null"), group(lines, "walk", nid=1, arg="set")
    assert (near["by"], near["calls"], near["sum"]) == ("trigger", 2, {"left": 7, "written": 1})
    assert (far["calls"], far["sum"], far["unparsed"]) == (5, {"left": -5, "written": 0}, 0)
    assert lines[-1]["lost"]["dropped"] == 4 + 3


def test_count_when_started_then_no_event_of_it_is_recorded(probes: Path, tmp_path: Path) -> None:
    tracefs = fake_tracefs(tmp_path / "t", "enter_f")
    assert start(probes, tracefs, spec_of(tmp_path, "count enter.f f\n"), "ffffffff81150000 T f\n") == [
        {"probe": "enter.f", "status": "ok"}
    ]
    event = tracefs / "events" / "guest_probes" / "enter_f"
    assert (tracefs / "kprobe_events").read_text().splitlines()[-1].split() == ["p:guest_probes/enter_f", "f"]
    assert ((event / "filter").read_text(), (event / "enable").read_text()) == ("common_pid==-1", "1")


def test_read_when_a_count_missed_hits_or_is_not_there_then_it_has_no_number(probes: Path, tmp_path: Path) -> None:
    tracefs = fake_tracefs(tmp_path / "t")
    (tracefs / "kprobe_profile").write_text("  enter_f   7   0\n  enter_g   9   4\n  other  1  0\n  walk  3  0\n")
    spec = spec_of(tmp_path, "count enter.f f\ncount enter.g g\ncount enter.h h\nkprobe walk w\n")
    out = tmp_path / "counts"
    for label in ("before", 'a "label"'):
        assert run(probes, "--read", tracefs, spec, "--label", label, "--out", out) == []
    assert [json.loads(line) for line in out.read_text().splitlines()] == [
        {"label": "before", "counts": {"enter.f": 7}},
        {"label": 'a "label"', "counts": {"enter.f": 7}},
    ]


def test_stop_when_a_count_was_hit_then_calls_and_misses_are_its_own(probes: Path, tmp_path: Path) -> None:
    tracefs = fake_tracefs(tmp_path / "t", "enter_f")
    (tracefs / "kprobe_profile").write_text("  enter_f   7   2\n")
    (tracefs / "kallsyms").write_text("ffffffff81150000 T f\n")
    spec = spec_of(tmp_path, "count enter.f f\ncount enter.h h\n")
    lines = run(probes, "--stop", tracefs, spec, "--kallsyms", tracefs / "kallsyms")
    assert lines[:2] == [
        {"probe": "enter.f", "status": "ok", "by": "profile", "calls": 7, "missed": 2},
        {"probe": "enter.h", "status": "missing", "symbol": "h"},
    ]
    assert lines[-1]["lost"]["missed"] == 0


def latency_of(probes: Path, folder: Path, trace: str) -> Line:
    """Stop a latency probe whose events have the numbers 5 and 6."""
    tracefs = fake_tracefs(folder / "t", "f_in", "f_out", trace=trace)
    for name, number in (("f_in", 5), ("f_out", 6)):
        (tracefs / "events" / "guest_probes" / name / "id").write_text(f"{number}\n")
    line, _ = run(probes, "--stop", tracefs, spec_of(folder, "latency f f\n"))
    assert (tracefs / "options" / "raw").read_text() == "0"
    return line


def test_latency_when_calls_of_threads_mix_then_each_is_matched_with_its_own(probes: Path, tmp_path: Path) -> None:
    raw = ["7 0 1000 type: 5", "8 1 1010 type: 5", "7 0 1016 type: 6", "9 0 1020 type: 4", "8 0 2034 type: 6"]
    line = latency_of(probes, tmp_path, "# tracer: nop\n" + "\n".join(raw) + "\n")
    assert (line["calls"], line["sum"], line["max"]) == (2, {"ns": 16 + 1024}, {"ns": 1024})
    assert line["hist"] == {"ns_log2": {"4": 1, "10": 1}}


def test_latency_when_a_function_calls_itself_then_the_inner_call_ends_first(probes: Path, tmp_path: Path) -> None:
    raw = ["7 0 100 type: 5", "7 0 110 type: 5", "7 0 111 type: 6", "7 0 200 type: 6"]
    line = latency_of(probes, tmp_path, "\n".join(raw) + "\n")
    assert (line["calls"], line["sum"], line["max"]) == (2, {"ns": 101}, {"ns": 100})


def test_latency_when_a_call_has_no_other_end_then_it_is_not_counted_but_told(probes: Path, tmp_path: Path) -> None:
    raw = ["7 0 100 type: 6", "7 0 110 type: 5", "8 0 120 type: 5", "8 0 119 type: 6"]
    line = latency_of(probes, tmp_path, "\n".join(raw) + "\n")
    assert (line["calls"], line["open"], line["strays"], line["unparsed"]) == (0, 1, 1, 1)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(durations=st.lists(st.integers(0, 1 << 40), max_size=20))
def test_latency_when_calls_took_any_time_then_each_lies_in_its_bucket(probes: Path, durations: list[int]) -> None:
    raw = [f"{i} 0 1 type: 5\n{i} 0 {1 + ns} type: 6\n" for i, ns in enumerate(durations)]
    with tempfile.TemporaryDirectory() as folder:
        line = latency_of(probes, Path(folder), "".join(raw))
    expected = [0 if ns <= 1 else (ns - 1).bit_length() for ns in durations]
    assert line["hist"]["ns_log2"] == {str(k): expected.count(k) for k in sorted(set(expected))}
    assert (line["sum"]["ns"], line["max"]["ns"]) == (sum(durations), max(durations, default=0))


def test_tracepoint_when_it_cannot_be_placed_then_what_the_kernel_lacks_is_named(probes: Path, tmp_path: Path) -> None:
    tracefs = fake_tracefs(tmp_path / "t")
    (tracefs / "events" / "vmscan" / "start").mkdir(parents=True)
    (tracefs / "events" / "vmscan" / "start" / "enable").write_text("0")
    spec = spec_of(tmp_path, "tracepoint s vmscan/start nid=$nid:s32\ntracepoint t vmscan/end nid=$nid:s32\n")
    lines = start(probes, tracefs, spec, "")
    assert [(line["status"], line["symbol"]) for line in lines] == [
        ("missing", "CONFIG_EPROBE_EVENTS"),
        ("missing", "vmscan/end"),
    ]


def test_list_when_asked_then_says_what_the_kernel_offers_and_which_places_it_lacks(
    probes: Path, tmp_path: Path
) -> None:
    tracefs = fake_tracefs(tmp_path / "t")
    (tracefs / "README").write_text(
        " p[:[<group>/][<event>]] <place> [<args>]\n      hist trigger\t- If set, event hits\n"
    )
    (tracefs / "trace_clock").write_text("[local] global mono\n")
    (tracefs / "kallsyms").write_text("ffffffff81150000 T f\n")
    spec = spec_of(tmp_path, "count enter.f f\ncount enter.g g\n")
    (line,) = run(probes, "--list", tracefs, spec, "--kallsyms", tracefs / "kallsyms")
    assert (line["kprobe_events"], line["kretprobes"], line["hist_triggers"]) == (True, False, True)
    assert line["clocks"] == ["local", "global", "mono"]
    assert line["probes"] == {"enter.f": None, "enter.g": "g"}


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(spec=st.binary(max_size=200), trace=st.binary(max_size=400))
def test_sum_when_given_garbage_then_it_does_not_crash(probes: Path, spec: bytes, trace: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder, "trace"), Path(folder, "spec")]
        paths[0].write_bytes(b" c-1 [000] ..... 1.0: p: (f+0x0/0x1) a=" + trace)
        paths[1].write_bytes(b"kprobe p f a=$arg1 | sum=a hist=a group=a\n" + spec)
        argv = [str(probes), "--sum", *map(str, paths)]
        done = subprocess.run(argv, capture_output=True, check=False, timeout=60)
    assert done.returncode in {0, 2}
