"""Examples in pages and docstrings run, and the data source of the guide keeps the contract.

Whatever the library reference documents has an example, but for what `WITHOUT` gives a reason for.

Fences `python` and `pycon` of a page run one after the other in one namespace, in an empty folder
that holds what the page speaks of (`SET_UP`). A comment before a fence, `<!-- not run: why -->`,
leaves it out.
"""

import ast
import doctest
import hashlib
import importlib
import inspect
import pkgutil
import re
from collections.abc import Callable
from inspect import isclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

from pipeline.artifacts import paths, prepared
from pipeline.datasets.source import Source
from pipeline.hml import Hierarchy, Settings, fit_members, save_bundle
from tests.datasets.contract import SourceContract
from tests.stages.problem import HIERARCHY, prepared_problem

ROOT = Path(__file__).parents[1]
PAGES = {
    path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8")
    for path in [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
}
_FENCE = re.compile(
    r"(?:<!-- not run: (?P<why>.+?) -->\n+)?^```(?P<kind>python|pycon|py)\n(?P<text>.*?)^```$",
    re.M | re.S,
)
FLAGS = doctest.ELLIPSIS


class Example(NamedTuple):
    kind: str
    text: str
    line: int
    why: str | None


def examples(text: str) -> list[Example]:
    """The fences of a page that hold Python."""
    return [
        Example(f["kind"], f["text"], text.count("\n", 0, f.start("text")) + 1, f["why"])
        for f in _FENCE.finditer(text)
    ]


def run(example: Example, names: dict[str, Any], page: str) -> None:
    """Run an example; a `pycon` has to print what it says."""
    if example.kind != "pycon":
        code = compile("\n" * (example.line - 1) + example.text, page, "exec")
        exec(code, names)
        return
    # A copy, as doctest empties what it is given; what the example defines is carried on.
    parsed = doctest.DocTestParser().get_doctest(example.text, names, page, page, example.line - 1)
    runner, said = doctest.DocTestRunner(optionflags=FLAGS), list[str]()
    runner.run(parsed, out=said.append, clear_globs=False)
    names.update(parsed.globs)
    assert runner.summarize(verbose=False).failed == 0, "".join(said)


# What a page speaks of and does not make itself -------------------------------------------------


def _trained() -> None:
    """What a run leaves of small prepared data: data/prepared and models/bundle."""
    data = prepared_problem()
    prepared.write(data)
    fitted = fit_members(
        data.features,
        data.labels,
        HIERARCHY,
        Settings(members=4, hidden=8, epochs=2),
        kinds=("network", "forest"),
        seed=0,
        rows=data.rows("train", "valid"),
    )
    save_bundle(paths.BUNDLE, fitted.ensemble())


def _library() -> dict[str, Any]:
    _trained()
    rng = np.random.default_rng(0)
    features = rng.normal(size=(40, 4)).astype(np.float32)
    closed = np.stack([np.ones(40), features[:, 0] > 0, features[:, 1] > 0.5], axis=1)
    weights = rng.uniform(0.5, 2.0, size=40)
    return {"X": features, "Y": closed.astype(int), "X_new": features[:5], "w": weights}


def _bundle() -> dict[str, Any]:
    _trained()
    from pipeline.hml import load_bundle
    from pipeline.hml.onnx_export import network_onnx

    Path("networks.onnx").write_bytes(network_onnx(load_bundle(paths.BUNDLE)))
    return {"features": prepared.read().features}


SET_UP: dict[str, Callable[[], dict[str, Any]]] = {
    "docs/library.md": _library,
    "docs/bundle.md": _bundle,
}
WITH_EXAMPLES = [page for page, text in PAGES.items() if examples(text)]


@pytest.mark.parametrize("page", WITH_EXAMPLES)
def test_the_examples_of_a_page_run(
    page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {"__name__": "example"}
    names |= SET_UP[page]() if page in SET_UP else {}
    for example in examples(PAGES[page]):
        if example.why is None:
            run(example, names, page)


def test_the_pages_that_should_have_examples_have_them():
    assert {"docs/concepts.md", "docs/library.md", "docs/bundle.md"} < {*WITH_EXAMPLES}
    assert {*SET_UP} <= {*WITH_EXAMPLES}


def test_a_fence_of_python_is_never_missed():
    for page, text in PAGES.items():
        opened = re.findall(r"^ *(?:```|~~~) *(python|pycon|py)\b", text, re.M)
        assert len(opened) == len(examples(text)), page


@pytest.mark.parametrize(
    "text", ["```pycon\n>>> 1 + 1\n3\n```\n", "```python\nraise KeyError\n```\n"]
)
def test_an_example_that_is_wrong_fails(text: str):
    (example,) = examples(text)
    with pytest.raises((AssertionError, KeyError)):
        run(example, {}, "page")


def test_an_example_is_left_out_for_a_reason_only():
    (example,) = examples("<!-- not run: needs a server -->\n\n```python\nx\n```\n")
    assert example.why == "needs a server"


# Docstrings -------------------------------------------------------------------------------------


def _with_examples(root: Path) -> dict[str, int]:
    """Modules below a package, and how many of their docstrings have an example."""
    found = dict[str, int]()
    for file in sorted(root.rglob("*.py")):
        tree = ast.parse(file.read_text(encoding="utf-8"))
        kinds = (ast.Module, ast.ClassDef, ast.FunctionDef)
        texts = [ast.get_docstring(n) or "" for n in ast.walk(tree) if isinstance(n, kinds)]
        if count := sum(">>>" in text for text in texts):
            parts = file.relative_to(root.parent).with_suffix("").parts
            found[".".join(parts).removesuffix(".__init__")] = count
    return found


MODULES = _with_examples(ROOT / "pipeline")


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_of_docstrings_run(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each by itself: a reader has the docstring alone, and not the names of its module."""
    monkeypatch.chdir(tmp_path)
    found = doctest.DocTestFinder(exclude_empty=True).find(importlib.import_module(name), globs={})
    found = [one for one in found if one.examples]
    assert len(found) == MODULES[name], "doctest does not look into each docstring"
    runner, said = doctest.DocTestRunner(optionflags=FLAGS), list[str]()
    for one in found:
        runner.run(one, out=said.append)
    assert runner.summarize(verbose=False).failed == 0, "".join(said)


def test_examples_of_docstrings_are_found(tmp_path: Path):
    (tmp_path / "package").mkdir()
    (tmp_path / "package" / "with.py").write_text(
        'def f():\n    """Two.\n\n    >>> 1 + 1\n    2\n    """\n'
    )
    (tmp_path / "package" / "without.py").write_text('def f():\n    """None."""\n')
    assert _with_examples(tmp_path / "package") == {"package.with": 1}


# What the reference documents without an example, and why.
WITHOUT = {
    "pipeline.hml.decisions.half_cuts": "its signature says it all",
}


def _documented() -> dict[str, Any]:
    """The functions and classes of the library reference, those of its modules included."""
    found = dict[str, Any]()
    for page, text in PAGES.items():
        if not page.startswith("docs/api/"):
            continue
        for name in re.findall(r"^::: (pipeline\.hml\.\S+)$", text, re.M):
            entry = pkgutil.resolve_name(name)
            if inspect.ismodule(entry):
                inside = inspect.getmembers(entry, lambda o: inspect.isroutine(o) or isclass(o))
                found |= {
                    f"{name}.{key}": value
                    for key, value in inside
                    if value.__module__ == name and not key.startswith("_")
                }
            else:
                found[name] = entry
    return found


DOCUMENTED = _documented()


def _has_example(entry: Any) -> bool:
    """In its own docstring, or in that of one of a class's public methods."""
    inside = vars(entry).items() if isclass(entry) else ()
    texts = [entry.__doc__, *(one.__doc__ for name, one in inside if not name.startswith("_"))]
    return any(">>>" in (text or "") for text in texts)


@pytest.mark.parametrize("name", DOCUMENTED)
def test_what_the_reference_documents_has_an_example(name: str):
    assert _has_example(DOCUMENTED[name]) == (name not in WITHOUT)


def test_what_the_reference_documents_is_found():
    """Names of the package, of its modules, and of what modules that are documented hold."""
    some = ("Hierarchy", "uncertainty.uncertainty", "fitting.Fitted", "metrics.Counts")
    assert {f"pipeline.hml.{name}" for name in some} <= {*DOCUMENTED}
    assert {*WITHOUT} < {*DOCUMENTED}
    assert "pipeline.hml.decisions.Hierarchy" not in DOCUMENTED  # imported there


# The data source of the guide -------------------------------------------------------------------

GUIDE = "docs/contributing.md"
(TABLE,) = re.findall(r"^```csv\n(.*?)^```$", PAGES[GUIDE], re.M | re.S)


class TestTheSourceOfTheGuide(SourceContract):
    @pytest.fixture(scope="class")
    @classmethod
    def source(cls, tmp_path_factory: pytest.TempPathFactory) -> Source:
        origin = tmp_path_factory.mktemp("birds")
        (origin / "birds.csv").write_text(TABLE, encoding="utf-8")
        names: dict[str, Any] = {"__name__": "example"}
        run(examples(PAGES[GUIDE])[0], names, GUIDE)

        class Birds(names["Birds"]):
            def origin(self) -> Path:
                return origin

        return Birds()

    def test_the_checksum_is_that_of_the_file(self, source: Source):
        assert source.files()[0].sha256 == hashlib.sha256(TABLE.encode()).hexdigest()

    def test_the_nodes_are_those_of_the_pages(self, raw):
        assert len(Hierarchy.from_edges(raw.edges).nodes) == len(raw.nodes) == 5
        assert len(raw.ids) == 10
