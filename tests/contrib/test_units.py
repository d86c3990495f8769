"""The systemd units: valid, closed as far as they can be, and about what the wheel installs."""

from __future__ import annotations

import configparser
import os
import re
import shutil
import subprocess
import time
import tomllib
from pathlib import Path

import pytest

from orchestrator.errors import MissingProgram
from tests.command import REPOSITORY
from tests.contrib.jobs import CONTRIB, Shell, executable

UNITS = CONTRIB / "systemd"
NAMES = sorted(path.name for path in UNITS.iterdir() if path.suffix in {".service", ".timer"})
SERVICES = [name for name in NAMES if name.endswith(".service")]
# The highest exposure that is accepted, in tenths, of 100. A service without a word about security has 96.
THRESHOLDS = {"orchestrator-watch.service": 30, "orchestrator-doctor.service": 30, "orchestrator-prune.service": 5}
INSTALLED = ("orchestrator", "orchestrator-ci-run", "orchestrator-prune-cache")


def analyze(*words: str | Path) -> subprocess.CompletedProcess[str]:
    if shutil.which("systemd-analyze") is None:
        raise MissingProgram("systemd-analyze", purpose="to check the units")
    argv = ["systemd-analyze", "--no-pager", *(str(word) for word in words)]
    return subprocess.run(argv, capture_output=True, text=True, check=False, timeout=120)


def settings(name: str) -> dict[str, str]:
    """The [Service] settings of a unit; of several of one name the last."""
    reader = configparser.RawConfigParser(strict=False, interpolation=None)
    reader.optionxform = str  # type: ignore[assignment,method-assign]
    reader.read(UNITS / name)
    return dict(reader["Service"])


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A machine with systemd's own units, ours, and the programs that they start."""
    theirs = next(path for path in (Path("/usr/lib/systemd/system"), Path("/lib/systemd/system")) if path.is_dir())
    shutil.copytree(theirs, tmp_path / "usr/lib/systemd/system", symlinks=True)
    ours = tmp_path / "etc/systemd/system"
    ours.mkdir(parents=True)
    for name in NAMES:
        shutil.copy(UNITS / name, ours / name)
    for name in INSTALLED:
        executable(tmp_path / "opt/orchestrator/bin" / name, "#!/bin/sh\n")
    return tmp_path


def test_units_for_systemd_are_valid(root: Path) -> None:
    done = analyze("verify", f"--root={root}", "--man=no", *NAMES)
    ours = [line for line in (done.stdout + done.stderr).splitlines() if "orchestrator" in line]
    assert (done.returncode, ours) == (0, [])


@pytest.mark.parametrize(
    ("right", "wrong"),
    [("Type=notify", "Type=never"), ("bin/orchestrator watch", "bin/orchestator watch"), ("UMask=", "Umask=")],
)
def test_systemd_with_a_fault_in_a_unit_says_so(root: Path, right: str, wrong: str) -> None:
    unit = root / "etc/systemd/system/orchestrator-watch.service"
    unit.write_text(unit.read_text().replace(right, wrong))
    done = analyze("verify", f"--root={root}", "--man=no", "orchestrator-watch.service")
    assert "orchestrator-watch.service" in done.stdout + done.stderr


@pytest.mark.parametrize("name", SERVICES)
def test_service_is_no_more_exposed_than_its_threshold(name: str) -> None:
    done = analyze("security", "--offline=yes", f"--threshold={THRESHOLDS[name]}", UNITS / name)
    assert done.returncode == 0, done.stdout[-300:]
    exposure = re.search(r"exposure level for \S+: ([0-9.]+)", done.stdout)
    assert exposure is not None
    assert 0 < float(exposure[1]) <= THRESHOLDS[name] / 10


def test_threshold_is_one_that_an_open_service_does_not_meet(tmp_path: Path) -> None:
    open_one = tmp_path / "open.service"
    open_one.write_text("[Service]\nExecStart=/bin/true\n")
    assert analyze("security", "--offline=yes", "--threshold=30", open_one).returncode != 0


@pytest.mark.parametrize("name", SERVICES)
def test_service_runs_as_its_own_user_with_no_way_up(name: str) -> None:
    said = settings(name)
    assert said["User"] == "orchestrator"
    assert said["NoNewPrivileges"] == "yes"
    assert said["ProtectSystem"] == "strict"
    assert said["CapabilityBoundingSet"] == ""
    assert said["StateDirectory"] == said["CacheDirectory"] == "orchestrator"


def test_watcher_and_doctor_stand_in_the_same_sandbox() -> None:
    """Or the doctor's word that a sandbox can be made here says nothing of the watcher."""
    hardening = re.compile(
        r"^(Protect|Private|Restrict|SystemCall|Lock|Capability|Ambient|NoNew|Keyring|Memory(?!Max))"
    )

    def of(name: str) -> dict[str, str]:
        return {key: value for key, value in settings(name).items() if hardening.match(key)}

    assert of("orchestrator-doctor.service") == of("orchestrator-watch.service")


def test_what_breaks_the_sandbox_is_not_set() -> None:
    """Each was seen to stop bubblewrap; the unit says how."""
    said = settings("orchestrator-watch.service")
    for name in (
        "ProtectKernelTunables",
        "ProtectKernelLogs",
        "ProtectHostname",
        "RestrictSUIDSGID",
        "RestrictNamespaces",
    ):
        assert name not in said
        assert f"{name}=" in (UNITS / "orchestrator-watch.service").read_text()
    assert "AF_NETLINK" in said["RestrictAddressFamilies"]
    assert {"@mount", "sethostname"} <= set(said["SystemCallFilter"].split())


def test_programs_of_the_units_are_installed_by_the_wheel() -> None:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())
    scripts = project["tool"]["hatch"]["build"]["targets"]["wheel"]["shared-scripts"]
    there = {*project["project"]["scripts"], *scripts.values()}
    assert {Path(settings(name)["ExecStart"].split()[0]).name for name in SERVICES} <= there
    assert set(INSTALLED) == there
    for source in scripts:
        assert os.access(REPOSITORY / source, os.X_OK)


@pytest.mark.parametrize("name", [name for name in NAMES if name.endswith(".timer")])
def test_each_timer_has_its_service_and_catches_up(name: str) -> None:
    assert name.replace(".timer", ".service") in SERVICES
    assert "Persistent=yes" in (UNITS / name).read_text()


def test_user_is_made_by_sysusers(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    done = subprocess.run(
        ["systemd-sysusers", f"--root={tmp_path}", UNITS / "orchestrator.sysusers.conf"],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    fields = (tmp_path / "etc/passwd").read_text().splitlines()[-1].split(":")
    assert (fields[0], fields[5]) == ("orchestrator", "/var/lib/orchestrator")
    assert fields[6].endswith("nologin")


class TestPrune:
    def entry(self, cache: Path, name: str, *, days: float) -> Path:
        folder = cache / "mm-patch-orchestrator" / name
        folder.mkdir(parents=True)
        then = time.time() - days * 86400
        for file in ("image", "log"):
            (folder / file).write_text("x")
            os.utime(folder / file, (then, then))
        return folder

    def prune(self, shell: Shell, cache: Path, *words: str) -> subprocess.CompletedProcess[str]:
        return shell.run(CONTRIB / "prune-cache", *words, XDG_CACHE_HOME=str(cache))

    def test_removes_what_was_not_used_and_nothing_else(self, shell: Shell, tmp_path: Path) -> None:
        old = [self.entry(tmp_path, name, days=40) for name in ("builds/a", "objects/b c", "worktrees/-rf", "trials/d")]
        kept = [self.entry(tmp_path, "builds/new", days=2), self.entry(tmp_path, "sources/linux", days=400)]
        used = self.entry(tmp_path, "builds/used", days=40)
        os.utime(used / "image", (time.time(), time.time() - 40 * 86400))
        begun = tmp_path / "mm-patch-orchestrator/builds/begun"
        begun.mkdir()
        done = self.prune(shell, tmp_path)
        assert done.returncode == 0, done.stderr
        assert "4 entries removed" in done.stderr
        assert not [path for path in old if path.exists()]
        assert [path for path in [*kept, used, begun] if not path.exists()] == []

    def test_dry_run_only_says_what_would_go(self, shell: Shell, tmp_path: Path) -> None:
        old = self.entry(tmp_path, "builds/a", days=40)
        done = self.prune(shell, tmp_path, "--dry-run")
        assert done.stdout == f"{old}\n"
        assert old.exists()

    def test_worktree_that_is_locked_stays(self, shell: Shell, tmp_path: Path) -> None:
        old = self.entry(tmp_path, "worktrees/a", days=40)
        then = time.time() - 40 * 86400
        (old / "lock").touch()
        os.utime(old / "lock", (then, then))
        with subprocess.Popen(["flock", old / "lock", "cat"], stdin=subprocess.PIPE) as holder:
            while subprocess.run(["flock", "--nonblock", old / "lock", "true"], check=False).returncode == 0:
                time.sleep(0.01)
            assert "0 entries removed" in self.prune(shell, tmp_path).stderr
            assert old.exists()
            holder.communicate()
        assert "1 entries removed" in self.prune(shell, tmp_path).stderr
        assert not old.exists()

    @pytest.mark.parametrize("words", [("--days", "0"), ("--days", "x"), ("--days",), ("--all",)])
    def test_wrong_usage_removes_nothing(self, shell: Shell, tmp_path: Path, words: tuple[str, ...]) -> None:
        old = self.entry(tmp_path, "builds/a", days=40)
        assert self.prune(shell, tmp_path, *words).returncode == 2
        assert old.exists()

    def test_link_to_elsewhere_is_not_followed(self, shell: Shell, tmp_path: Path) -> None:
        elsewhere = self.entry(tmp_path, "../elsewhere/a", days=40)
        (tmp_path / "mm-patch-orchestrator/builds").mkdir(parents=True)
        (tmp_path / "mm-patch-orchestrator/builds/link").symlink_to(elsewhere)
        self.prune(shell, tmp_path)
        assert (elsewhere / "image").exists()
