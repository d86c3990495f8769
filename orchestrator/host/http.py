"""JSON over HTTP, with deadlines and bounds; for the few services that the user names (patchwork)."""

from __future__ import annotations

import json
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping
from http.client import HTTPException, HTTPResponse
from typing import Any

from orchestrator.errors import InfraError, UserError
from orchestrator.host.deadline import Deadline

ANSWER_S = 30.0
"""For a server's next bytes."""

WHOLE_S = 120.0
"""For an answer from its first byte to its last: a server that trickles must not hold us."""

LARGEST = 8 << 20
"""Bytes of an answer; what is larger is none for us."""

_SAID = 300


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A redirect is an error: it would carry the token to a place that the user did not name."""

    def redirect_request(self, *_args: Any, **_kwargs: Any) -> None:
        return None


def check_url(url: str) -> str:
    """Return ``url`` without its last slash; :class:`UserError` unless it is http(s) with a host, and without a password."""
    try:
        parts = urllib.parse.urlsplit(url)
        good = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.username is None
    except ValueError:
        good = False
    if not good or not url.isprintable() or " " in url:
        raise UserError(f"{url!r} is no address of a server", hint="give it like https://patchwork.example.org")
    return url.rstrip("/")


def exchange_json(url: str, *, headers: Mapping[str, str], body: Any = None, whole_s: float = WHOLE_S) -> Any:
    """Return the JSON that the server answers with: GET, or POST where there is a ``body``.

    Raises :class:`UserError` where it refuses (4xx) and :class:`InfraError` where it cannot be reached, fails, redirects,
    takes longer than ``whole_s``, or answers something else.
    """
    data = None if body is None else json.dumps(body).encode()
    more = {} if body is None else {"Content-Type": "application/json"}
    request = urllib.request.Request(url, data=data, headers={**headers, **more})  # noqa: S310 - checked by check_url
    opener = urllib.request.build_opener(_NoRedirect)
    try:
        with opener.open(request, timeout=min(ANSWER_S, whole_s)) as answer:
            text = _whole(answer, url, Deadline(whole_s, what=f"the answer of {url}"))
    except urllib.error.HTTPError as error:
        said = _said(error)
        if 400 <= error.code < 500:
            raise UserError(f"{url} refuses with {error.code} {error.reason}{said}") from error
        raise InfraError(f"{url} answers {error.code} {error.reason}{said}") from error
    except (urllib.error.URLError, OSError, HTTPException) as error:
        raise InfraError(f"{url} cannot be reached: {getattr(error, 'reason', error)}") from error
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InfraError(f"{url} does not answer with JSON") from error


def _whole(answer: HTTPResponse, url: str, deadline: Deadline) -> bytes:
    text = b""
    while block := answer.read1(1 << 16):
        deadline.check()
        text += block
        if len(text) > LARGEST:
            raise InfraError(f"{url} answers with more than {LARGEST >> 20} MiB")
    return text


def _said(error: urllib.error.HTTPError) -> str:
    try:
        text = error.read(_SAID).decode("utf-8", "replace")
    except (OSError, HTTPException):
        return ""
    return f": {' '.join(text.split())}" if text.strip() else ""
