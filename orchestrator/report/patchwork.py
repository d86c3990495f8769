"""CHECKS → PATCHWORK, by its REST API (version 1.2): each patch is found by its message id, and a check is added to it.

Patchwork keeps all checks of a patch and shows the newest of a context, so sending twice does no harm, but is not needed: a
check that stands there with the same state and description is not sent again.
"""

from __future__ import annotations

import urllib.parse
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from orchestrator.errors import InfraError
from orchestrator.host.http import check_url, exchange_json
from orchestrator.report.check_states import CONTEXT, PatchCheck

API = "/api/1.2"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """What became of a check: ``said`` is "sent", "there already", or why the patch was not found."""

    check: PatchCheck
    said: str


def send_checks(url: str, token: str, checks: Sequence[PatchCheck], *, target_url: str = "") -> tuple[Sent, ...]:
    """Add the checks to the patches of the server at ``url``; ``target_url`` is where a person reads more.

    Raises ``UserError`` where the server refuses (a wrong token) and ``InfraError`` where it fails.
    """
    server = _Server(check_url(url), token)
    return tuple(Sent(check=check, said=server.add(check, target_url)) for check in checks)


class _Server:
    def __init__(self, url: str, token: str) -> None:
        self._api = f"{url}{API}"
        self._headers = {
            "Authorization": f"Token {token}",
            "Accept": "application/json",
            "User-Agent": "mm-patch-orchestrator",
        }

    def add(self, check: PatchCheck, target_url: str) -> str:
        ids = self._patches(check.message_id)
        if not ids:
            return "this server does not know the patch"
        said = "there already"
        for number in ids:
            place = f"{self._api}/patches/{number}/checks/"
            body = {"state": check.state, "context": CONTEXT, "description": check.description}
            if self._newest(place) == body:
                continue
            exchange_json(
                place, headers=self._headers, body={**body, **({"target_url": target_url} if target_url else {})}
            )
            said = "sent"
        return said

    def _patches(self, message_id: str) -> list[int]:
        """Return the numbers of the patch, one in each project that it was posted to."""
        query = urllib.parse.urlencode({"msgid": message_id})
        found = self._list(f"{self._api}/patches/?{query}")
        # A server that does not know the filter answers with any patches.
        return [
            each["id"]
            for each in found
            if isinstance(each.get("id"), int) and str(each.get("msgid", "")).strip("<>") == message_id
        ]

    def _newest(self, place: str) -> dict[str, str]:
        ours = [each for each in self._list(place) if each.get("context") == CONTEXT]
        newest = max(ours, key=lambda each: (str(each.get("date", "")), str(each.get("id", "")).zfill(20)), default={})
        return {key: str(newest.get(key, "")) for key in ("state", "context", "description")}

    def _list(self, url: str) -> list[dict[str, Any]]:
        found = exchange_json(url, headers=self._headers)
        if not isinstance(found, list):
            raise InfraError(f"{url} does not answer with a list: is this a patchwork server?")
        return [each for each in found if isinstance(each, dict)]
