"""How soon the report of 5,000 nodes is seen, and how soon it answers, in Debian's Chromium."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import chdir
from pathlib import Path

from benchmarks.speed.bounds import Bound
from pipeline.reporting import page, sources
from tests.reporting import sample

_NODES = 5000
_FIRST_PAINT, _ANSWER = 1.5, 0.15  # seconds
_LARGEST = 6.0  # MB
_TIMES = 3  # each action; the slowest counts
# Every action as a person does it; an answer is there when the next picture is.
_ACTIONS = """async (times) => {
  const $ = (id) => document.getElementById(id);
  const painted = () => new Promise((done) => requestAnimationFrame(() => setTimeout(done)));
  const canvas = $("explorer-icicle");
  const box = canvas.getBoundingClientRect();
  const mouse = (kind, x) => canvas.dispatchEvent(new MouseEvent(
    kind, { clientX: box.left + box.width * x, clientY: box.top + 50, bubbles: true }));
  const type = (id, text) => {
    $(id).value = text;
    $(id).dispatchEvent(new Event("input", { bubbles: true }));
  };
  const sort = (at) => document.querySelectorAll("#node-table thead button")[at].click();
  const colour = (at) => {
    $("explorer-colour").selectedIndex = at;
    $("explorer-colour").dispatchEvent(new Event("change"));
  };
  const actions = {
    "point at a node": (n) => mouse("mousemove", n / 10 + 0.1),
    "look at a node": (n) => mouse("click", n / 10 + 0.1),
    "show the whole hierarchy": () => $("explorer-whole").click(),
    "colour by another figure": (n) => colour(n % 3),
    "find a node": (n) => type("explorer-search", "lens".slice(0, n + 1)),
    "filter the table": (n) => type("node-search", "lens".slice(0, n + 1)),
    "sort the table": (n) => sort([3, 1, 0][n]),
    "clear the filter": () => type("node-search", ""),
    "show all rows": () => $("node-more").click(),
    "sort all rows": (n) => sort([1, 3, 6][n]),
    "filter all rows": (n) => type("node-search", "lens".slice(0, n + 1)),
  };
  const took = {};
  for (const [name, action] of Object.entries(actions)) {
    took[name] = 0;
    for (let n = 0; n < times; n++) {
      await painted();
      const start = performance.now();
      action(n);
      await painted();
      took[name] = Math.max(took[name], (performance.now() - start) / 1000);
    }
  }
  return took;
}"""
_PAINT = "performance.getEntriesByName('first-contentful-paint')"


def measure() -> Iterator[Bound]:
    """Size, first paint and the slowest action of a made-up report."""
    from playwright.sync_api import sync_playwright

    program = shutil.which("chromium")
    if program is None:
        raise SystemExit("expected chromium, found none: tests/services/install installs it")
    with tempfile.TemporaryDirectory() as temporary, sync_playwright() as playwright:
        folder = Path(temporary).resolve()
        with chdir(folder):
            sample.write(folder, nodes=_NODES)
            text = page.render(sources.read())
        report = folder / "report.html"
        report.write_text(text, encoding="utf-8")
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        tab = browser.new_page(viewport={"width": 1400, "height": 1000})
        tab.goto(report.as_uri())
        tab.wait_for_function(f"{_PAINT}.length")
        paint = tab.evaluate(f"{_PAINT}[0].startTime") / 1000
        took = tab.evaluate(_ACTIONS, _TIMES)
        browser.close()
        size = os.path.getsize(report) / 1e6
    slowest = max(took, key=took.get)
    yield Bound(f"report of {_NODES:,} nodes, size", size, _LARGEST, "below", unit="MB", detail="")
    yield Bound(
        f"report of {_NODES:,} nodes, first paint",
        paint,
        _FIRST_PAINT,
        "below",
        unit="s",
        detail="",
    )
    yield Bound(
        f"report of {_NODES:,} nodes, slowest answer",
        took[slowest],
        _ANSWER,
        "below",
        unit="s",
        detail="; ".join(f"{name} {value:.3f} s" for name, value in took.items()),
    )
