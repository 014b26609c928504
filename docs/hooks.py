"""What mkdocs does beyond its plugins, so that one text reads well in the repository and as a site.

- Links that leave docs/, such as `../pipeline/hml/losses.py`, lead to the repository where
  mkdocs.yml has its address (`repo_url`); until then their text stays, with the path as code.
- A list or table directly below a paragraph is one, as in CommonMark; Python-Markdown wants a
  blank line there.
- The theme's search has a name for those who hear pages. The head of a table has a cell where it
  says nothing, and is not there where no cell of it does.
- "docs/method.md, section 2", as docstrings say, leads to that section.
"""

import posixpath
import re
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from xml.etree import ElementTree

from markdown import Extension, Markdown
from markdown.extensions.toc import slugify
from markdown.treeprocessors import Treeprocessor

ROOT = Path(__file__).parents[1]
BRANCH = "main"
_FENCE = re.compile(r" *(```|~~~)")
_ITEM = re.compile(r" *([-*+]|\d+\.) ")
_FIRST = re.compile(
    r" *([-*+]|1\.) "
)  # what interrupts a paragraph: 1990. at its line's start does not
_SEARCH = '<div class="md-search" data-md-component="search" role="dialog"'
_SECTION = re.compile(r"docs/method\.md, section (?P<number>\d+)")
_PAGE = "page.md"  # of the text at work


def on_config(config: Any) -> Any:
    """Add what rewrites links."""
    config["markdown_extensions"].append(RepositoryLinks(config["repo_url"]))
    return config


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Remember which page it is, and put blank lines before lists and tables."""
    global _PAGE
    _PAGE = page.file.src_uri
    return with_blank_lines(markdown)


def on_page_content(html: str, page: Any, **_: Any) -> str:
    """Lead to sections of the method, and leave no empty head of a table."""
    return with_full_heads(with_sections(html, page.file.src_uri))


def on_post_page(output: str, **_: Any) -> str:
    """Name the search, which the theme leaves without a name."""
    return output.replace(_SEARCH, f'{_SEARCH} aria-label="Search"')


def on_post_template(output_content: str, **_: Any) -> str:
    """The same in pages without a text, such as 404.html."""
    return on_post_page(output_content)


def with_blank_lines(markdown: str) -> str:
    """The text with a blank line wherever a list or table interrupts a paragraph."""
    lines: list[str] = []
    fenced = item = False
    for line in markdown.splitlines():
        before = lines[-1] if lines else ""
        if _FENCE.match(line):
            fenced = not fenced
        elif not fenced and before.strip() and not _FENCE.match(before):
            starts_list = bool(_FIRST.match(line)) and not item
            starts_table = line.startswith("|") and not before.startswith("|")
            if (starts_list or starts_table) and not before.startswith(("#", "|")):
                lines.append("")
        if not fenced:
            # An item goes on until a blank line and one that is not indented.
            item = bool(_ITEM.match(line)) or (item and (bool(before.strip()) or line[:1] == " "))
        lines.append(line)
    return "\n".join(lines) + "\n"


def with_full_heads(html: str) -> str:
    """The page with cells in the place of empty heads of columns, and without heads of these."""
    html = re.sub(r"<th((?: [^>]*)?)></th>", r"<td\1></td>", html)
    return re.sub(r"<thead>\s*<tr>\s*(?:<td[^>]*></td>\s*)+</tr>\s*</thead>\s*", "", html)


def with_sections(html: str, page: str) -> str:
    """The page with links where it speaks of sections of docs/method.md.

    Args:
        html: of the page's text.
        page: its path in docs/.
    """
    address = posixpath.relpath("method.html", posixpath.dirname(page) or ".")

    def link(found: re.Match[str]) -> str:
        number = found["number"]
        anchor = _anchors_of_the_method()[number]
        return f'<a href="{address}#{anchor}">the method, section {number}</a>'

    return _SECTION.sub(link, html)


def _anchors_of_the_method() -> dict[str, str]:
    """By the number of the section."""
    text = (ROOT / "docs" / "method.md").read_text(encoding="utf-8")
    titles = re.findall(r"^## ((\d+)\. .+)$", text, re.M)
    return {number: slugify(title, "-") for title, number in titles}


class RepositoryLinks(Extension):
    """Rewrites links to files of the repository that are no pages of the site."""

    def __init__(self, repository: str | None) -> None:
        super().__init__()
        self.repository = repository

    def extendMarkdown(self, md: Markdown) -> None:
        """Register behind what makes links of text, and before mkdocs looks at them."""
        md.treeprocessors.register(_Links(md, self.repository), "repository_links", 10)


class _Links(Treeprocessor):
    def __init__(self, md: Markdown, repository: str | None) -> None:
        super().__init__(md)
        self.repository = repository

    def run(self, root: ElementTree.Element) -> None:
        for parent in root.iter():
            for place, link in enumerate(parent):
                path = outside(link.get("href", ""), _PAGE) if link.tag == "a" else None
                if path is None:
                    continue
                if self.repository:
                    kind = "tree" if (ROOT / path).is_dir() else "blob"
                    link.set("href", f"{self.repository.rstrip('/')}/{kind}/{BRANCH}/{path}")
                else:
                    parent[place] = _as_code(link, path)


def outside(href: str, page: str) -> str | None:
    """The path in the repository that a link of a page leads to; None where that is in the site.

    Args:
        href: as it stands in the text.
        page: the page's path in docs/.
    """
    parts = urlsplit(href)
    if parts.scheme or parts.netloc or not parts.path or parts.path.startswith("/"):
        return None
    path = posixpath.normpath(posixpath.join("docs", posixpath.dirname(page), parts.path))
    inside = path.startswith("docs/") and (ROOT / path).suffix in (".md", ".png", ".svg")
    return path if not inside and (ROOT / path).exists() else None


def _as_code(link: ElementTree.Element, path: str) -> ElementTree.Element:
    """What a link reads like without one: its text, and the path unless that is its text."""
    text = "".join(link.itertext())
    code = ElementTree.Element("code")
    code.text = path
    if text.strip("/") in (path, posixpath.basename(path)):
        code.tail = link.tail
        return code
    span = ElementTree.Element("span")
    span.text, span.tail = link.text, link.tail
    span.extend(link)
    last = span[-1] if len(span) else None
    if last is None:
        span.text = f"{span.text or ''} ("
    else:
        last.tail = f"{last.tail or ''} ("
    code.tail = ")"
    span.append(code)
    return span
