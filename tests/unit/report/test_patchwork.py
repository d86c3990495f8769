"""Checks for review tools: their states, and patchwork's over real HTTP on the loopback interface."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import threading
import unicodedata
import urllib.parse
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from orchestrator.errors import InfraError, UserError
from orchestrator.host.http import check_url, exchange_json
from orchestrator.model.bisection import Bisection
from orchestrator.model.tree import Confidence
from orchestrator.report.check_states import CONTEXT, DESCRIPTION_LENGTH, PatchCheck, b4_result, patch_checks
from orchestrator.report.material import Material
from orchestrator.report.patchwork import send_checks
from tests.hostile import CORPUS
from tests.recorded import recorded

TOKEN = "0123abcd"
STATES = {"pending", "success", "warning", "fail"}


@dataclass
class Patchwork:
    """What the server holds, and how it misbehaves if it is told to. Behaves as API 1.2 of patchwork 3."""

    patches: dict[int, str] = field(default_factory=dict)
    checks: dict[int, list[dict[str, Any]]] = field(default_factory=dict)
    posts: int = 0
    mode: str = ""
    tokens: list[str] = field(default_factory=list)
    resting: threading.Event = field(default_factory=threading.Event)


def handler_of(state: Patchwork) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            parts = urllib.parse.urlsplit(self.path)
            words = parts.path.strip("/").split("/")
            state.tokens.append(self.headers.get("Authorization", ""))
            if state.mode:
                self.misbehave()
            elif words == ["api", "1.2", "patches"]:
                wanted = urllib.parse.parse_qs(parts.query)["msgid"][0]
                found = [number for number, msgid in state.patches.items() if msgid == wanted]
                self.answer(200, [{"id": number, "msgid": f"<{state.patches[number]}>"} for number in found])
            else:
                self.answer(200, state.checks.get(int(words[3]), []))

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            number = int(self.path.strip("/").split("/")[3])
            if self.headers.get("Authorization") != f"Token {TOKEN}":
                self.answer(403, {"detail": "You do not have permission to perform this action."})
            elif body.get("state") not in STATES or len(body.get("description", "")) > 1000:
                self.answer(400, {"state": ["not a choice"]})
            else:
                state.posts += 1
                there = state.checks.setdefault(number, [])
                there.append({"id": state.posts, "date": f"2026-11-23T10:00:{state.posts:02}", **body})
                self.answer(201, there[-1])

        def misbehave(self) -> None:
            match state.mode:
                case "down":
                    self.answer(503, {"detail": "maintenance"})
                case "redirect":
                    self.send_response(302)
                    self.send_header("Location", "/elsewhere")
                    self.end_headers()
                case "page":
                    self.send_response(200)
                    self.end_headers()
                    self.wfile.write(b"<html>hello</html>")
                case "object":
                    self.answer(200, {"patches": "no list"})
                case "trickle" | "endless":
                    self.send_response(200)
                    self.end_headers()
                    with contextlib.suppress(OSError):
                        while state.mode:
                            self.wfile.write(b" " * (1 << 18 if state.mode == "endless" else 1))
                            state.resting.wait(0 if state.mode == "endless" else 0.02)
                case "all":
                    self.answer(200, [{"id": 1, "msgid": "<somebody@else>"}])

        def answer(self, status: int, data: Any) -> None:
            text = json.dumps(data).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *_: Any) -> None:
            pass

    return Handler


@pytest.fixture
def patchwork() -> Iterator[tuple[str, Patchwork]]:
    state = Patchwork(patches={7: "1.patch@example.org", 8: "2.patch@example.org"})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler_of(state)) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/", state
        finally:
            server.shutdown()
            thread.join()


def check(message_id: str = "1.patch@example.org", state: str = "success") -> PatchCheck:
    return PatchCheck(message_id=message_id, subject="a patch", state=state, description="PASS: nothing moved")


def of_series(name: str, patches: int = 3, named: int | None = None) -> Material:
    """Return a recorded run as that of a series, its patches with message ids."""
    material = recorded(name)
    first = material.record.series.patches[0]
    many = tuple(
        dataclasses.replace(first, index=k, message_id=f"{k}.patch@example.org") for k in range(1, patches + 1)
    )
    found = None
    if named is not None:
        found = Bisection(
            what="the splat", patch=named, candidates=(named,), subject="the one", message_id=None, steps=(),
            confidence=Confidence.HIGH, reason="seen",
        )  # fmt: skip
    series = dataclasses.replace(material.record.series, patches=many)
    return dataclasses.replace(material, record=dataclasses.replace(material.record, series=series, bisection=found))


@pytest.mark.parametrize(
    ("name", "state", "status"),
    [
        ("pass", "success", "pass"),
        ("changed", "warning", "warn"),
        ("regression", "fail", "fail"),
        ("inconclusive", "warning", "warn"),
        ("our-error", "warning", "warn"),
        ("half-finished", "pending", "warn"),
    ],
)
def test_state_says_the_verdict_and_our_faults_are_never_a_failure(name: str, state: str, status: str) -> None:
    material = of_series(name)
    assert [each.state for each in patch_checks(material)] == [state] * 3
    assert b4_result(material)["status"] == status
    assert "fault of the test system" in patch_checks(material)[0].description or name != "our-error"


def test_regression_is_that_of_the_patch_that_bisection_named() -> None:
    material = of_series("regression", named=2)
    assert [each.state for each in patch_checks(material)] == ["warning", "fail", "warning"]
    assert "that of patch 2: the one" in patch_checks(material)[0].description


def test_patch_without_a_message_id_has_no_check() -> None:
    assert patch_checks(recorded("regression")) == ()


@pytest.mark.parametrize("text", CORPUS, ids=range(len(CORPUS)))
def test_description_is_one_short_printable_line(text: str) -> None:
    material = of_series("pass")
    verdict = dataclasses.replace(material.record.verdict, sentences=(text,))
    (first, *_) = patch_checks(
        dataclasses.replace(material, record=dataclasses.replace(material.record, verdict=verdict))
    )
    assert len(first.description) <= DESCRIPTION_LENGTH
    assert not [char for char in first.description if unicodedata.category(char) in {"Cc", "Cf", "Cs"}]


def test_check_is_added_to_its_patch_alone_and_with_the_token(patchwork: tuple[str, Patchwork]) -> None:
    url, state = patchwork
    (sent,) = send_checks(url, TOKEN, [check()], target_url="https://example.org/run")
    assert sent.said == "sent"
    assert list(state.checks) == [7]
    assert {key: state.checks[7][0][key] for key in ("state", "context", "description", "target_url")} == {
        "state": "success", "context": CONTEXT, "description": "PASS: nothing moved", "target_url": "https://example.org/run",
    }  # fmt: skip
    assert set(state.tokens) == {f"Token {TOKEN}"}


def test_check_that_is_there_is_not_sent_again_and_a_new_state_is(patchwork: tuple[str, Patchwork]) -> None:
    url, state = patchwork
    said = [
        send_checks(url, TOKEN, [check(state=each)])[0].said for each in ("pending", "pending", "success", "pending")
    ]
    assert said == ["sent", "there already", "sent", "sent"]
    assert [each["state"] for each in state.checks[7]] == ["pending", "success", "pending"]


def test_patch_that_the_server_does_not_know_is_said_and_the_others_are_sent(patchwork: tuple[str, Patchwork]) -> None:
    url, state = patchwork
    sent = send_checks(url, TOKEN, [check("unknown&msgid=1.patch@example.org"), check("2.patch@example.org")])
    assert [each.said for each in sent] == ["this server does not know the patch", "sent"]
    assert list(state.checks) == [8]


def test_wrong_token_is_the_users_to_mend(patchwork: tuple[str, Patchwork]) -> None:
    url, state = patchwork
    with pytest.raises(UserError, match=r"403.*permission"):
        send_checks(url, "wrong", [check()])
    assert state.posts == 0


@pytest.mark.parametrize(
    ("mode", "said"),
    [("down", "503"), ("redirect", "302"), ("page", "not answer with JSON"), ("object", "a patchwork server")],
)
def test_server_that_misbehaves_is_told_and_nothing_is_posted(
    mode: str, said: str, patchwork: tuple[str, Patchwork]
) -> None:
    url, state = patchwork
    state.mode = mode
    with pytest.raises(InfraError, match=said):
        send_checks(url, TOKEN, [check()])
    assert state.posts == 0


@pytest.mark.parametrize(
    ("mode", "whole_s", "said"), [("trickle", 0.3, "answer of"), ("endless", 60.0, "more than 8 MiB")]
)
def test_server_that_never_ends_does_not_hold_us(
    mode: str, whole_s: float, said: str, patchwork: tuple[str, Patchwork]
) -> None:
    url, state = patchwork
    state.mode = mode
    try:
        with pytest.raises(InfraError, match=said):
            exchange_json(f"{url}api/1.2/patches/?msgid=x", headers={}, whole_s=whole_s)
    finally:
        state.mode = ""


def test_server_that_answers_with_other_patches_gets_no_check_on_them(patchwork: tuple[str, Patchwork]) -> None:
    url, state = patchwork
    state.mode = "all"
    assert send_checks(url, TOKEN, [check()])[0].said == "this server does not know the patch"
    assert state.posts == 0


def test_server_that_is_not_there_is_told() -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as server:
        port = server.server_port
    with pytest.raises(InfraError, match="cannot be reached"):
        send_checks(f"http://127.0.0.1:{port}", TOKEN, [check()])


@pytest.mark.parametrize(
    "url",
    [
        "",
        "patchwork.example.org",
        "file:///etc/passwd",
        "ftp://example.org",
        "http://",
        "http://a b",
        "http://u:p@example.org",
        "http://[",
        "http://example.org/\n",
    ],
)
def test_address_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(UserError):
        check_url(url)
