"""A commit from the remotes of the user's tree, fetched into our repository; the user's own is not written to."""

from __future__ import annotations

from pathlib import Path

from orchestrator.host.deadline import Cancellation
from orchestrator.model.tree import Source
from orchestrator.tree.git import Git

PROTOCOLS = "file:git:http:https:ssh"
MOST_REMOTES = 16


def remotes_of(source: Source, cancellation: Cancellation) -> dict[str, str]:
    """Return the addresses of the remotes of the user's tree, by name; none for a named release."""
    if source.tree is None:
        return {}
    said = Git(source.tree, cancellation).run("config", "--local", "-z", "--get-regexp", r"^remote\..*\.url$").stdout
    found: dict[str, str] = {}
    for entry in said.split("\0"):
        key, _, url = entry.partition("\n")
        if url:
            found.setdefault(key.removeprefix("remote.").removesuffix(".url"), _absolute(url, source.tree))
    return dict(list(found.items())[:MOST_REMOTES])


def fetch_commit(source: Source, commit: str, cancellation: Cancellation) -> str | None:
    """Fetch ``commit`` (a full id) into our repository; return the name of the remote that had it, None if none had."""
    git = Git(source.repo, cancellation).using(GIT_ALLOW_PROTOCOL=PROTOCOLS)
    for name, url in remotes_of(source, cancellation).items():
        options = ("--quiet", "--no-tags", "--no-write-fetch-head", "--no-recurse-submodules", "--no-auto-maintenance")
        said = git.run("fetch", *options, "--end-of-options", url, commit)
        if said.ok and git.run("cat-file", "-e", f"{commit}^{{commit}}").ok:
            return name
    return None


def _absolute(url: str, tree: Path) -> str:
    """Return an address that means the same from anywhere: git takes a path from the repository it works in."""
    is_path = "://" not in url and (":" not in url.partition("/")[0])
    return str((tree / Path(url).expanduser()).resolve()) if is_path else url
