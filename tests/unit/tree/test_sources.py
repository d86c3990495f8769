"""Sources: trees of the user's stay as they are, named ones are imported once."""

from __future__ import annotations

import hashlib
import io
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from orchestrator.errors import InfraError, UserError
from orchestrator.host.deadline import Cancellation
from orchestrator.host.steps import Steps
from orchestrator.model.tree import Source, Trees
from orchestrator.tree import debian, kernelorg, sources
from orchestrator.tree.base import choose_base
from orchestrator.tree.git import Git, init_bare
from orchestrator.tree.sources import open_source
from orchestrator.tree.tarball import import_tarball
from tests.unit.tree.conftest import DATA, MAKEFILE, UserTree, series_of

ONE_NODE = DATA / "mail" / "29-shrink-first-node-only.diff"


def fingerprint(folder: Path) -> list[tuple[str, int, int, str]]:
    """Return everything that could change about the files of ``folder``, .git included."""
    found = []
    for path in sorted(folder.rglob("*")):
        status = path.lstat()
        content = path.readlink().as_posix() if path.is_symlink() else ""
        if path.is_file() and not path.is_symlink():
            content = hashlib.sha256(path.read_bytes()).hexdigest()
        found.append((str(path), status.st_mode, status.st_mtime_ns, content))
    return found


def test_open_source_when_a_patch_is_applied_then_the_users_tree_is_unchanged(
    user_tree: UserTree, tmp_path: Path, steps: Steps, apply: Callable[..., Trees]
) -> None:
    (user_tree.folder / "mm" / "zswap.c").write_text("local changes\n")
    before = fingerprint(user_tree.folder)

    opened = open_source(str(user_tree.folder), cache=tmp_path / "other", steps=steps, cancellation=Cancellation())
    trees = apply(ONE_NODE.read_text(), on=opened)

    assert fingerprint(user_tree.folder) == before
    assert trees.patched_tree != trees.base.tree


def test_open_source_when_a_folder_then_its_objects_are_borrowed(source: Source, user_tree: UserTree) -> None:
    assert source.head == user_tree.git("rev-parse", "HEAD")
    assert source.repo.name == "repo.git"
    assert not list((source.repo / "objects" / "pack").glob("*"))
    assert Git(source.repo, Cancellation()).check("cat-file", "-t", source.head) == "commit"


def test_open_source_when_a_bare_repository_with_odd_name_then_it_works(
    user_tree: UserTree, tmp_path: Path, steps: Steps
) -> None:
    bare = tmp_path / 'a "b" #c.git'
    user_tree.git("clone", "--quiet", "--bare", str(user_tree.folder), str(bare))

    opened = open_source(str(bare), cache=tmp_path / "cache", steps=steps, cancellation=Cancellation())

    assert Git(opened.repo, Cancellation()).check("cat-file", "-t", opened.head) == "commit"


def test_open_source_when_a_shallow_clone_then_its_history_ends_where_theirs_does(
    user_tree: UserTree, tmp_path: Path, steps: Steps
) -> None:
    user_tree.commit("second")
    clone = tmp_path / "shallow"
    user_tree.git("clone", "--quiet", "--depth=1", user_tree.folder.as_uri(), str(clone))

    opened = open_source(str(clone), cache=tmp_path / "cache", steps=steps, cancellation=Cancellation())

    assert Git(opened.repo, Cancellation()).check("rev-list", "--count", opened.head) == "1"


def test_open_source_when_the_tree_is_not_linux_then_it_says_what_is_missing(
    user_tree: UserTree, tmp_path: Path, steps: Steps
) -> None:
    user_tree.git("rm", "-r", "--quiet", "scripts", "Kbuild")
    user_tree.commit("no linux")

    with pytest.raises(UserError, match=r"no Linux tree: it lacks Kbuild, scripts/kconfig/merge_config.sh"):
        open_source(str(user_tree.folder), cache=tmp_path, steps=steps, cancellation=Cancellation())


def test_open_source_when_no_git_tree_then_it_says_so(tmp_path: Path, steps: Steps) -> None:
    (tmp_path / "plain").mkdir()

    with pytest.raises(UserError, match="is no git tree"):
        open_source(str(tmp_path / "plain"), cache=tmp_path, steps=steps, cancellation=Cancellation())


def test_open_source_when_neither_folder_nor_name_then_it_says_so(tmp_path: Path, steps: Steps) -> None:
    with pytest.raises(UserError, match="neither a folder nor a named source"):
        open_source("linux-next-something", cache=tmp_path, steps=steps, cancellation=Cancellation())


def test_open_source_when_the_tree_has_no_commit_then_it_says_so(tmp_path: Path, steps: Steps) -> None:
    UserTree(tmp_path).git("init", "--quiet")

    with pytest.raises(UserError, match="has no commit"):
        open_source(str(tmp_path), cache=tmp_path / "cache", steps=steps, cancellation=Cancellation())


def test_choose_base_when_nothing_is_said_then_it_is_the_head(source: Source) -> None:
    base = choose_base(source, series_of("x"), rev=None)

    assert base.commit == source.head
    assert base.describe == f"7.2.12 ({source.head[:12]})"
    assert base.reason.startswith("the series names no base-commit, so the head of")


def test_choose_base_when_a_rev_is_given_then_it_is_looked_up_in_the_users_tree(
    source: Source, user_tree: UserTree
) -> None:
    user_tree.git("tag", "good")
    user_tree.commit("later")

    assert choose_base(source, series_of("x"), rev="good").commit == source.head
    assert choose_base(source, series_of("x"), rev="HEAD~1").commit == source.head


def test_choose_base_when_the_rev_is_unknown_then_it_says_so(source: Source) -> None:
    with pytest.raises(UserError, match="--base --all names no commit"):
        choose_base(source, series_of("x"), rev="--all")


def test_choose_base_when_the_base_commit_is_there_then_it_is_taken(source: Source, user_tree: UserTree) -> None:
    wanted = user_tree.git("rev-parse", "HEAD")
    user_tree.commit("later")

    base = choose_base(source, series_of("x", base_commit=wanted), rev=None)

    assert (base.commit, base.reason) == (wanted, f"the series' base-commit {wanted[:12]} is there")


def test_choose_base_when_the_base_commit_is_absent_then_the_reason_says_so(source: Source) -> None:
    base = choose_base(source, series_of("x", base_commit="12" * 20), rev=None)

    assert base.commit == source.head
    assert base.reason.startswith("the series' base-commit 121212121212 is not there")


def make_tarball(path: Path, *, makefile: str = MAKEFILE) -> Path:
    """Write a tarball like kernel.org's, with a link, a program and a path that leads out."""
    with tarfile.open(path, "w:xz") as tar:
        for name, text, mode in [
            ("Makefile", makefile, 0o644),
            ("Kbuild", "", 0o644),
            ("mm/zswap.c", "int x;\n", 0o644),
            ("scripts/kconfig/merge_config.sh", "#!/bin/sh\n", 0o755),
            ("../evil", "x", 0o644),
        ]:
            entry = tarfile.TarInfo(f"linux-7.2/{name}")
            entry.size, entry.mode = len(text), mode
            tar.addfile(entry, io.BytesIO(text.encode()))
        link = tarfile.TarInfo("linux-7.2/link")
        link.type, link.linkname = tarfile.SYMTYPE, "mm/zswap.c"
        tar.addfile(link)
    return path


def test_import_tarball_when_done_twice_then_the_commit_is_the_same(tmp_path: Path) -> None:
    tarball = make_tarball(tmp_path / "linux.tar.xz")

    first = init_bare(tmp_path / "one", Cancellation())
    commits = {
        import_tarball(tarball, git, message="linux-7.2")
        for git in (first, init_bare(tmp_path / "two", Cancellation()))
    }

    assert len(commits) == 1
    assert first.check("ls-tree", "-r", "--format=%(objectmode) %(path)", *commits).splitlines() == [
        "100644 Kbuild",
        "100644 Makefile",
        "120000 link",
        "100644 mm/zswap.c",
        "100755 scripts/kconfig/merge_config.sh",
    ]


def test_import_tarball_when_it_is_cut_then_it_fails(tmp_path: Path) -> None:
    tarball = make_tarball(tmp_path / "linux.tar.xz")
    tarball.write_bytes(tarball.read_bytes()[:-60])

    with pytest.raises(InfraError, match=r"linux.tar.xz"):
        import_tarball(tarball, init_bare(tmp_path / "one", Cancellation()), message="linux-7.2")


@pytest.fixture
def kernel_org(tmp_path: Path) -> Path:
    """A folder laid out as kernel.org, with two point releases."""
    folder = tmp_path / "org" / "v7.x"
    folder.mkdir(parents=True)
    sums = ""
    for name in ("linux-7.2.tar.xz", "linux-7.2.10.tar.xz", "linux-7.2.9.tar.xz"):
        path = make_tarball(folder / name, makefile=MAKEFILE + f"# {name}\n")
        sums += f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {name}\n"
    signed = f"-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n\n{sums}-----BEGIN PGP SIGNATURE-----\n\nx\n"
    (folder / "sha256sums.asc").write_text(signed + "-----END PGP SIGNATURE-----\n")
    return folder.parent


def test_open_source_when_named_then_it_is_imported_once_and_cached(
    kernel_org: Path, tmp_path: Path, steps: Steps, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(debian, "fetch_package", absent_from_debian)
    monkeypatch.setattr(kernelorg.fetch_tarball, "__kwdefaults__", {"base_url": kernel_org.as_uri(), "keyring": None})
    half = tmp_path / "sources" / ".linux-7.2.killed"
    half.mkdir(parents=True)

    first = open_source("linux-7.2", cache=tmp_path, steps=steps, cancellation=Cancellation())
    for path in kernel_org.rglob("*.*"):
        path.unlink() if path.is_file() else None
    second = open_source("linux-7.2", cache=tmp_path, steps=steps, cancellation=Cancellation())

    assert first == second
    assert first.repo == tmp_path / "sources" / "linux-7.2" / "repo.git"
    assert "linux-7.2.10.tar.xz" in first.provenance
    assert "signature was not checked" in first.provenance
    assert not half.exists()
    assert sorted(path.name for path in (tmp_path / "sources" / "linux-7.2").iterdir()) == ["repo.git", "source.json"]


def test_open_source_when_nobody_has_it_then_both_reasons_are_said_and_nothing_is_left(
    kernel_org: Path, tmp_path: Path, steps: Steps, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(debian, "fetch_package", absent_from_debian)
    monkeypatch.setattr(kernelorg.fetch_tarball, "__kwdefaults__", {"base_url": kernel_org.as_uri(), "keyring": None})

    with pytest.raises(UserError, match=r"Debian: not here.* Kernel.org: kernel.org has no linux-7.9"):
        open_source("linux-7.9", cache=tmp_path / "cache", steps=steps, cancellation=Cancellation())

    assert [path.name for path in (tmp_path / "cache" / "sources").iterdir()] == ["linux-7.9.lock"]


def absent_from_debian(*_args: object, **_kwargs: object) -> debian.Package:
    raise debian.NotInDebian("not here")


def test_fetch_tarball_when_its_checksum_is_wrong_then_it_is_refused(kernel_org: Path, tmp_path: Path) -> None:
    with (kernel_org / "v7.x" / "linux-7.2.10.tar.xz").open("ab") as handle:
        handle.write(b"x")

    with pytest.raises(InfraError, match="checksum file says"):
        kernelorg.fetch_tarball("7.2", scratch=tmp_path, cancellation=Cancellation(), base_url=kernel_org.as_uri())


def test_signed_part_when_lines_stand_outside_then_they_are_not_taken() -> None:
    text = "aa  evil\n-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n\nbb  good\n-----BEGIN PGP SIGNATURE-----\n"

    assert kernelorg.signed_part(text) == "bb  good\n"


def test_named_when_a_point_release_or_path_then_it_is_no_name() -> None:
    assert [bool(sources.NAMED.fullmatch(name)) for name in ("linux-7.2", "linux-7.2.1", "./linux-7.2")] == [
        True,
        False,
        False,
    ]
