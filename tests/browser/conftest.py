"""A real browser on a running service; any fault that its console tells fails the test."""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from tests.functional.service import Api, Service

PICTURES = Path(__file__).parents[2] / "build" / "browser"
_PROGRAMS = ("chromium", "chromium-browser", "google-chrome")
_ARGUMENTS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
# Waiting for a condition; the machine may be busy.
_PATIENCE_MILLISECONDS = 20_000


def _program() -> str:
    """The system's Chromium.

    Raises:
        pytest.fail.Exception: there is none.
    """
    found = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, _PROGRAMS)), None)
    if not found:
        pytest.fail("Chromium is needed: apt-get install chromium, or CHROMIUM=/path/to/it")
    return found


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """The browser; every context of it is a fresh profile."""
    expect.set_options(timeout=_PATIENCE_MILLISECONDS)
    with sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=_program(), args=_ARGUMENTS)
        yield found
        found.close()


class Windows:
    """Opens windows and listens to what goes wrong in them.

    Attributes:
        allowed: parts of what the console may say in this test.
    """

    def __init__(self, browser: Browser, service: Service) -> None:
        self._browser = browser
        self.url = service.url
        self.allowed: list[str] = []
        self._faults: list[str] = []
        self._contexts: list[BrowserContext] = []

    def open(self, key: str | None = None, path: str = "#/", **options: Any) -> Page:
        """A window of its own browser profile, signed in with a key if one is given."""
        options.setdefault("viewport", {"width": 1440, "height": 900})
        options.setdefault("locale", "en-GB")
        context = self._browser.new_context(base_url=self.url, **options)
        context.set_default_timeout(_PATIENCE_MILLISECONDS)
        self._contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: self._faults.append(f"error: {error}"))
        page.on("console", self._hear)
        page.on("request", self._watch)
        page.goto("/")
        if key is not None:
            page.get_by_label("API key").fill(key)
            page.get_by_role("button", name="Sign in").click()
            page.get_by_role("navigation", name="Main").wait_for()
            if path != "#/":
                page.goto(f"/{path}")
            # What happens before one listens is in what is read, and is no event.
            page.get_by_text("Live", exact=True).wait_for()
        return page

    def _hear(self, message: Any) -> None:
        if message.type in ("error", "warning"):
            self._faults.append(f"console: {message.text}")

    def _watch(self, request: Any) -> None:
        if not request.url.startswith((self.url, "blob:")):
            self._faults.append(f"request to another host: {request.url}")

    def check(self) -> None:
        """Nothing went wrong but what may."""
        faults = [one for one in self._faults if not any(part in one for part in self.allowed)]
        assert not faults, faults

    def close(self) -> None:
        """Close all windows."""
        for context in self._contexts:
            context.close()


@pytest.fixture
def windows(browser: Browser, service: Service) -> Iterator[Windows]:
    """Windows of this test."""
    found = Windows(browser, service)
    yield found
    found.check()
    found.close()


@pytest.fixture
def window(windows: Windows, admin_key: str) -> Callable[..., Page]:
    """Open a window that is signed in as admin: ``window("#/products")``."""
    return lambda path="#/", **options: windows.open(admin_key, path, **options)


@pytest.fixture
def key_with(api: Api) -> Callable[[str], str]:
    """Make a key with one scope; gives the secret."""

    def make(scope: str) -> str:
        made = api.post("/api/keys", json={"name": f"{scope} key", "scopes": [scope]})
        assert made.status_code == 201, made.text
        return str(made.json()["secret"])

    return make


@pytest.fixture(scope="session")
def pictures() -> Path:
    """Where pictures are kept."""
    PICTURES.mkdir(parents=True, exist_ok=True)
    return PICTURES
