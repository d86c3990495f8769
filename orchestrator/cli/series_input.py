"""Which patches, and how they are put on a tree: the argument and the options of every command that takes them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from orchestrator.intake.reader import Wanted
from orchestrator.intake.trust import Keys, from_dns, from_folder

InputsArgument = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="INPUT...",
        help="A mail, an mbox, a Maildir, patch files or a folder of them, an archived page (text or HTML), a diff, "
        "- for standard input, or a message id or link, which b4 fetches.",
    ),
]
GitOption = Annotated[
    str | None, typer.Option("--git", metavar="RANGE", help="Take the commits A..B of the tree that --linux names.")
]
VersionOption = Annotated[
    int | None, typer.Option("--version", min=1, metavar="N", help="Version N, not the newest that is there.")
]
PartialOption = Annotated[bool, typer.Option("--partial", help="Go on although parts of the series are missing.")]
PickOption = Annotated[
    str | None,
    typer.Option(
        "--pick", metavar="WHAT", help="Of several series this one: number, message id, or words of its title."
    ),
]
RequireSignatureOption = Annotated[
    bool, typer.Option("--require-signature", help="Refuse patches without a good DKIM or patatt signature.")
]
KeysOption = Annotated[
    Path | None,
    typer.Option(
        "--keys",
        metavar="DIR",
        help="Public keys: files SELECTOR._domainkey.DOMAIN with the TXT record, and a patatt keyring. No name server is asked.",
    ),
]
FetchOption = Annotated[
    bool, typer.Option("--fetch", help="A base-commit that the tree lacks may be fetched from the tree's remotes.")
]
StrictOption = Annotated[bool, typer.Option("--strict", help="Only git am and git am -3 may apply a patch.")]
OfflineOption = Annotated[bool, typer.Option("--offline", help="Ask no name server for keys of signatures.")]


def series_wanted(
    inputs: Sequence[str] | None,
    *,
    linux: str | None = None,
    git: str | None = None,
    version: int | None = None,
    partial: bool = False,
    pick: str | None = None,
    require_signature: bool = False,
    keys: Path | None = None,
    look: bool = False,
) -> Wanted:
    """Return what the user's words ask of intake. ``look`` checks signatures though none is required.

    The tree of ``--git`` is the folder that ``linux`` names, else the current one.
    """
    tree = Path(linux) if linux is not None and Path(linux).is_dir() else Path()
    return Wanted(
        inputs=tuple(inputs or ()),
        git_range=git,
        tree=tree,
        version=version,
        partial=partial,
        pick=pick,
        require_signature=require_signature,
        keys=_keys(keys) if look or require_signature or keys is not None else None,
    )


def _keys(folder: Path | None) -> Keys:
    if folder is None:
        return Keys(lookup=from_dns)
    return Keys(lookup=from_folder(folder), keyring=folder)
