"""How the watcher is: a log of JSON lines, systemd's notifications (sd_notify(3)), numbers for Prometheus."""

from __future__ import annotations

import contextlib
import datetime as dt
import json
import os
import socket
import threading
import time
from collections.abc import Mapping
from typing import IO, Any

from orchestrator.errors import InfraError
from orchestrator.watch.state import State

BEAT_S = 10.0
"""At most so often the watchdog is told that we live."""


class Log:
    """A line for each event: ``{"at": ..., "event": ..., ...}``. Safe in threads; what cannot be written is let go."""

    def __init__(self, stream: IO[str]) -> None:
        self._stream = stream
        self._lock = threading.Lock()

    def __call__(self, event: str, **fields: Any) -> None:
        """Write an event. json escapes control characters, so that a stranger's subject stays one line."""
        line = json.dumps(
            {"at": dt.datetime.now(dt.UTC).isoformat(timespec="milliseconds"), "event": event, **fields}, default=str
        )
        with self._lock, contextlib.suppress(OSError, ValueError):
            self._stream.write(line + "\n")
            self._stream.flush()


class Notifier:
    """Tells systemd how we are, by a datagram to ``$NOTIFY_SOCKET``; nothing where there is none."""

    def __init__(self, environment: Mapping[str, str] = os.environ) -> None:
        self._address = environment.get("NOTIFY_SOCKET", "")
        self._told = -BEAT_S

    def ready(self) -> None:
        """Say that we are up."""
        self._send("READY=1")

    def stopping(self) -> None:
        """Say that we are ending."""
        self._send("STOPPING=1")

    def beat(self, status: str) -> None:
        """Say that we live, and what we do."""
        if time.monotonic() - self._told >= BEAT_S:
            self._told = time.monotonic()
            self._send("WATCHDOG=1\nSTATUS=" + " ".join(status.split()))

    def _send(self, text: str) -> None:
        if not self._address.startswith(("/", "@")):
            return
        address = "\0" + self._address[1:] if self._address.startswith("@") else self._address
        with (
            contextlib.suppress(OSError),
            socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as channel,
        ):
            channel.sendto(text.encode(), address)


class Numbers:
    """Numbers for Prometheus on a port of loopback; none where ``port`` is 0. prometheus-client is known here alone."""

    def __init__(self, port: int) -> None:
        from prometheus_client import CollectorRegistry, Counter, Gauge, start_http_server

        registry = CollectorRegistry()
        prefix = "orchestrator_watch"
        self._series = Gauge(f"{prefix}_series", "Series in the queue by state", ["state"], registry=registry)
        self._mails = Gauge(f"{prefix}_mails_total", "Mails by what became of them", ["what"], registry=registry)
        self._verdicts = Gauge(f"{prefix}_verdicts_total", "Verdicts by outcome", ["outcome"], registry=registry)
        self._faults = Gauge(f"{prefix}_source_fault", "1 where a source cannot be read", ["source"], registry=registry)
        self._free = Gauge(f"{prefix}_free_mib", "Free space for queue and runs", registry=registry)
        self._oldest = Gauge(
            f"{prefix}_oldest_open_seconds", "How long the longest-waiting series waits", registry=registry
        )
        self._runs_left = Gauge(f"{prefix}_runs_left", "Runs that may be started now", registry=registry)
        self._beat = Gauge(
            f"{prefix}_beat_seconds", "When the watcher last did a round, seconds since 1970", registry=registry
        )
        self._taking = Gauge(
            f"{prefix}_taking", "1 while mails are taken, 0 where there is no space", registry=registry
        )
        self.retries = Counter(
            f"{prefix}_retries", "Attempts that were tried again for a fault of ours", registry=registry
        )
        self._server = None
        if port:
            try:
                self._server = start_http_server(port, addr="127.0.0.1", registry=registry)
            except OSError as error:
                raise InfraError(
                    f"cannot serve metrics on 127.0.0.1:{port}: {error.strerror}", hint="[health] metrics_port"
                ) from error

    def show(
        self,
        *,
        states: Mapping[State, int],
        counters: Mapping[str, int],
        faults: Mapping[str, bool],
        free: int,
        oldest: float | None,
        runs_left: float,
        taking: bool,
    ) -> None:
        """Set all numbers."""
        for state, count in states.items():
            self._series.labels(str(state)).set(count)
        for name, count in counters.items():
            kind, _, what = name.partition(" ")
            {"verdict": self._verdicts}.get(kind, self._mails).labels(what).set(count)
        for source, fault in faults.items():
            self._faults.labels(source).set(fault)
        self._free.set(free)
        self._oldest.set(oldest or 0.0)
        self._runs_left.set(runs_left)
        self._taking.set(taking)
        self._beat.set(time.time())

    def close(self) -> None:
        """Stop serving."""
        if self._server is not None:
            server, thread = self._server
            server.shutdown()
            server.server_close()
            thread.join(5.0)
