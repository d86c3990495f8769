"""The ladder: which rung a patch is applied by, what comes out, and what is refused."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

from orchestrator.errors import Cancelled, InputError
from orchestrator.host.deadline import Cancellation
from orchestrator.host.steps import StepEvent, Steps
from orchestrator.model.diff import read_diff
from orchestrator.model.series import Diffstat
from orchestrator.model.tree import Rung, Source, Trees
from orchestrator.tree.apply import apply_series
from orchestrator.tree.base import choose_base
from orchestrator.tree.git import Git
from tests.unit.tree.conftest import DATA, TWINS, UserTree, series_of

SPLIT = (DATA / "mail" / "03-split-writeback-helper.diff").read_text()
ONE_NODE = (DATA / "mail" / "29-shrink-first-node-only.diff").read_text()

Apply = Callable[..., Trees]


def change(path: str, old: str, new: str, *, start: int = 1) -> str:
    """Return a diff of one hunk that replaces the lines ``old`` by ``new``; marks are in the text."""
    lines = old.splitlines(), new.splitlines()
    body = [f"-{line}" for line in lines[0]] + [f"+{line}" for line in lines[1]]
    counts = f"@@ -{start},{len(lines[0])} +{start},{len(lines[1])} @@"
    return "\n".join([f"diff --git a/{path} b/{path}", f"--- a/{path}", f"+++ b/{path}", counts, *body]) + "\n"


def new_link(target: str) -> str:
    """Return a diff that makes the symbolic link ``l``."""
    return (
        "diff --git a/l b/l\nnew file mode 120000\n--- /dev/null\n+++ b/l\n@@ -0,0 +1 @@\n"
        f"+{target}\n\\ No newline at end of file\n"
    )


def content(source: Source, commit: str, path: str) -> str:
    return Git(source.repo, Cancellation()).check_bytes("cat-file", "blob", f"{commit}:{path}").decode()


def refused(apply: Apply, *diffs: str, lossy: bool = False) -> str:
    with pytest.raises(InputError) as caught:
        apply(*diffs, lossy=lossy)
    return caught.value.describe()


def test_apply_series_when_patches_fit_then_each_prefix_is_a_commit_by_git_am(apply: Apply, source: Source) -> None:
    trees = apply(SPLIT, ONE_NODE)

    assert [patch.rung for patch in trees.applied] == [Rung.AM, Rung.AM]
    assert [patch.diffstat for patch in trees.applied] == [
        Diffstat(files=("mm/zswap.c",), insertions=8, deletions=3),
        Diffstat(files=("mm/zswap.c",), insertions=2, deletions=0),
    ]
    git = Git(source.repo, Cancellation())
    assert git.check("rev-list", "--reverse", trees.patched_commit).splitlines() == [
        trees.base.commit,
        *(patch.commit for patch in trees.applied),
    ]
    assert "if (scanned)\n\t\t\tbreak;" in content(source, trees.patched_commit, "mm/zswap.c")
    assert content(source, trees.patched_commit, "Makefile").startswith("# SPDX")


def test_apply_series_when_done_twice_then_the_commits_are_the_same(apply: Apply, source: Source) -> None:
    first, second = apply(SPLIT), apply(SPLIT)

    assert first == second
    log = Git(source.repo, Cancellation()).check("log", "-1", "--format=%an|%ae|%ad|%cn|%ct|%B", first.patched_commit)
    assert log == (
        "Jürgen Größe|j@example.org|Mon Jun 29 19:20:28 2026 +0800|mm-patch-orchestrator|1760000000|"
        "mm: part 1\n\nBecause.\n"
    )


def test_apply_series_when_done_then_nothing_is_left_behind(
    apply: Apply, source: Source, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))

    apply(SPLIT)
    refused(apply, change("mm/zswap.c", "nothing like this", "x"))

    assert list((tmp_path / "tmp").iterdir()) == []
    assert not (source.repo / "worktrees").exists()


def test_apply_series_when_context_changed_but_the_blob_is_known_then_git_merges(
    apply: Apply, user_tree: UserTree
) -> None:
    file = user_tree.folder / "mm" / "twins.c"
    file.write_text(TWINS.replace("int f0(void)", "int f0(void) /* 0 */"))
    made = user_tree.git("diff") + "\n"
    file.write_text(TWINS.replace("x = 0;", "x = 1;", 1))
    other = user_tree.git("diff", "-U5", "--full-index") + "\n"

    trees = apply(made, other)

    assert [patch.rung for patch in trees.applied] == [Rung.AM, Rung.AM_3WAY]


def test_apply_series_when_a_mailer_made_blanks_of_tabs_then_white_space_is_folded(apply: Apply) -> None:
    made = "".join(line.replace("\t", " " * 8) + "\n" for line in ONE_NODE.splitlines())

    (patch,) = apply(made).applied

    assert patch.rung is Rung.WHITESPACE


def test_apply_series_when_a_context_line_is_foreign_then_it_is_recovered_with_fuzz(
    apply: Apply, source: Source
) -> None:
    made = ONE_NODE.replace(" \t}\n", " \t} /* from another patch */\n")

    trees = apply(made)

    (patch,) = trees.applied
    assert (patch.rung, patch.fuzz) == (Rung.RECOVERED, 1)
    assert patch.hunks[0].missed == ("\t} /* from another patch */",)
    assert "if (scanned)\n\t\t\tbreak;\n\t}\n" in content(source, trees.patched_commit, "mm/zswap.c")


def test_apply_series_when_the_patch_is_in_the_base_then_it_says_so(apply: Apply, user_tree: UserTree) -> None:
    old = user_tree.git("rev-parse", "HEAD:mm/twins.c")
    (user_tree.folder / "mm" / "twins.c").write_text(TWINS.replace("x = 0;", "x = 1;"))
    made = user_tree.git("diff", "--full-index") + "\n"
    user_tree.git("checkout", "--quiet", ".")
    assert old in made

    trees = apply(made, made)

    assert [patch.rung for patch in trees.applied] == [Rung.AM, Rung.PRESENT]
    assert trees.applied[1].commit == trees.applied[0].commit


def test_apply_series_when_an_insertion_is_in_the_base_then_it_is_not_made_twice(apply: Apply) -> None:
    trees = apply(ONE_NODE, ONE_NODE)

    assert [patch.rung for patch in trees.applied] == [Rung.AM, Rung.PRESENT]
    assert trees.patched_commit == trees.applied[0].commit


def test_apply_series_when_the_hunk_is_nowhere_then_the_nearest_place_is_shown(apply: Apply) -> None:
    made = ONE_NODE.replace("shrunk += list_lru_walk_one", "total += list_lru_walk").replace(
        "scanned += 1 - nr_to_walk", "seen += nr_to_walk"
    )

    said = refused(apply, made)

    assert "patch 1/1 (mm: part 1) does not apply to 7.2.12" in said
    assert "mm/zswap.c: hunk 1 (@@ -1295,6 +1295,8 @@) fits nowhere in the base" in said
    assert "nearest is line 1295" in said
    assert "shrunk += list_lru_walk_one(&zswap_list_lru, nid, memcg," in said
    assert "seen += nr_to_walk;" in said
    assert "git am: error: patch failed: mm/zswap.c:1295" in said


@pytest.mark.parametrize("lossy", [False, True])
def test_apply_series_when_two_places_fit_equally_then_they_are_listed(apply: Apply, *, lossy: bool) -> None:
    diff = "--- a/mm/twins.c\n+++ b/mm/twins.c\n@@ -16,3 +16,3 @@\n \tint x;\n \n-\tx = 0;\n+\tx = 1;\n"
    diff = diff.replace("-16,3 +16,3", "-16,4 +16,4") + " \tx++;\n"

    said = refused(apply, diff, lossy=lossy)

    assert "fits equally well at 3 places: lines 3, 12, 21" in said


def test_apply_series_when_two_places_fit_and_the_header_is_right_then_that_is_it(apply: Apply, source: Source) -> None:
    diff = "--- a/mm/twins.c\n+++ b/mm/twins.c\n@@ -12,4 +12,4 @@\n \tint x;\n \n-\tx = 0;\n+\tx = 1;\n \tx++;\n"

    lines = content(source, apply(diff).patched_commit, "mm/twins.c").splitlines()

    assert [nr for nr, line in enumerate(lines, start=1) if line == "\tx = 1;"] == [14]


def test_apply_series_when_the_blob_is_the_very_one_then_a_lossy_hunk_is_where_its_header_says(
    apply: Apply, source: Source, user_tree: UserTree
) -> None:
    blob = user_tree.git("rev-parse", "HEAD:mm/twins.c")[:12]
    diff = f"diff --git a/mm/twins.c b/mm/twins.c\nindex {blob}..123456789abc 100644\n"
    diff += "--- a/mm/twins.c\n+++ b/mm/twins.c\n@@ -12,4 +12,4 @@\nint x;\n\n- x = 0;\n+ x = 1;\nx++;\n"

    lines = content(source, apply(diff, lossy=True).patched_commit, "mm/twins.c").splitlines()

    assert [nr for nr, line in enumerate(lines, start=1) if line == "\tx = 1;"] == [14]


def test_apply_series_when_files_come_go_and_move_then_the_tree_follows(
    apply: Apply, source: Source, user_tree: UserTree
) -> None:
    user_tree.git("mv", "mm/twins.c", "mm/triplets.c")
    user_tree.git("rm", "--quiet", "mm/Makefile")
    (user_tree.folder / "mm" / "new").mkdir()
    (user_tree.folder / "mm" / "new" / "run.sh").write_text("#!/bin/sh\n")
    (user_tree.folder / "mm" / "new" / "run.sh").chmod(0o755)
    user_tree.git("add", "--all")
    made = user_tree.git("diff", "--cached", "-M", "HEAD") + "\n"

    trees = apply(made)

    tree = Git(source.repo, Cancellation()).check("ls-tree", "-r", "--format=%(objectmode) %(path)", trees.patched_tree)
    assert tree.splitlines() == [
        "100644 Kbuild",
        "100644 Makefile",
        "120000 include/link",
        "100755 mm/new/run.sh",
        "100644 mm/triplets.c",
        "100644 mm/zswap.c",
        "100755 scripts/kconfig/merge_config.sh",
    ]


@pytest.mark.parametrize("path", ["include/link", "include/link/zswap.c"])
def test_apply_series_when_a_path_is_or_leads_through_a_link_then_it_is_refused(apply: Apply, path: str) -> None:
    assert "include/link is a symbolic link in the base" in refused(apply, change(path, "../mm", "../.."))


def test_apply_series_when_a_path_is_a_folder_then_it_is_refused(apply: Apply) -> None:
    assert "mm is a folder in the base" in refused(apply, change("mm", "x", "y"))


def test_apply_series_when_a_path_leads_through_a_file_then_it_is_refused(apply: Apply) -> None:
    assert "mm/zswap.c is a file in the base" in refused(apply, change("mm/zswap.c/x", "x", "y"))


def test_apply_series_when_a_path_leads_into_a_submodule_then_it_is_refused(
    apply: Apply, user_tree: UserTree, tmp_path: Path, steps: Steps
) -> None:
    user_tree.git("update-index", "--add", "--cacheinfo", f"160000,{'1' * 40},mm/sub")
    user_tree.git("commit", "--quiet", "-m", "sub")
    head = user_tree.git("rev-parse", "HEAD")
    trees = apply(SPLIT)
    base = choose_base(trees.source, series_of(SPLIT), rev=head)

    with pytest.raises(InputError, match="mm/sub is a submodule in the base"):
        apply_series(
            trees.source, base, series_of(change("mm/sub/x", "x", "y")), steps=steps, cancellation=Cancellation()
        )


@pytest.mark.parametrize("target", ["/etc", "..", "../../etc", "mm/../../etc", "include/link/../../etc"])
def test_apply_series_when_a_new_link_leads_out_then_it_is_refused(apply: Apply, target: str) -> None:
    assert "leads out of the tree" in refused(apply, new_link(target))


def test_apply_series_when_a_new_link_stays_inside_then_it_is_made(apply: Apply, source: Source) -> None:
    trees = apply(new_link("mm/zswap.c"))
    assert content(source, trees.patched_commit, "l") == "mm/zswap.c"
    assert trees.applied[0].specials == ("create mode 120000 l",)


def test_apply_series_when_a_later_patch_writes_through_a_new_link_then_it_is_refused(apply: Apply) -> None:
    through = "diff --git a/l/n b/l/n\nnew file mode 100644\n--- /dev/null\n+++ b/l/n\n@@ -0,0 +1 @@\n+x\n"

    assert "l is a symbolic link in the base" in refused(apply, new_link("mm"), through)


def test_apply_series_when_modes_and_names_change_then_they_are_shown(apply: Apply, user_tree: UserTree) -> None:
    user_tree.git("mv", "mm/twins.c", "mm/triplets.c")
    (user_tree.folder / "Kbuild").chmod(0o755)
    user_tree.git("add", "--all")
    made = user_tree.git("diff", "--cached", "-M", "HEAD") + "\n"

    (patch,) = apply(made).applied

    assert patch.specials == ("mode change 100644 => 100755 Kbuild", "rename mm/{twins.c => triplets.c} (100%)")


def test_apply_series_when_half_of_a_patch_is_in_the_base_then_it_is_refused(apply: Apply) -> None:
    other = change("mm/twins.c", "int f0(void)", "long f0(void)")

    said = refused(apply, ONE_NODE, ONE_NODE + other)

    assert "mm/zswap.c: hunk 1 (@@ -1295,6 +1295,8 @@): the base has this change already, at line 1295" in said


def test_apply_series_when_a_lossy_patch_is_in_the_base_then_it_is_not_made_twice(apply: Apply) -> None:
    head, body = ONE_NODE.splitlines()[:2], ONE_NODE.splitlines()[2:]
    lossy = "\n".join([*head, *(f"{line[:1].strip()}{line[1:].strip()}" for line in body), ""])

    first, second = apply(lossy, lossy, lossy=True).applied

    assert (first.rung, second.rung) == (Rung.RECOVERED, Rung.PRESENT)
    assert second.commit == first.commit


def test_apply_series_when_rungs_fail_then_each_is_recorded_with_its_reason(apply: Apply) -> None:
    (patch,) = apply(ONE_NODE.replace(" \t}\n", " \t} /* from another patch */\n")).applied

    assert [(entry.rung, entry.held) for entry in patch.tries] == [
        (Rung.AM, False),
        (Rung.AM_3WAY, False),
        (Rung.WHITESPACE, False),
        (Rung.RECOVERED, True),
    ]
    assert patch.tries[0].said == "patch failed: mm/zswap.c:1295"


@pytest.mark.parametrize("lossy", [False, True])
def test_apply_series_when_strict_then_what_git_does_not_take_is_refused(
    source: Source, steps: Steps, *, lossy: bool
) -> None:
    blanks = "".join(line.replace("\t", " " * 8) + "\n" for line in ONE_NODE.splitlines())
    series = series_of(ONE_NODE if lossy else blanks, lossy=lossy)

    with pytest.raises(InputError, match=r"does not apply to 7\.2\.12"):
        apply_series(
            source,
            choose_base(source, series, rev=None),
            series,
            steps=steps,
            cancellation=Cancellation(),
            strict=True,
        )


def test_apply_series_when_the_file_is_unknown_then_it_says_so(apply: Apply) -> None:
    assert "mm/nothing.c: the base has no such file" in refused(apply, change("mm/nothing.c", "x", "y"))


def test_apply_series_when_a_new_file_is_there_already_then_it_says_so(apply: Apply) -> None:
    diff = "diff --git a/Kbuild b/Kbuild\nnew file mode 100644\n--- /dev/null\n+++ b/Kbuild\n@@ -0,0 +1 @@\n+x\n"

    assert "the base has one" in refused(apply, diff)


def test_apply_series_when_a_file_is_not_utf_8_then_its_bytes_stay(
    user_tree: UserTree, tmp_path: Path, steps: Steps
) -> None:
    (user_tree.folder / "mm" / "old.c").write_bytes(b"/* \xfc */\nint a;\nint b;\nint c;\n")
    head = user_tree.commit("latin 1")
    del head
    from orchestrator.tree.sources import open_source

    opened = open_source(str(user_tree.folder), cache=tmp_path / "c", steps=steps, cancellation=Cancellation())
    diff = "--- a/mm/old.c\n+++ b/mm/old.c\n@@ -2,3 +2,4 @@\nint a;\n+int n;\nint b;\nint c;\n"
    series = series_of(diff, lossy=True)

    trees = apply_series(
        opened, choose_base(opened, series, rev=None), series, steps=steps, cancellation=Cancellation()
    )

    blob = Git(opened.repo, Cancellation()).check_bytes("cat-file", "blob", f"{trees.patched_commit}:mm/old.c")
    assert blob == b"/* \xfc */\nint a;\nint n;\nint b;\nint c;\n"


def test_apply_series_when_cancelled_then_it_stops(source: Source, steps: Steps) -> None:
    cancellation = Cancellation()
    base = choose_base(source, series_of(SPLIT), rev=None)
    cancellation.cancel()

    with pytest.raises(Cancelled):
        apply_series(source, base, series_of(SPLIT), steps=steps, cancellation=cancellation)


def test_apply_series_when_recovered_then_the_narration_says_so(source: Source) -> None:
    heard: list[StepEvent] = []
    steps = Steps(heard.append)
    series = series_of(ONE_NODE.replace(" \t}\n", " \t} /* other */\n"))

    apply_series(source, choose_base(source, series, rev=None), series, steps=steps, cancellation=Cancellation())

    assert [event.text for event in heard if event.text] == [
        "recovered: 1 file changed, 2 insertions(+), 0 deletions(-); fuzz 1 (hunk 1 of mm/zswap.c); score 0.88"
    ]


def test_read_diff_when_rendered_then_it_is_the_same() -> None:
    (file,) = read_diff(SPLIT)

    assert file.render() == SPLIT
