"""`python -m benchmarks.pixels --from DIR`: measure, and write results.json for docs/images.md.

The point of reference of that page, by scikit-learn alone: none of the pipeline's training is in
it. It takes a minute or two.
"""

import argparse
import json
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score, pairwise_distances_argmin_min

from benchmarks.speed import machine
from pipeline.datasets import fashion_mnist, idx, registry
from pipeline.datasets.source import RawDataset
from pipeline.hml import Hierarchy

RESULTS = Path(__file__).with_name("results.json")
C = 0.1  # of the regressions
ITERATIONS = 2000  # at most; none needs as many
NEAREST = 3  # so many of the test examples that are nearest to a training example are written down


def main() -> None:
    """Measure all of it."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.pixels")
    parser.add_argument("--from", dest="origin", metavar="DIR", help="a folder with the files")
    origin = parser.parse_args().origin
    source = registry.get("fashion_mnist")
    with tempfile.TemporaryDirectory() as folder:
        source.fetch(Path(folder), origin)
        raw, published = source.read(Path(folder)), _published(Path(folder))
    found: dict[str, Any] = {"machine": machine.where(), "c": C, "published": published}
    x, train, leaves = _examples(raw)
    found["nearest"] = _nearest(x[train], x[~train], leaves[~train])
    found["ap"] = dict(_ap(raw, x, train, leaves))
    RESULTS.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    print(RESULTS.read_text(encoding="utf-8"), end="")


def _published(folder: Path) -> dict[str, Any]:
    """What the files hold: images, their side, and how many are there again, to the byte."""
    images = {
        split: idx.read(folder / f"{prefix}-images-idx3-ubyte.gz", 3)
        for split, prefix in fashion_mnist.PREFIXES.items()
    }
    every = [image.tobytes() for part in images.values() for image in part]
    return {
        "images": {split: len(part) for split, part in images.items()},
        "side": next(iter(images.values())).shape[1],
        "again": len(every) - len({*every}),
    }


def _examples(raw: RawDataset) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Pixels from 0 to 1 (example, pixel), who is of the training file, and each one's category."""
    assert raw.images is not None
    assert raw.splits is not None
    pixels = np.asarray(raw.images.pixels)
    x = (pixels.reshape(len(pixels), -1) / 255).astype(np.float32)
    leaves = np.array([label for (label,) in raw.labels])
    return x, np.array([split != "test" for split in raw.splits]), leaves


def _nearest(train: np.ndarray, test: np.ndarray, leaves: np.ndarray) -> list[dict[str, Any]]:
    """Test examples with the smallest root of a mean squared difference to a training example."""
    _, apart = pairwise_distances_argmin_min(test.astype(float), train.astype(float))
    apart /= np.sqrt(test.shape[1])
    return [
        {"category": str(leaves[row]), "apart": round(float(apart[row]), 5)}
        for row in np.argsort(apart)[:NEAREST]
    ]


def _ap(
    raw: RawDataset, x: np.ndarray, train: np.ndarray, leaves: np.ndarray
) -> Iterator[tuple[str, dict[str, float]]]:
    """Average precision of each scored node on the test file: a model of its own, one of all."""
    hierarchy = Hierarchy.from_edges(raw.edges)
    together = _fitted(x[train], leaves[train])
    shares = together.predict_proba(x[~train])
    for node in raw.nodes:
        if node in raw.unscored:
            continue
        below = hierarchy.descendants(node)
        y = np.isin(leaves, [*below])
        alone = _fitted(x[train], y[train]).predict_proba(x[~train])[:, 1]
        of_all = shares[:, [name in below for name in together.classes_]].sum(axis=1)
        yield (
            node,
            {
                "one_per_node": round(float(average_precision_score(y[~train], alone)), 4),
                "of_categories": round(float(average_precision_score(y[~train], of_all)), 4),
            },
        )


def _fitted(x: np.ndarray, y: np.ndarray) -> LogisticRegression:
    model = LogisticRegression(C=C, max_iter=ITERATIONS).fit(x, y)
    assert max(model.n_iter_) < ITERATIONS
    return model


if __name__ == "__main__":
    main()
