"""The documentation as people read it, in a real browser: accessible, and whole on a telephone."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page

from tests.test_docs_site import built

from . import browser as browsers

# Texts, pictures and wide tables; examples; a reference with modules in its table of contents.
PAGES = ("index", "concepts", "results", "api/figures")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return built(tmp_path_factory.mktemp("site"))


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with browsers.browser() as found:
        yield found


def opened(browser: Browser, file: Path, **options: Any) -> Page:
    page = browsers.page(browser, **options)
    page.goto(file.as_uri())
    page.wait_for_selector(".md-code__nav, .md-typeset__scrollwrap")  # what the theme's script adds
    page.evaluate("() => new Promise(requestAnimationFrame)")  # and ours mends before
    return page


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_pages_are_accessible_and_no_wider_than_the_screen(
    site: Path, browser: Browser, width: int, theme: Literal["light", "dark"]
):
    for name in PAGES:
        page = opened(browser, site / f"{name}.html", width=width, theme=theme)
        wider = page.evaluate("document.documentElement.scrollWidth - innerWidth")
        found = [one["id"] for one in Axe().run(page).response["violations"]]
        page.context.close()
        assert (name, wider, found) == (name, 0, [])


def test_a_table_that_is_wider_than_the_page_is_scrolled_by_keys(site: Path, browser: Browser):
    page = opened(browser, site / "results.html", width=390)
    table = page.locator(".md-typeset__scrollwrap[tabindex='0']").first
    table.focus()
    page.keyboard.press("ArrowRight")
    page.wait_for_function("document.activeElement.scrollLeft > 0")
    page.set_viewport_size({"width": 3000, "height": 900})  # where fewer are wider
    reached = "[...document.querySelectorAll('.md-typeset__scrollwrap')]"
    page.wait_for_function(
        f"{reached}.every(e => e.hasAttribute('tabindex') === e.scrollWidth > e.clientWidth)"
    )
    assert page.evaluate(f"{reached}.some(e => !e.hasAttribute('tabindex'))")
    page.context.close()


def test_the_copy_button_takes_the_code_of_an_example_alone(site: Path, browser: Browser):
    page = opened(browser, site / "api" / "loss.html")
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.locator(".md-code__button").first.click()
    page.wait_for_selector(".md-dialog--active")  # it says so once it is done
    copied = page.evaluate("navigator.clipboard.readText()")
    lines = [line for line in copied.splitlines() if line]
    assert lines[0] == "import torch"
    assert lines[-1] == "tuple(logits.grad.shape)"
    page.context.close()


def test_pictures_follow_the_choice_of_the_page_and_not_the_system(site: Path, browser: Browser):
    shown = dict[str, list[bytes]]()
    for system in ("light", "dark"):
        page = opened(browser, site / "concepts.html", theme=system)
        for choice in ("light", "dark"):
            page.evaluate(f"document.getElementById('__palette_{1 + (choice == 'dark')}').click()")
            page.wait_for_timeout(500)  # colours fade
            picture = page.locator("article img").first.screenshot()
            shown.setdefault(choice, []).append(picture)
        page.context.close()
    light, dark = shown["light"], shown["dark"]
    assert light[0] == light[1]
    assert dark[0] == dark[1]
    assert light[0] != dark[0]
