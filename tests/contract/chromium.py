"""A real headless Chromium, for pages of ours: at a width, in a colour scheme, with what it logged and asked for."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from selenium import webdriver
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service

from orchestrator.host.process import find_program

FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-dev-shm-usage",
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-extensions",
)  # fmt: skip


class Browser:
    """One Chromium. Pages are files: there is no server that could give a page something more."""

    def __init__(self, driver: webdriver.Chrome) -> None:
        self.driver = driver

    def show(self, page: Path, *, width: int, dark: bool = False, opened: bool = False) -> None:
        """Show a page in a window of this width (CSS pixels); ``opened`` unfolds all that is folded."""
        self.command(
            "Emulation.setDeviceMetricsOverride",
            {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False},
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.command("Emulation.setEmulatedMedia", {"features": [scheme]})
        self.driver.get("about:blank")
        self.logs()
        self.requests()
        self.driver.get(page.as_uri())
        if opened:
            self.ask("document.querySelectorAll('details').forEach(part => { part.open = true; })")

    def ask(self, script: str) -> Any:
        """Return what a script in the page returns."""
        return self.driver.execute_script(script)

    def command(self, name: str, values: dict[str, object]) -> dict[str, Any]:
        """Send a command of the browser's own protocol."""
        answer: dict[str, Any] = self.driver.execute_cdp_cmd(name, values)
        return answer

    def logs(self) -> list[str]:
        """Return what the console said since the last time: errors, and what the page's policy refused."""
        return [str(entry["message"]) for entry in self._log("browser")]

    def requests(self) -> list[str]:
        """Return the addresses that were asked for since the last time."""
        events = [json.loads(entry["message"])["message"] for entry in self._log("performance")]
        return [event["params"]["request"]["url"] for event in events if event["method"] == "Network.requestWillBeSent"]

    def _log(self, kind: str) -> list[dict[str, Any]]:
        entries: list[dict[str, Any]] = self.driver.get_log(kind)  # type: ignore[no-untyped-call]
        return entries


@contextlib.contextmanager
def chromium(profile: Path) -> Iterator[Browser]:
    """Hold a browser with a fresh profile folder. Both programs must be there: ``orchestrator doctor --fix --tests``."""
    program, driver_program = find_program("chromium"), find_program("chromedriver")
    assert program is not None, "chromium is missing"
    assert driver_program is not None, "chromedriver is missing (package chromium-driver)"
    options = Options()
    options.binary_location = str(program)
    for flag in (*FLAGS, f"--user-data-dir={profile}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(str(driver_program)))
    try:
        driver.set_page_load_timeout(60)
        yield Browser(driver)
    finally:
        driver.quit()
