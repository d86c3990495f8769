"""What a series itself says of its base: the contents that its files have before it, and when it was written. Pure."""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from orchestrator.model.diff import read_diff
from orchestrator.model.series import Series
from orchestrator.tree.history import ABSENT


def wanted_blobs(series: Series) -> dict[str, str]:
    """Return the abbreviated blob id of each file before the series: its first ``index`` line; :data:`ABSENT` for new files.

    What a later patch expects of a file that an earlier one changed is the earlier one's work, and in no commit.
    """
    wanted: dict[str, str] = {}
    touched: set[str] = set()
    for patch in series.patches:
        for file in read_diff(patch.diff, lossy=patch.lossy):
            paths = {path for path in (file.old_path, file.new_path) if path}
            if file.old_path is None and file.path not in touched:
                wanted[file.path] = ABSENT
            elif file.old_path is not None and file.old_path not in touched and file.old_blob is not None:
                wanted[file.old_path] = file.old_blob
            touched |= paths
    return wanted if any(blob != ABSENT for blob in wanted.values()) else {}


def written_at(series: Series) -> int | None:
    """Return when the series was sent, in seconds since 1970; its first patch's date where the mails have none."""
    for text in (series.sent, *(patch.sent for patch in series.patches)):
        if text:
            try:
                when = datetime.fromisoformat(text)
            except ValueError:
                continue
            return int((when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp())
    for patch in series.patches:
        if patch.date:
            try:
                when = parsedate_to_datetime(patch.date)
            except (ValueError, TypeError, IndexError):
                continue
            return int((when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp())
    return None


def day(when: int | None) -> str:
    """Return a time as the day it is, for sentences."""
    return "a day that is not known" if when is None else datetime.fromtimestamp(when, UTC).strftime("%Y-%m-%d")
