"""Recorded runs in the hands of others: KTAP by the kernel's own parser, JUnit by Jenkins' own schema.

They stand here for what they need beside us: the kernel's sources, and pytest's source package, which carries the schema.
"""

from __future__ import annotations

import importlib.util
import io
import json
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import xmlschema

from orchestrator.host.deadline import Cancellation
from orchestrator.host.steps import Steps
from orchestrator.host.workspace import cache_root
from orchestrator.report.junit import render_junit
from orchestrator.report.ktap import render_ktap
from orchestrator.tree.sources import open_source
from tests.command import COMMAND, LINUX, LONG_S, REPOSITORY
from tests.hostile import CORPUS, hostile_record
from tests.recorded import NAMES, recorded

pytestmark = pytest.mark.qemu

KUNIT = "tools/testing/kunit"
SCHEMA = "testing/example_scripts/junit-10.xsd"
DOWNLOAD_S = 600


@pytest.fixture(scope="session")
def kunit(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, ModuleType]]:
    """kunit_parser and kunit_printer of the kernel that we test with."""
    source = open_source(LINUX, cache=cache_root(), steps=Steps(), cancellation=Cancellation())
    folder = tmp_path_factory.mktemp("kunit")
    modules: dict[str, ModuleType] = {}
    for name in ("kunit_printer", "kunit_parser"):
        file = folder / f"{name}.py"
        text = ["git", "-C", str(source.repo), "show", f"{source.head}:{KUNIT}/{name}.py"]
        file.write_bytes(subprocess.run(text, capture_output=True, check=True).stdout)
        spec = importlib.util.spec_from_file_location(name, file)
        assert spec is not None
        assert spec.loader is not None
        modules[name] = sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(modules[name])
    yield modules
    for name in modules:
        del sys.modules[name]


def parsed(kunit: dict[str, ModuleType], text: str) -> Any:
    """Return the kernel parser's test, its printing thrown away."""
    printer = kunit["kunit_printer"].Printer(io.StringIO())
    return kunit["kunit_parser"].parse_run_tests(text.splitlines(), printer)


@pytest.mark.parametrize(
    ("name", "passed", "failed", "skipped"),
    [
        ("pass", 20, 0, 0),
        ("changed", 22, 0, 0),
        ("regression", 10, 1, 0),
        ("inconclusive", 15, 0, 0),
        ("our-error", 3, 1, 0),
        ("half-finished", 1, 0, 5),
    ],
)
def test_kernels_parser_counts_what_we_said(
    name: str, passed: int, failed: int, skipped: int, kunit: dict[str, ModuleType]
) -> None:
    counts = parsed(kunit, render_ktap(recorded(name).record)).counts
    assert (counts.passed, counts.failed, counts.skipped, counts.errors, counts.crashed) == (
        passed,
        failed,
        skipped,
        0,
        0,
    )


def test_kernels_parser_names_the_suites_and_cases_as_we_did(kunit: dict[str, ModuleType]) -> None:
    test = parsed(kunit, render_ktap(recorded("regression").record))
    assert [suite.name for suite in test.subtests] == ["run", "one-node"]
    failed = [case.name for suite in test.subtests for case in suite.subtests if not case.ok_status()]
    assert failed == ["churn.patched.s1"]


@pytest.mark.parametrize("text", CORPUS, ids=range(len(CORPUS)))
def test_kernels_parser_counts_the_same_whatever_strangers_write(text: str, kunit: dict[str, ModuleType]) -> None:
    record = recorded("regression").record
    plain, hostile = (parsed(kunit, render_ktap(hostile_record(record, each))).counts for each in ("x", text))
    assert vars(hostile) == vars(plain)


@pytest.fixture(scope="session")
def jenkins(tmp_path_factory: pytest.TempPathFactory) -> xmlschema.XMLSchema:
    """Jenkins' junit-10.xsd, of the source package of the pytest that runs this."""
    folder = tmp_path_factory.mktemp("pytest-source")
    wanted = f"pytest=={metadata.version('pytest')}"
    subprocess.run(
        [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps", "--no-binary", "pytest", wanted],
        cwd=folder, check=True, timeout=DOWNLOAD_S,
    )  # fmt: skip
    (package,) = folder.glob("pytest-*.tar.gz")
    with tarfile.open(package) as files:
        (member,) = [each for each in files.getmembers() if each.name.endswith(SCHEMA)]
        found = files.extractfile(member)
        assert found is not None
        path = Path(folder / "junit-10.xsd")
        path.write_bytes(found.read())
    return xmlschema.XMLSchema(str(path))


@pytest.mark.parametrize("name", NAMES)
def test_junit_of_recorded_runs_is_valid_by_jenkins_schema(name: str, jenkins: xmlschema.XMLSchema) -> None:
    jenkins.validate(render_junit(recorded(name).record))


@pytest.mark.parametrize("text", CORPUS, ids=range(len(CORPUS)))
def test_junit_is_valid_by_jenkins_schema_whatever_strangers_write(text: str, jenkins: xmlschema.XMLSchema) -> None:
    jenkins.validate(render_junit(hostile_record(recorded("our-error").record, text)))


def test_b4_check_tests_what_was_not_tested_yet_and_remembers_it(tmp_path: Path) -> None:
    """A patch of comments alone: the same object code, so that a verdict needs no trial."""
    diff = (REPOSITORY / "tests/data/patches/benign/01-comment-only.diff").read_text()
    head = "From: A <a@example.org>\nSubject: [PATCH] mm/zswap: reword\nMessage-ID: <1@example.org>\n\nBetter.\n---\n"
    words = [*COMMAND, "b4-check", "--results", str(tmp_path)]
    for more in (["--linux", LINUX], []):
        done = subprocess.run(
            [*words, *more], input=f"{head}{diff}", capture_output=True, text=True, check=True, timeout=LONG_S
        )
        (answer,) = json.loads(done.stdout)
        assert (answer["status"], answer["tool"]) == ("pass", "mm-patch-orchestrator")
        assert "No change in object code" in answer["summary"]
