"""A tiny tree that the build path takes for Linux, a repository of it, and the real sandbox."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from orchestrator.host.deadline import Cancellation
from orchestrator.host.sandbox import Sandbox, find_sandbox
from orchestrator.host.steps import StepEvent, Steps
from orchestrator.kernel.build import BuildRequest, build_kernel
from orchestrator.kernel.making import Workshop
from orchestrator.kernel.toolchain import Toolchain
from orchestrator.model.kernel import Architecture, KernelBuild, KernelRole

FAKE_LINUX = Path(__file__).parents[2] / "data" / "kernel" / "fakelinux"

ARCHITECTURE = Architecture(
    name="fake",
    kernel_arch="fake",
    qemu="",
    machine="",
    cpu="",
    image="vmlinux",
    target="vmlinux",
    console="",
    fragments=(),
)


@dataclass
class FakeLinux:
    """A repository with commits of the fake tree, and builds of them."""

    folder: Path
    workshop: Workshop
    fragment: Path
    base: str = ""
    events: list[StepEvent] = field(default_factory=list)
    cancellation: Cancellation = field(default_factory=Cancellation)
    on_event: Callable[[StepEvent], None] = lambda _event: None

    @property
    def repo(self) -> Path:
        return self.workshop.repo

    def git(self, *argv: str) -> str:
        environment = {
            "PATH": os.environ["PATH"],
            "GIT_CONFIG_GLOBAL": "/dev/null",
            "GIT_AUTHOR_NAME": "t",
            "GIT_AUTHOR_EMAIL": "t@t",
            "GIT_COMMITTER_NAME": "t",
            "GIT_COMMITTER_EMAIL": "t@t",
            "GIT_DIR": str(self.repo),
            "GIT_WORK_TREE": str(self.folder),
        }
        return subprocess.check_output(["git", *argv], cwd=self.folder, env=environment, text=True).strip()

    def commit(self, changes: dict[str, str] | None = None) -> str:
        """Commit base with ``changes``; the folder has base's content again afterwards."""
        shutil.rmtree(self.folder)
        shutil.copytree(FAKE_LINUX, self.folder)
        for path, text in (changes or {}).items():
            (self.folder / path).parent.mkdir(parents=True, exist_ok=True)
            (self.folder / path).write_text(text)
        self.git("add", "--all", "--force", ".")
        self.git("commit", "--quiet", "--allow-empty", "--message", "x")
        return self.git("rev-parse", "HEAD")

    def read(self, path: str) -> str:
        return (FAKE_LINUX / path).read_text()

    def request(self, role: KernelRole, commit: str) -> BuildRequest:
        return BuildRequest(
            role=role,
            commit=commit,
            tree=self.git("rev-parse", f"{commit}^{{tree}}"),
            base_commit=self.base,
            base_tree=self.git("rev-parse", f"{self.base}^{{tree}}"),
            architecture=ARCHITECTURE,
            fragments=(self.fragment,),
        )

    def build(self, role: KernelRole, commit: str) -> KernelBuild:
        def listen(event: StepEvent) -> None:
            self.events.append(event)
            self.on_event(event)

        return build_kernel(
            self.request(role, commit), self.workshop, steps=Steps(listen), cancellation=self.cancellation
        )

    def build_base(self) -> KernelBuild:
        return self.build(KernelRole.BASE, self.base)

    def build_patched(self, changes: dict[str, str]) -> KernelBuild:
        return self.build(KernelRole.PATCHED, self.commit(changes))


@pytest.fixture(scope="session")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Sandbox:
    """The sandbox of this machine. There is no test run without one: what it protects from would go untested."""
    return find_sandbox(cache=tmp_path_factory.mktemp("sandbox"), cancellation=Cancellation())


@pytest.fixture
def fake_linux(tmp_path: Path, sandbox: Sandbox) -> FakeLinux:
    """A repository whose base is the fake tree."""
    fragment = tmp_path / "test.config"
    fragment.write_text("CONFIG_ZSWAP=y\nCONFIG_NR_CPUS=16\nCONFIG_NLS=n\n")
    repo = tmp_path / "repo.git"
    subprocess.run(["git", "init", "--quiet", "--bare", str(repo)], check=True)
    folder = tmp_path / "linux"
    folder.mkdir()
    workshop = Workshop(
        repo=repo,
        cache=tmp_path / "cache",
        sandbox=sandbox,
        toolchain=Toolchain(identity="test", ccache=False),
        jobs=2,
    )
    fake = FakeLinux(folder=folder, workshop=workshop, fragment=fragment)
    fake.base = fake.commit()
    return fake
