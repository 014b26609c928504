"""data/prepared -> reports/validation: the prepared tables are judged and held against drift.

An error stops the pipeline, a warning is reported; either way there are validation.json, the page
validation.html and, if the tables fit together, profile.json. passed.json says nothing else: later
stages depend on it alone, so that new findings do not make them run again.
"""

from pathlib import Path
from typing import Any

from pipeline import progress
from pipeline.artifacts import files, paths, prepared, validated
from pipeline.artifacts.prepared import Prepared
from pipeline.config import Config
from pipeline.errors import ValidationError
from pipeline.reporting import validation as page
from pipeline.validation import copies, drift, facts, leaks, pictures, profile, spellings
from pipeline.validation.drift import Drift
from pipeline.validation.judge import judge
from pipeline.validation.listing import listing
from pipeline.validation.suite import suite

_PAGE = paths.VALIDATION / "validation.html"


def run(config: Config) -> list[Path]:
    """Judge the prepared data.

    Raises:
        ValidationError: names each broken expectation, what was found and up to 5 offenders. The
            report is written all the same.
        ArtifactError: the prepared data or the accepted profile are missing or damaged.
    """
    accepted = validated.read_accepted()
    data = prepared.read()
    tables = {"shapes": facts.shapes(data)}
    findings = judge(tables, [e for e in suite(config) if e.table == "shapes"])
    described, compared = None, Drift("the tables do not fit together")
    if findings[0]["success"]:  # else nothing else can be worked out
        comparable = pictures.measured(data)
        described = profile.profile(comparable, validated.prepared_sha256())
        compared = _compare(config, accepted, described, comparable)
        tables |= _facts(data, comparable) | compared.tables()
        pictured = data.images is not None
        expectations = suite(config, compared=compared.nothing is None, pictured=pictured)
        findings += judge(tables, [e for e in expectations if e.table != "shapes"])
    broken = [f for f in findings if not f["success"] and f["severity"] == "error"]
    report = {
        "schema": validated.SCHEMA,
        "passed": not broken,
        "dataset": data.info.get("name"),
        **({} if data.unknown is None else {"unknown": data.unknown.nnz}),
        "expectations": findings,
        **listing(tables, compared),
    }
    _write(report, described)
    if broken:
        raise ValidationError(_message(broken))
    if warnings := [f["name"] for f in findings if not f["success"]]:
        s = "s" if len(warnings) > 1 else ""
        progress.note(f"{len(warnings)} warning{s} in {_PAGE}: {', '.join(warnings)}")
    return [paths.VALIDATION]


def _compare(
    config: Config, accepted: dict[str, Any], described: dict[str, Any], data: Prepared
) -> Drift:
    if config.validate_.drift == "ignore":
        return Drift("validate.drift is `ignore`")
    return drift.compare(accepted, described, data)


def _facts(data: Prepared, comparable: Prepared) -> dict[str, Any]:
    return {
        "splits": facts.splits(data),
        "examples": facts.examples(data),
        "groups": facts.groups(data),
        "copies": copies.copies(data),
        **({} if data.images is None else {"pictures": pictures.pictures(data)}),
        "nodes": facts.nodes(data),
        "spellings": spellings.spellings(data),
        "edges": facts.edges(data),
        "features": facts.features(data),
        # A feature that an encoder has learnt from labels is no leak, an image's size may be one.
        "leaks": leaks.leaks(comparable),
    }


def _write(report: dict[str, Any], described: dict[str, Any] | None) -> None:
    with files.whole_folder(paths.VALIDATION) as folder:
        files.write_json(folder / "validation.json", report)
        files.write_json(folder / "passed.json", {"schema": 1, "passed": report["passed"]})
        (folder / _PAGE.name).write_text(page.render(report, described), encoding="utf-8")
        if described is not None:
            files.write_json(folder / paths.PROFILE.name, described)


def _message(broken: list[dict[str, Any]]) -> str:
    lines = [
        f"{f['name']}: expected {f['expected']}, found {f['observed']}, such as "
        + ", ".join(f["offenders"])
        for f in broken
    ]
    head, foot = f"{paths.PREPARED} does not meet expectations:", f"All of it: {_PAGE}"
    return "\n  ".join([head, *lines]) + f"\n{foot}"
