"""What a guest recorded, parsed; whatever bytes come, a value or an InfraError comes of them and nothing else."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.errors import InfraError
from orchestrator.model import samples
from orchestrator.model.samples import parse_samples
from orchestrator.trial import records
from tests.unit.trial.recorded import real_files

settings.register_profile("records", derandomize=True, deadline=None, max_examples=200)
PROFILE = settings.get_profile("records")

HUGE = "9" * 5000
DEEP = b"[" * 100_000

# Bytes that look like the formats, so that more than the first check of a parser is reached.
fragments = st.sampled_from(
    [
        b"@sample before 1.000000000\n",
        b"@sample \xff 1.000000000\n",
        b"@file /proc/vmstat 2\n0\n\n",
        b"@file /proc/\xfe 99\n",
        b"@file /a 99999999999999999999999999\n",
        b"@error /a ENOENT\n",
        b'{"probe":"walk_return","status":"ok","group":{"nid":1},"calls":9,"sum":{"left":3},"hist":{},"unparsed":0}\n',
        b'{"probe":[],"calls":1e999}\n',
        b'{"lost":{"overrun":-1}}\n',
        b'{"lost":7}\n',
        b'{"op":"verify","pages":true,"bad":"x"}\n',
        b'{"bad_page":{"region":"\\ud800"}}\n',
        b"node 0 memory_kib 1 cpus 0-1 distances 10\n",
        b"node 0 memory_kib 1 cpus 1-0 distances 10\n",
        b"node 0 memory_kib 1 cpus 0-99999999 distances 10\n",
        b"online 0-1\n",
        b"has_cpu 0-1\n",
        b"has_memory \n",
        b"access 0 class 1 initiators 0 performance 80 80 - 40960\n",
        b"access 0 class 1 initiators  performance - - - -\n",
        b"access 99999999999999999999 class 1 initiators 0 performance 80\n",
        HUGE.encode(),
        b"\n",
        b" ",
        b"-",
        b"{",
    ]
)
hostile = st.one_of(
    st.binary(max_size=300),
    st.lists(st.one_of(fragments, st.binary(max_size=6)), max_size=8).map(b"".join),
)


def text(data: bytes) -> str:
    return data.decode("utf-8", "replace")


PARSERS: dict[str, Callable[[bytes], object]] = {
    "samples": parse_samples,
    "probes": records.parse_probes,
    "json": lambda data: records.json_lines(data, what="a record"),
    "topology": lambda data: records.parse_topology(text(data)),
    "cpu list": lambda data: records.parse_cpu_list(text(data)),
    "counter": lambda data: samples.counter_of(text(data)),
}


@pytest.mark.parametrize("name", list(PARSERS))
@settings(PROFILE)
@given(data=hostile)
def test_parser_when_given_any_bytes_then_raises_nothing_but_infra_errors(name: str, data: bytes) -> None:
    with contextlib.suppress(InfraError):
        PARSERS[name](data)


@settings(PROFILE)
@given(data=hostile)
def test_sample_when_its_files_hold_any_text_then_its_readers_raise_nothing(data: bytes) -> None:
    sample = samples.Sample(label="x", at_s=0, files={"f": text(data)})
    sample.keyed("f")
    sample.number("f")


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("samples", b"@sample x " + HUGE.encode() + b".000000000\n"),
        ("samples", b"@sample x 1.000000000\n@file /a " + HUGE.encode() + b"\n"),
        ("samples", b"@file /before/any/sample 1\n0\n"),
        ("samples", b"no header\n"),
        ("probes", DEEP),
        ("probes", b'{"lost":{"overrun":1.5}}'),
        ("probes", b'{"lost":{"overrun":true}}'),
        ("probes", b'{"probe":"a","calls":1,"sum":[]}'),
        ("probes", b'{"probe":"a","calls":1,"sum":{"left":' + b"9" * 100 + b"}}"),
        ("json", b'{"a":"\\ud800"}'),
        ("json", b"[]"),
        ("json", b'{"a":1}\n\n'),
        ("topology", b"node 0 memory_kib 1"),
        ("topology", "node \N{ARABIC-INDIC DIGIT THREE} memory_kib 1 cpus 0 distances 10".encode()),
        ("topology", b"node 0 memory_kib " + HUGE.encode() + b" cpus 0 distances 10"),
        ("cpu list", b"0-4294967295"),
        ("cpu list", b"3-1"),
        ("cpu list", b"0,,1"),
        ("cpu list", b"a-b"),
    ],
)
def test_parser_when_the_record_is_damaged_then_says_so(name: str, data: bytes) -> None:
    with pytest.raises(InfraError):
        PARSERS[name](data)


def test_samples_when_a_name_is_not_utf8_then_it_is_replaced() -> None:
    samples = parse_samples(b"@sample x 1.000000000\n@file /\xff 1\n7\n")
    assert samples[0].files == {"/\N{REPLACEMENT CHARACTER}": "7"}


def test_samples_when_the_last_one_was_cut_off_then_it_is_left_out() -> None:
    samples = parse_samples(b"@sample a 1.000000000\n@file /f 2\n12\n@sample b 2.000000000\n@file /f 9\n12")
    assert [(sample.label, sample.files) for sample in samples] == [("a", {"/f": "12"})]


def test_samples_when_a_file_holds_what_looks_like_a_header_then_it_stays_content() -> None:
    content = b"@sample fake 9.000000000\n"
    samples = parse_samples(b"@sample a 1.500000000\n@file /f %d\n%s\n" % (len(content), content))
    assert [(sample.label, sample.at_s, sample.files["/f"]) for sample in samples] == [("a", 1.5, content.decode())]


def test_samples_when_a_file_could_not_be_read_then_it_is_not_there() -> None:
    samples = parse_samples(b"@sample a 1.000000000\n@error /gone ENOENT\n")
    assert "/gone" not in samples[0].files


@settings(PROFILE)
@given(
    files=st.dictionaries(
        st.text(st.characters(codec="ascii", min_codepoint=33), min_size=1, max_size=20),
        st.text(max_size=50),
        max_size=5,
    )
)
def test_samples_when_written_as_the_sampler_does_then_read_back_the_same(files: dict[str, str]) -> None:
    data = b"@sample before 12.000000034\n" + b"".join(
        b"@file %s %d\n%s\n" % (name.encode(), len(content.encode()), content.encode())
        for name, content in files.items()
    )
    assert parse_samples(data)[0].files == files


def test_samples_when_the_real_sampler_wrote_them_then_every_file_is_there(sampler: Path, tmp_path: Path) -> None:
    written = {"vmstat": "zswpwb 7\nzswpout 9\n", "number": "12\n", "empty": "", "@sample x 1.0": "odd name"}
    for name, content in written.items():
        (tmp_path / name).write_text(content)
    out = tmp_path.parent / f"{tmp_path.name}.samples"
    for label in ("before", "pressed"):
        argv: list[str | Path] = [sampler, "--once", "--label", label, "--out", out, f"{tmp_path}/*", "/no/such/file"]
        subprocess.run(argv, check=True, capture_output=True)
    samples = parse_samples(out.read_bytes())
    expected = {f"{tmp_path}/{name}": content for name, content in written.items()}
    assert [(sample.label, sample.files) for sample in samples] == [("before", expected), ("pressed", expected)]


def test_samples_when_the_record_is_real_then_has_its_three_samples() -> None:
    samples = parse_samples(real_files()["samples"])
    assert [sample.label for sample in samples] == ["before", "pressed", "after"]


def test_probes_when_the_record_is_real_then_nothing_was_lost() -> None:
    probes = records.parse_probes(real_files()["probes"])
    assert (probes.lost, set(probes.placed.values())) == (0, {"ok"})


@pytest.mark.parametrize(
    ("said", "numbers"),
    [("", ()), ("0", (0,)), ("0-2,5", (0, 1, 2, 5)), ("7,3", (7, 3))],
)
def test_cpu_list_when_given_then_is_expanded(said: str, numbers: tuple[int, ...]) -> None:
    assert records.parse_cpu_list(said) == numbers


def test_topology_when_a_node_has_neither_memory_nor_cpus_then_it_is_read() -> None:
    (node,) = records.parse_topology("node 1 memory_kib 0 cpus  distances 20 10\nonline 0-1\n")
    assert (node.memory_kib, node.cpus, node.distances) == (0, (), (20, 10))


@pytest.mark.parametrize(
    ("said", "number"),
    [("18446744073709551615", 2**64 - 1), ("18446744073709551616", None), ("-1", None), ("", None), (" 5\n", 5)],
)
def test_counter_when_read_then_is_what_a_kernel_can_count_to(said: str, number: int | None) -> None:
    assert samples.counter_of(said) == number
