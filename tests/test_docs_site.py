"""The documentation as a site: complete, without dead links, readable without a network."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple
from urllib.parse import unquote, urlsplit

import pytest
from markdown import Markdown
from mkdocs.config import load_config

from docs import hooks

ROOT = Path(__file__).parents[1]
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
# The command of `make docs`, options and all.
MKDOCS = [sys.executable, "-m", *re.findall(r"\$\(BIN\)/(mkdocs build.*)", MAKEFILE)[0].split()]
PAGES = sorted(path.relative_to(ROOT / "docs") for path in (ROOT / "docs").rglob("*.md"))
# What a browser fetches to show a page, by the attribute that says where.
FETCHED = {
    "audio": ("src",),
    "embed": ("src",),
    "iframe": ("src", "srcdoc"),
    "image": ("href", "xlink:href"),
    "img": ("src", "srcset"),
    "input": ("src",),
    "link": ("href",),
    "object": ("data",),
    "script": ("src",),
    "source": ("src", "srcset"),
    "track": ("src",),
    "use": ("href", "xlink:href"),
    "video": ("src", "poster"),
}
NOT_FETCHED = ("next", "prev", "canonical", "license")  # rel of a link that only says something


class Tag(NamedTuple):
    name: str
    attributes: dict[str, str]


class _Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[Tag] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append(Tag(tag, {name: value or "" for name, value in attrs}))


def tags(html: str) -> list[Tag]:
    parser = _Tags()
    parser.feed(html)
    return parser.found


def fetched(html: str) -> Iterator[str]:
    """What a page makes a browser fetch."""
    for tag in tags(html):
        if tag.name == "link" and tag.attributes.get("rel") in NOT_FETCHED:
            continue
        for attribute in FETCHED.get(tag.name, ()):
            if attribute in tag.attributes:
                yield tag.attributes[attribute]
        yield from in_styles(tag.attributes.get("style", ""))
    for style in re.findall(r"<style[^>]*>(.*?)</style>", html, re.S):
        yield from in_styles(style)


def in_styles(css: str) -> list[str]:
    """What a style sheet makes a browser fetch."""
    found = re.findall(r"url\(\s*['\"]?([^'\")]+)|@import\s+['\"]([^'\"]+)", css)
    return [url or imported for url, imported in found]


def is_elsewhere(address: str) -> bool:
    """Whether it is on another host, or absolute and so nowhere when a page is opened from disk."""
    parts = urlsplit(address.strip())
    return parts.scheme not in ("", "data") or bool(parts.netloc) or parts.path.startswith("/")


def built(folder: Path) -> Path:
    """The site, built as `make docs` does, where every connection is refused."""
    nowhere = "http://127.0.0.1:9"
    done = subprocess.run(
        [*MKDOCS, "--site-dir", folder],
        cwd=ROOT,
        env=os.environ
        | {"NO_MKDOCS_2_WARNING": "1", "PYTHONDONTWRITEBYTECODE": "1"}
        | dict.fromkeys(("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"), nowhere),
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return built(tmp_path_factory.mktemp("site"))


@pytest.fixture(scope="module")
def html(site: Path) -> dict[str, str]:
    """The text of each page."""
    return {
        path.relative_to(site).as_posix(): path.read_text(encoding="utf-8")
        for path in site.rglob("*.html")
    }


def test_every_page_of_docs_is_built(html: dict[str, str]):
    assert {path.with_suffix(".html").as_posix() for path in PAGES} == {*html} - {"404.html"}


def test_every_page_of_docs_stands_in_the_navigation():
    def pages(entry: Any) -> Iterator[str]:
        if isinstance(entry, str):
            yield entry
        elif isinstance(entry, dict | list):
            for below in entry.values() if isinstance(entry, dict) else entry:
                yield from pages(below)

    named = [*pages(load_config(str(ROOT / "mkdocs.yml")).nav)]
    assert sorted(named) == [path.as_posix() for path in PAGES]


def test_pages_fetch_nothing_from_other_hosts(html: dict[str, str]):
    # 404.html is of a server, which says where the site is: its addresses begin with a slash.
    pages = {page: text for page, text in html.items() if page != "404.html"}
    found = {(page, address) for page, text in pages.items() for address in fetched(text)}
    assert len(found) > 5 * len(pages)  # styles, scripts, icons and pictures of each
    assert [(page, address) for page, address in found if is_elsewhere(address)] == []


def test_styles_fetch_nothing_from_other_hosts(site: Path):
    sheets = [*site.rglob("*.css")]
    assert sheets
    found = [a for sheet in sheets for a in in_styles(sheet.read_text(encoding="utf-8"))]
    assert [address for address in found if is_elsewhere(address)] == []


def test_scripts_of_ours_name_no_other_host(site: Path):
    for script in (site / "javascripts").glob("*.js"):
        code = re.sub(r"/\*.*?\*/", "", script.read_text(encoding="utf-8"), flags=re.S)
        assert "http:" not in code
        assert "https:" not in code


def test_what_pages_fetch_and_link_to_is_there(site: Path, html: dict[str, str]):
    """Also anchors, in pages that mkdocs checks and in those that plugins write."""
    ids = {page: {t.attributes.get("id") for t in tags(text)} for page, text in html.items()}
    missing = []
    for page, text in html.items():
        if page == "404.html":
            continue
        links = [
            t.attributes["href"] for t in tags(text) if t.name == "a" and "href" in t.attributes
        ]
        for address in {*fetched(text), *links}:
            parts = urlsplit(address)
            if parts.scheme or parts.netloc:
                continue
            target = (site / page).parent / unquote(parts.path) if parts.path else site / page
            target = Path(os.path.normpath(target))
            name = target.relative_to(site).as_posix()
            if not target.is_file() or (
                parts.fragment and name in ids and unquote(parts.fragment) not in ids[name]
            ):
                missing.append((page, address))
    assert missing == []


def test_the_site_can_be_searched_from_disk(site: Path, html: dict[str, str]):
    index = (site / "search" / "search_index.js").read_text(encoding="utf-8")
    assert index.startswith("var __index = ")
    assert "RareNodeClassifier" in index
    assert "iframe-worker.js" in html["index.html"]


def test_the_search_has_a_name(html: dict[str, str]):
    for page, text in html.items():
        dialogs = [t.attributes for t in tags(text) if t.attributes.get("role") == "dialog"]
        assert dialogs, page
        assert all(dialog.get("aria-label") for dialog in dialogs), page


def test_light_and_dark_can_be_chosen(html: dict[str, str]):
    schemes = re.findall(r'data-md-color-scheme="(\w+)"', html["index.html"])
    assert {"default", "slate"} <= {*schemes}


def test_the_library_s_surface_is_in_the_reference(html: dict[str, str]):
    from pipeline import hml

    api = "\n".join(text for page, text in html.items() if page.startswith("api/"))
    written = {*re.findall(r'id="pipeline\.hml\.(?:classifier\.|uncertainty\.)?(\w+)"', api)}
    assert {*hml.__all__} <= written


def test_lists_and_tables_are_no_text(html: dict[str, str]):
    """Python-Markdown wants blank lines where the repository's site does not; see docs/hooks.py."""
    for page, text in html.items():
        for paragraph in re.findall(r"<p>(.*?)</p>", text, re.S):
            lines = re.sub(r"<code>.*?</code>", "", paragraph, flags=re.S).splitlines()
            assert not [line for line in lines[1:] if re.match(r"[-*+] \S|\|.*\|$", line)], page


# The hook ---------------------------------------------------------------------------------------


def rendered(text: str, page: str = "page.md", repository: str | None = None) -> str:
    hooks.on_page_markdown(text, page=SimpleNamespace(file=SimpleNamespace(src_uri=page)))
    return Markdown(extensions=[hooks.RepositoryLinks(repository)]).convert(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[cli.py](../pipeline/cli.py), x", "<code>pipeline/cli.py</code>, x"),
        ("[pipeline/cli.py](../pipeline/cli.py)", "<code>pipeline/cli.py</code>"),
        (
            "a [test](../tests/test_docs.py).",
            "a <span>test (<code>tests/test_docs.py</code>)</span>.",
        ),
        ("[docs/example](example)", "<code>docs/example</code>"),
        ("[a **b**](../Makefile)", "<span>a <strong>b</strong> (<code>Makefile</code>)</span>"),
    ],
)
def test_a_link_into_the_repository_is_code_while_there_is_no_address(text: str, expected: str):
    assert rendered(text) == f"<p>{expected}</p>"


@pytest.mark.parametrize(
    ("page", "text", "address"),
    [
        ("page.md", "[x](../pipeline/cli.py)", "blob/main/pipeline/cli.py"),
        ("adr/0001.md", "[x](../../pipeline/hml)", "tree/main/pipeline/hml"),
    ],
)
def test_a_link_into_the_repository_leads_there_once_it_has_an_address(page, text, address):
    found = rendered(text, page, "https://example.org/rarenode/")
    assert found == f'<p><a href="https://example.org/rarenode/{address}">x</a></p>'


@pytest.mark.parametrize(
    "link",
    [
        "method.md",
        "method.md#7-baselines",
        "#here",
        "https://example.org",
        "adr/0018-images.md",
        "../nowhere.py",
    ],
)
def test_other_links_are_left_to_mkdocs(link: str):
    assert rendered(f"[x]({link})") == f'<p><a href="{link}">x</a></p>'


def test_a_list_or_table_below_a_text_gets_a_blank_line():
    text = "Text\n- one\n  on\n- two\n\nText\n| a |\n|---|\n\n```\nx\n- no list\n```\n"
    expected = "Text\n\n- one\n  on\n- two\n\nText\n\n| a |\n|---|\n\n```\nx\n- no list\n```\n"
    assert hooks.with_blank_lines(text) == expected
    assert hooks.with_blank_lines(expected) == expected


def test_a_head_that_says_nothing_is_none():
    table = "<table><thead><tr>{}</tr></thead><tbody></tbody></table>"
    named = table.format('<th style="x"></th><th>a</th>')
    assert hooks.with_full_heads(named) == table.format('<td style="x"></td><th>a</th>')
    unnamed = table.format("\n<th></th>\n<th></th>\n")
    assert hooks.with_full_heads(unnamed) == "<table><tbody></tbody></table>"


@pytest.mark.parametrize(
    ("page", "address"), [("api/loss.md", "../method.html"), ("concepts.md", "method.html")]
)
def test_a_section_of_the_method_is_a_link(page: str, address: str):
    found = hooks.with_sections("(docs/method.md, section 3 and 6)", page)
    link = f'<a href="{address}#3-constraint-loss">the method, section 3</a>'
    assert found == f"({link} and 6)"


def test_docstrings_lead_to_the_method(html: dict[str, str]):
    """The anchors are there: `test_what_pages_fetch_and_link_to_is_there`."""
    assert 'href="../method.html#2-coherent-output"' in html["api/loss.html"]
    assert not [page for page, text in html.items() if "docs/method.md, section" in text]


def test_a_dead_link_is_an_error(tmp_path: Path):
    (tmp_path / "docs").mkdir()
    shutil.copy(ROOT / "docs" / "hooks.py", tmp_path / "docs")
    (tmp_path / "docs" / "index.md").write_text("# X\n\n[dead](nowhere.md#x) [dead](#nowhere)\n")
    settings = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    lines = settings.split("\nnav:\n")[0].replace("  - offline\n", "")
    plugins = re.sub(r"  - mkdocstrings:\n(?:    .*\n)+", "", lines)
    (tmp_path / "mkdocs.yml").write_text(plugins, encoding="utf-8")
    done = subprocess.run(
        MKDOCS,
        cwd=tmp_path,
        env=os.environ | {"NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 1
    assert "nowhere.md" in done.stderr
    assert "#nowhere" in done.stderr


# Pictures ---------------------------------------------------------------------------------------

PICTURES = sorted((ROOT / "docs" / "pictures").glob("*.svg"))
CONCEPTS = (ROOT / "docs" / "concepts.md").read_text(encoding="utf-8")


def brightness(colour: str) -> float:
    """The relative luminance of `#rrggbb` (WCAG 2)."""
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    high, low = sorted((brightness(one), brightness(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def fills(css: str) -> dict[str, str]:
    found = re.findall(r"^\s*([\w.]+) \{[^}]*?fill: (#[0-9a-f]{6})", css, re.M)
    return dict(found)


@pytest.mark.parametrize("picture", PICTURES, ids=lambda path: path.stem)
def test_a_picture_can_be_read_in_light_and_dark(picture: Path):
    text = picture.read_text(encoding="utf-8")
    style = re.findall(r"<style>(.*?)</style>", text, re.S)[0]
    light, dark = style.split("@media (prefers-color-scheme: dark)")
    for colours in (fills(light), fills(light) | fills(dark)):
        for ink in ("text", ".small"):
            assert contrast(colours[ink], colours[".card"]) >= 4.5
        for ground in (".box", ".on"):
            assert contrast(colours["text"], colours[ground]) >= 4.5
        for shape in (".strong", ".weak"):
            assert contrast(colours[shape], colours[".card"]) >= 3
    assert not re.search(r"(fill|stroke)=\"", text)  # colours of the style alone follow the reader


@pytest.mark.parametrize("picture", PICTURES, ids=lambda path: path.stem)
def test_a_picture_says_what_it_shows_and_needs_nothing_else(picture: Path):
    text = picture.read_text(encoding="utf-8")
    assert re.search(r"<title id=\"title\">.+</title>", text)
    assert re.search(r"<desc id=\"desc\">.+</desc>", text)
    assert [*fetched(text)] == []
    assert "http" not in text.replace("http://www.w3.org/2000/svg", "")


def test_every_picture_is_shown_and_has_a_text():
    shown = re.findall(r"!\[(.+?)\]\(pictures/([\w-]+)\.svg\)", CONCEPTS)
    assert sorted(name for _, name in shown) == [picture.stem for picture in PICTURES]


@pytest.mark.parametrize("picture", PICTURES, ids=lambda path: path.stem)
def test_figures_in_a_picture_are_those_of_the_examples(picture: Path):
    """The examples of the page run, so that a figure that stands there is what the code gives."""
    words = " ".join(re.findall(r"<text[^>]*>([^<]*)</text>", picture.read_text(encoding="utf-8")))
    figures = re.findall(r"(?<![\w.])\d+\.\d+(?![\w.])", words)
    code = "\n".join(re.findall(r"```pycon\n(.*?)```", CONCEPTS, re.S))
    scale = {"0.1", "0.2", "0.3", "0.4", "0.5"} if picture.stem == "rules" else set[str]()
    assert [
        f for f in figures if f not in scale and not re.search(rf"(?<![\d.]){f}(?!\d)", code)
    ] == []
