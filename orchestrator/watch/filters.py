"""Is a series for us? Pure."""

from __future__ import annotations

from collections.abc import Iterable
from fnmatch import fnmatchcase

from orchestrator.intake.headers import address_of
from orchestrator.model.diff import read_diff
from orchestrator.model.series import Patch, Series
from orchestrator.model.watch import Filter


def touched_paths(series: Series) -> tuple[str, ...]:
    """Return the files that the series touches, each once."""
    return tuple(dict.fromkeys(path for patch in series.patches for path in _paths(patch)))


def too_large(series: Series, wanted: Filter) -> str:
    """Return why a series is larger than may be tested, whoever asks; "" when it is not."""
    size = sum(len(patch.diff) for patch in series.patches)
    if len(series.patches) > wanted.most_parts:
        return f"{len(series.patches)} parts; {wanted.most_parts} are the most"
    if size > wanted.most_bytes:
        return f"{size >> 10} KiB of changes; {wanted.most_bytes >> 10} KiB are the most"
    return ""


def not_for_us(series: Series, wanted: Filter) -> str:
    """Return why a series is not to be tested unasked, "" when it is."""
    sender = address_of(series.sender)
    tags = {tag.lower(): tag for tag in series.tags}
    if wanted.lists and not set(wanted.lists) & set(series.lists):
        return f"it was sent to none of {', '.join(wanted.lists)}"
    if wanted.tags and not tags.keys() & {tag.lower() for tag in wanted.tags}:
        return f"its subject has none of the tags {', '.join(wanted.tags)}"
    if unwanted := sorted(tags.keys() & {tag.lower() for tag in wanted.without_tags}):
        return f"its subject has the tag {tags[unwanted[0]]}"
    if wanted.authors and not _any_match([sender], wanted.authors):
        return f"{sender or 'its sender'} is none of the authors wanted"
    if _any_match([sender], wanted.without_authors):
        return f"{sender} is among the authors left out"
    if wanted.paths:
        paths = touched_paths(series)
        if not _any_match(paths, wanted.paths):
            shown = ", ".join(paths[:3]) + (", ..." if len(paths) > 3 else "")
            return f"it touches none of the files wanted, only {shown}"
    return ""


def _any_match(words: Iterable[str], globs: tuple[str, ...]) -> bool:
    return any(fnmatchcase(word, glob) for word in words for glob in globs)


def _paths(patch: Patch) -> Iterable[str]:
    for each in read_diff(patch.diff, lossy=patch.lossy):
        yield from (path for path in (each.old_path, each.new_path) if path)
