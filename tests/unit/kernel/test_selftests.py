"""The kernel's own tests out of a commit: compiled in the real sandbox, cached by content, blamed on the right party."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from orchestrator.errors import PatchFault
from orchestrator.host.deadline import Cancellation
from orchestrator.host.sandbox import Sandbox
from orchestrator.kernel.making import Workshop
from orchestrator.kernel.selftests import FOLDER, Selftests, build_selftests
from orchestrator.kernel.toolchain import Toolchain

NAME = "cgroup/test_zswap"
TEST = """\
#include <stdio.h>
#include "../kselftest.h"
#include "cgroup_util.h"
int main(void)
{
#ifdef __OPTIMIZE__
	return 1;
#endif
	printf("%s %d\\n", PLAN, answer());
	return 0;
}
"""
# The layout of 7.2.
TREE = {
    "kselftest.h": '#define PLAN "1..1"\n',
    "cgroup/test_zswap.c": TEST,
    "cgroup/lib/cgroup_util.c": '#include "cgroup_util.h"\nint answer(void) { return 42; }\n',
    "cgroup/lib/include/cgroup_util.h": "int answer(void);\n",
}
# The layout of 6.12.
OLD_TREE = {
    "kselftest.h": TREE["kselftest.h"],
    "cgroup/test_zswap.c": TEST,
    "cgroup/cgroup_util.c": TREE["cgroup/lib/cgroup_util.c"],
    "cgroup/cgroup_util.h": TREE["cgroup/lib/include/cgroup_util.h"],
}


@dataclass
class Repository:
    """A bare repository and what is built from it."""

    workshop: Workshop

    def commit(self, files: dict[str, str]) -> str:
        env = {
            "PATH": os.environ["PATH"],
            "GIT_DIR": str(self.workshop.repo),
            "GIT_CONFIG_GLOBAL": "/dev/null",
            "GIT_AUTHOR_NAME": "t",
            "GIT_AUTHOR_EMAIL": "t@t",
            "GIT_COMMITTER_NAME": "t",
            "GIT_COMMITTER_EMAIL": "t@t",
            "GIT_INDEX_FILE": str(self.workshop.repo / "test-index"),
        }

        def git(*argv: str, stdin: str = "") -> str:
            return subprocess.check_output(["git", *argv], env=env, input=stdin, text=True).strip()

        git("read-tree", "--empty")
        for path, text in {"README": "x", **{f"{FOLDER}/{path}": text for path, text in files.items()}}.items():
            blob = git("hash-object", "-w", "--stdin", stdin=text)
            git("update-index", "--add", "--cacheinfo", f"100644,{blob},{path}")
        return git("commit-tree", git("write-tree"), "-m", "x")

    def build(self, commit: str, base: str | None = None, name: str = NAME) -> Selftests:
        return build_selftests(
            [name], commit=commit, base_commit=base or commit, workshop=self.workshop, cancellation=Cancellation()
        )

    def built(self) -> set[Path]:
        return set((self.workshop.cache / "selftests").glob("*/*"))


@pytest.fixture
def repository(tmp_path: Path, sandbox: Sandbox) -> Repository:
    repo = tmp_path / "repo.git"
    subprocess.run(["git", "init", "--quiet", "--bare", str(repo)], check=True)
    toolchain = Toolchain(identity="test", ccache=False)
    return Repository(
        Workshop(repo=repo, cache=tmp_path / "cache", sandbox=sandbox, toolchain=toolchain, jobs=1),
    )


def run(data: bytes, folder: Path) -> str:
    program = folder / "program"
    program.write_bytes(data)
    program.chmod(0o755)
    return subprocess.check_output([str(program)], text=True)


@pytest.mark.parametrize("tree", [TREE, OLD_TREE], ids=["7.2", "6.12"])
def test_build_selftests_when_the_tree_has_it_then_it_runs_unoptimised(
    repository: Repository, tree: dict[str, str], tmp_path: Path
) -> None:
    built = repository.build(repository.commit(tree))
    assert run(built.programs[NAME], tmp_path) == "1..1 42\n"
    assert built.reasons == {}


def test_build_selftests_when_the_program_forks_then_what_it_said_before_is_not_said_twice(
    repository: Repository, tmp_path: Path
) -> None:
    forks = """#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>
int main(void) { printf("ok 1 first\\n"); if (!fork()) exit(0); wait(NULL); printf("ok 2 second\\n"); return 0; }
"""
    built = repository.build(repository.commit({**TREE, "cgroup/test_zswap.c": forks}))
    assert run(built.programs[NAME], tmp_path) == "ok 1 first\nok 2 second\n"


def test_build_selftests_when_asked_again_then_nothing_is_compiled(repository: Repository) -> None:
    commit = repository.commit(TREE)
    first = repository.build(commit)
    (kept,) = repository.built()
    kept.write_bytes(b"kept")
    again = repository.build(commit)
    assert (first.programs[NAME][:4], again.programs[NAME]) == (b"\x7fELF", b"kept")


def test_build_selftests_when_a_helper_changes_then_is_another_program(repository: Repository, tmp_path: Path) -> None:
    repository.build(repository.commit(TREE))
    other = repository.commit({**TREE, "cgroup/lib/cgroup_util.c": "int answer(void) { return 43; }\n"})
    assert run(repository.build(other).programs[NAME], tmp_path) == "1..1 43\n"
    assert len(repository.built()) == 2


def test_build_selftests_when_the_tree_does_not_have_it_then_the_reason_says_so(repository: Repository) -> None:
    built = repository.build(repository.commit(TREE), name="cgroup/test_new")
    assert built.programs == {}
    assert built.reasons == {"cgroup/test_new": f"this kernel's tree has no {FOLDER}/cgroup/test_new.c"}


def test_build_selftests_when_base_does_not_compile_then_neither_is_at_fault(repository: Repository) -> None:
    broken = repository.commit({**TREE, "cgroup/test_zswap.c": "#error base\n"})
    other = repository.commit({**TREE, "cgroup/test_zswap.c": "#error patched\n"})
    reason = repository.build(other, base=broken).reasons[NAME]
    assert reason.startswith(f"this kernel's test {NAME} does not compile here: ")
    assert "#error patched" in reason


def test_build_selftests_when_only_patched_does_not_compile_then_the_patch_is_at_fault(repository: Repository) -> None:
    base = repository.commit(TREE)
    broken = repository.commit({**TREE, "cgroup/lib/cgroup_util.c": "int answer(void) { return nothing; }\n"})
    with pytest.raises(PatchFault, match="'nothing' undeclared") as caught:
        repository.build(broken, base=base)
    assert caught.value.stage == "build"
    assert any("nothing" in line for line in caught.value.evidence.last_lines)


def test_build_selftests_when_the_source_includes_a_file_of_the_hosts_then_it_is_not_there(
    repository: Repository, tmp_path: Path
) -> None:
    secret = tmp_path / "secret.h"
    secret.write_text('#define SECRET "x"\n')
    commit = repository.commit({**TREE, "cgroup/test_zswap.c": f'#include "{secret}"\n{TEST}'})
    assert "No such file" in repository.build(commit).reasons[NAME]
