"""Trials that were done, by key: a sealed trial that passed is not done again.

Only what is bit-for-bit repeatable and went well is kept. A FAIL or an ERROR is never answered from here: it has to show
itself each time. Deleting the cache costs time, never results.
"""

from __future__ import annotations

import contextlib
import dataclasses
import re
from pathlib import Path

from orchestrator.errors import InfraError
from orchestrator.host.workspace import publish_text
from orchestrator.model.trial import Status, TrialResult
from orchestrator.store.codec import MalformedRecord, from_text, to_text
from orchestrator.store.run_json import trial_from_json, trial_to_json
from orchestrator.store.trial_files import bring_files, keep_files

FILES = ".tar.gz"

# A key becomes part of a path.
KEY = re.compile(r"[0-9A-Za-z][0-9A-Za-z_-]{7,}")


class TrialCache:
    """A folder of trial records; safe to use from several threads and processes at once."""

    def __init__(self, root: Path) -> None:
        """``root`` is the cache folder; records lie in ``trials/`` of it."""
        self.root = root / "trials"

    def find(self, key: str) -> TrialResult | None:
        """Return the record of the trial with this key, marked as cached; None when there is none that can be read."""
        path = self._path(key)
        if path is None:
            return None
        try:
            result = trial_from_json(from_text(path.read_text(encoding="utf-8"), str(path)), str(path))
        except (OSError, UnicodeDecodeError, MalformedRecord):
            return None
        return dataclasses.replace(result, cached=True) if result.key == key and self._fits(result) else None

    def put(self, result: TrialResult) -> bool:
        """Keep a record, if it is one to keep; return whether it is kept. A full disk is no reason to fail a run."""
        path = self._path(result.key)
        if path is None or not self._fits(result):
            return False
        with contextlib.suppress(InfraError, OSError):
            publish_text(path, to_text(trial_to_json(dataclasses.replace(result, cached=False))) + "\n")
            return True
        return False

    def keep_files(self, key: str, folder: Path) -> None:
        """Keep the guest's files of a trial's ``folder`` beside its record, where that is kept."""
        path = self._path(key)
        if path is not None and path.is_file():
            keep_files(path.with_suffix(FILES), folder)

    def bring_files(self, key: str, folder: Path) -> bool:
        """Put what :meth:`keep_files` kept into ``folder``; return whether there was anything."""
        path = self._path(key)
        return path is not None and bring_files(path.with_suffix(FILES), folder)

    def _path(self, key: str) -> Path | None:
        return self.root / key[:2] / f"{key}.json" if KEY.fullmatch(key) else None

    @staticmethod
    def _fits(result: TrialResult) -> bool:
        return result.spec.sealed and result.status is Status.PASS and bool(result.digest)
