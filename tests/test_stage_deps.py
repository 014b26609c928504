"""DVC does not follow imports: what a stage imports must be in its deps, or changes go unseen."""

import ast
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from pipeline.__main__ import STAGES
from pipeline.config import Config

ROOT = Path(__file__).parents[1]
PACKAGES = ("pipeline", "flows")
PIPELINE: dict[str, Any] = YAML(typ="safe", pure=True).load((ROOT / "dvc.yaml").read_text())[
    "stages"
]
# Written by every run and different in each: depending on them would make everything stale.
VOLATILE = ("reports/cost.json", "reports/manifest.json", ".rarenode")


def _file(module: str) -> Path | None:
    path = ROOT.joinpath(*module.split("."))
    for candidate in (path.with_suffix(".py"), path / "__init__.py"):
        if candidate.is_file():
            return candidate
    return None


def _imports(path: Path) -> set[str]:
    """The first-party modules that a file imports, anywhere in it, with their packages."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import; write it absolute"
            found.add(node.module or "")
            found.update(f"{node.module}.{alias.name}" for alias in node.names)
    first_party = {name for name in found if name.split(".")[0] in PACKAGES}
    parents = {
        ".".join(name.split(".")[:depth])
        for name in first_party
        for depth in range(1, name.count(".") + 1)
    }
    return first_party | parents


def closure(start: Path) -> set[Path]:
    """Every first-party file that importing `start` can execute; a mere docstring does nothing."""
    seen: set[Path] = set()
    todo = [start]
    while todo:
        path = todo.pop()
        if path in seen:
            continue
        seen.add(path)
        todo += [file for module in _imports(path) if (file := _file(module))]
        # Sources are named in a table and imported by name: take all of their package.
        if path == ROOT / "pipeline/datasets/registry.py":
            todo += (ROOT / "pipeline/datasets").glob("*.py")
    return {path.relative_to(ROOT) for path in seen if _does_something(path)}


def _does_something(path: Path) -> bool:
    body = ast.parse(path.read_text(encoding="utf-8")).body
    return any(not isinstance(statement, ast.Expr) for statement in body)


def _uncovered(stage: str) -> list[str]:
    deps = [Path(dep) for dep in PIPELINE[stage]["deps"]]
    files = closure(ROOT / "pipeline" / "stages" / f"{stage}.py")
    return sorted(
        str(file) for file in files if not any(file == dep or dep in file.parents for dep in deps)
    )


def test_every_stage_is_in_the_pipeline_and_is_started_by_its_name():
    assert tuple(PIPELINE) == STAGES
    assert [entry["cmd"] for entry in PIPELINE.values()] == [
        f"python -m pipeline {stage}" for stage in STAGES
    ]


@pytest.mark.parametrize("stage", STAGES)
def test_deps_cover_every_file_that_the_stage_imports(stage: str):
    assert _uncovered(stage) == []


def test_missing_dep_is_found(monkeypatch: pytest.MonkeyPatch):
    deps = [dep for dep in PIPELINE["fetch"]["deps"] if dep != "pipeline/errors.py"]
    monkeypatch.setitem(PIPELINE["fetch"], "deps", deps)
    assert _uncovered("fetch") == ["pipeline/errors.py"]


@pytest.mark.parametrize("stage", STAGES)
def test_parameters_that_the_stage_reads_are_declared(stage: str):
    tree = ast.parse((ROOT / "pipeline" / "stages" / f"{stage}.py").read_text(encoding="utf-8"))
    read = {
        node.attr.rstrip("_")
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and node.value.id == "config"
    }
    sections = {field.alias or name for name, field in Config.model_fields.items()}
    assert read & sections <= set(PIPELINE[stage].get("params", []))


@pytest.mark.parametrize("stage", STAGES)
def test_nothing_that_differs_from_run_to_run_is_a_dep_and_no_stage_always_runs(stage: str):
    entry = PIPELINE[stage]
    assert not {"frozen", "always_changed"} & set(entry)
    for path in (Path(item) for item in entry["deps"]):
        assert not any(Path(name) == path or path in Path(name).parents for name in VOLATILE)


def test_validation_runs_again_when_other_data_are_accepted_or_its_page_changes():
    assert {"data/accepted.json", "pipeline/reporting/templates"} <= {*PIPELINE["validate"]["deps"]}


def test_validation_gates_whatever_uses_the_data():
    for stage in ("analyze", "tune"):
        assert "reports/validation/passed.json" in PIPELINE[stage]["deps"]
    assert PIPELINE["validate"]["outs"] == ["reports/validation"]
