"""A trial's payload: the same for base and patched, and safe to be read by a shell."""

from __future__ import annotations

import dataclasses
import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.config.catalog import topologies
from orchestrator.config.locations import guest_scripts_folder
from orchestrator.config.scenarios import scenarios
from orchestrator.guest.payload import SshFiles, keys_payload, trial_payload
from orchestrator.machine.keys import make_keys
from orchestrator.model.kernel import KernelRole
from orchestrator.model.trial import TrialSpec
from tests.unit.guest.test_cpio import listed_by_cpio, read_back

settings.register_profile("payload", derandomize=True, deadline=None, max_examples=30)
PROFILE = settings.get_profile("payload")

PROBES = guest_scripts_folder() / "src" / "probes" / "zswap.spec"

HOSTILE = (
    "",
    " ",
    "two words",
    "it's",
    '"',
    "$HOME",
    "`id`",
    "$(touch /tmp/owned)",
    "a;b",
    "a\nb=c",
    "\\",
    "#",
    "*",
    "ä€",
    "-n",
    "'\"'\"'",
)


def spec(kernel: KernelRole = KernelRole.BASE, *, seed: int = 1, sealed: bool = True) -> TrialSpec:
    return TrialSpec(kernel=kernel, topology="two-node", scenario="memcg-limit", seed=seed, sealed=sealed)


def payload(which: TrialSpec, **knobs: str) -> bytes:
    scenario = scenarios()["memcg-limit"]
    scenario = dataclasses.replace(scenario, knobs=(*scenario.knobs, *knobs.items()))
    return trial_payload(which, scenario, topologies()[which.topology], probes=PROBES.read_bytes())


def environment(data: bytes) -> bytes:
    return read_back(data)["trial/trial.env"].data


def variable_in_shell(text: bytes, name: str, folder: Path) -> bytes:
    (folder / "trial.env").write_bytes(text)
    script = f'. ./trial.env; printf %s "${name}"'
    return subprocess.run(["busybox", "sh", "-c", script], cwd=folder, capture_output=True, check=True).stdout


def ssh_files() -> SshFiles:
    keys = make_keys()
    return SshFiles(authorized_keys=keys.authorized_keys, host_key=keys.host_key_file, entropy=keys.entropy)


def test_payload_when_made_for_base_and_for_patched_then_is_the_same() -> None:
    assert payload(spec(KernelRole.BASE)) == payload(spec(KernelRole.PATCHED))


@pytest.mark.parametrize("other", [spec(seed=2), spec(sealed=False)], ids=["seed", "live"])
def test_payload_when_the_trial_is_another_then_is_another(other: TrialSpec) -> None:
    assert payload(spec()) != payload(other)


def test_payload_when_listed_then_has_what_the_guest_scripts_read() -> None:
    files = {
        "trial/trial.env",
        "trial/processes",
        "trial/workloads",
        "trial/workloads/main",
        "trial/run.sh",
        "trial/probes.spec",
        "trial/entropy",
    }
    assert files | {"trial"} == set(listed_by_cpio(payload(spec())))


def test_payload_when_the_seed_is_another_then_the_entropy_is_of_the_same_size() -> None:
    sizes = {len(read_back(payload(spec(seed=seed)))["trial/entropy"].data) for seed in (1, 2, 10**9)}
    assert sizes == {64}


@pytest.mark.parametrize("value", HOSTILE)
def test_environment_when_a_value_is_hostile_then_a_shell_reads_that_value(value: str, tmp_path: Path) -> None:
    found = variable_in_shell(environment(payload(spec(), HOSTILE=value)), "HOSTILE", tmp_path)
    assert found == value.encode()


@settings(PROFILE)
@given(value=st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=60))
def test_environment_when_any_value_is_written_then_a_shell_reads_that_value(
    value: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    text = environment(payload(spec(), HOSTILE=value))
    assert variable_in_shell(text, "HOSTILE", tmp_path_factory.mktemp("env")) == value.encode()


@pytest.mark.parametrize(
    ("name", "value"),
    [("TRIAL_MODE", b"sealed"), ("TRIAL_SEED", b"7"), ("TRIAL_MEMCGS", b"load"), ("ZSWAP_MAX", b"8M")],
)
def test_environment_when_read_by_a_shell_then_tells_the_scripts_of_the_trial(
    name: str, value: bytes, tmp_path: Path
) -> None:
    assert variable_in_shell(environment(payload(spec(seed=7))), name, tmp_path) == value


def test_keys_payload_when_made_twice_then_has_other_bytes_of_the_same_size() -> None:
    first, second = keys_payload(ssh_files()), keys_payload(ssh_files())
    assert (len(first) == len(second), first == second) == (True, False)


def test_keys_payload_when_read_back_then_only_root_may_read_the_keys() -> None:
    modes = {path: entry.mode & 0o777 for path, entry in read_back(keys_payload(ssh_files())).items()}
    assert modes == {
        "etc": 0o755,
        "etc/dropbear": 0o755,
        "etc/dropbear/entropy": 0o600,
        "etc/dropbear/host_key": 0o600,
        "root": 0o700,
        "root/.ssh": 0o700,
        "root/.ssh/authorized_keys": 0o600,
    }


def test_payload_when_seeds_differ_then_so_does_the_moment_at_which_the_trial_starts(tmp_path: Path) -> None:
    texts = [environment(payload(spec(seed=seed))) for seed in range(1, 13)]
    phases = [float(variable_in_shell(text, "TRIAL_PHASE_S", tmp_path)) for text in texts]
    assert phases[0] == 0.0
    assert len(set(phases)) == len(phases)
    assert all(0 <= phase < 0.1 for phase in phases)
