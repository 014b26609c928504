"""Debian's Chromium, driven by Playwright."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal

from playwright.sync_api import Browser, Page, sync_playwright

# No sandbox: in a container Chromium runs as root, and all pages are ours.
_FLAGS = ["--no-sandbox", "--disable-dev-shm-usage", "--disable-background-networking"]


@contextmanager
def browser() -> Iterator[Browser]:
    """A browser of its own, without a window."""
    program = shutil.which("chromium")
    assert program is not None, "tests/services/install installs it"
    with sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=program, args=_FLAGS)
        try:
            yield found
        finally:
            found.close()


def page(
    of: Browser,
    *,
    width: int = 1280,
    height: int = 900,
    theme: Literal["light", "dark"] = "light",
    **options: Any,
) -> Page:
    """A tab that shares nothing with others."""
    size: Any = {"width": width, "height": height}
    return of.new_context(viewport=size, color_scheme=theme, **options).new_page()
