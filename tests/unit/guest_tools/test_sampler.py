"""sampler: what it writes parses back to what was there, and what was not there is said."""

from __future__ import annotations

import re
import signal
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

DEADLINE_S = 20.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    label: str
    seconds: float
    files: dict[str, bytes]
    errors: dict[str, str]


def parse(data: bytes) -> list[Sample]:
    samples: list[Sample] = []
    at = 0
    while at < len(data):
        end = data.index(b"\n", at)
        words = data[at:end].decode().split(" ")
        at = end + 1
        if words[0] == "@sample":
            samples.append(Sample(label=words[1], seconds=float(words[2]), files={}, errors={}))
            assert re.fullmatch(r"\d+\.\d{9}", words[2])
        elif words[0] == "@error":
            samples[-1].errors[" ".join(words[1:-1])] = words[-1]
        else:
            assert words[0] == "@file"
            length = int(words[-1])
            samples[-1].files[" ".join(words[1:-1])] = data[at : at + length]
            assert data[at + length : at + length + 1] == b"\n"
            at += length + 1
    return samples


def once(sampler: Path, out: Path, *patterns: object, label: str = "before") -> list[Sample]:
    argv = [str(sampler), "--once", "--label", label, "--out", str(out), *map(str, patterns)]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr, done.stdout) == (0, "", "")
    return parse(out.read_bytes())


def test_once_when_files_hold_anything_then_their_bytes_come_back(sampler: Path, tmp_path: Path) -> None:
    contents = {"a": b"", "b c": b"@file x 3\n\n\0\xff", "long": bytes(range(256)) * 1000}
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
    (sample,) = once(sampler, tmp_path / "out", *(tmp_path / name for name in contents))
    assert sample.label == "before"
    assert sample.files == {str(tmp_path / name): content for name, content in contents.items()}
    assert sample.errors == {}


def test_once_when_a_file_is_absent_or_unreadable_then_the_error_is_named(sampler: Path, tmp_path: Path) -> None:
    (tmp_path / "directory").mkdir()
    patterns = [tmp_path / "absent", tmp_path / "no" / "*", tmp_path / "directory", "/proc/uptime"]
    (sample,) = once(sampler, tmp_path / "out", *patterns)
    assert list(sample.errors.values()) == ["ENOENT", "ENOENT", "EISDIR"]
    assert list(sample.errors) == [str(pattern) for pattern in patterns[:3]]
    assert list(sample.files) == ["/proc/uptime"]


def test_once_when_patterns_have_wildcards_then_matches_are_sorted_and_hidden_files_left_out(
    sampler: Path, tmp_path: Path
) -> None:
    for name in ("node1/x", "node0/x", "node0/y", "other/x", ".node2/x"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(name)
    (sample,) = once(sampler, tmp_path / "out", tmp_path / "node[0-9]" / "?", tmp_path / "*" / "x")
    read = [str(Path(path).relative_to(tmp_path)) for path in sample.files]
    assert read == ["node0/x", "node0/y", "node1/x", "other/x"]


def test_once_when_the_file_exists_then_the_sample_is_appended(sampler: Path, tmp_path: Path) -> None:
    once(sampler, tmp_path / "out", "/proc/uptime", label="before")
    samples = once(sampler, tmp_path / "out", "/proc/uptime", label="after")
    assert [sample.label for sample in samples] == ["before", "after"]
    assert samples[0].seconds <= samples[1].seconds


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_loop_when_told_to_stop_then_a_last_sample_is_taken_and_exit_is_zero(
    sampler: Path, tmp_path: Path, number: signal.Signals
) -> None:
    out, late = tmp_path / "out", tmp_path / "late"
    argv = [str(sampler), "--interval-ms", "10", "--out", str(out), str(tmp_path / "l*")]
    with subprocess.Popen(argv) as process:
        deadline = time.monotonic() + DEADLINE_S
        while not out.exists() or out.read_bytes().count(b"@sample") < 3:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        late.write_text("here")
        process.send_signal(number)
        assert process.wait(DEADLINE_S) == 0
    samples = parse(out.read_bytes())
    assert {sample.label for sample in samples[:-1]} == {"tick"}
    assert samples[-1].label == "last"
    assert samples[0].errors == {str(tmp_path / "l*"): "ENOENT"}
    assert samples[-1].files == {str(late): b"here"}
    assert [sample.seconds for sample in samples] == sorted(sample.seconds for sample in samples)


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["--once", "--out", "o"],
        ["--once", "x"],
        ["--once", "--interval-ms", "5", "--out", "o", "x"],
        ["--interval-ms", "0", "--out", "o", "x"],
        ["--once", "--label", "two words", "--out", "o", "x"],
    ],
)
def test_arguments_when_they_are_wrong_then_exit_is_two(sampler: Path, tmp_path: Path, arguments: list[str]) -> None:
    done = subprocess.run([str(sampler), *arguments], capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.startswith("sampler: ")
    assert list(tmp_path.iterdir()) == []
