"""Images of the rarest nodes: which of the test examples were found, missed and wrongly found."""

import base64
import io
from typing import Any

import numpy as np

from pipeline.hml import Ensemble
from pipeline.stages.learning import Problem

SCHEMA = 1
NODES = 12  # the rarest ones with a test positive
SHOWN = 8  # of each sort
_SIDE = 64  # pixels of a picture in the page, at most


class Gallery:
    """Keeps what was predicted of the rarest nodes while predictions of the test split pass.

    Args:
        ensemble: decides by `tuned` where it has that rule, else by `half`.
        problem: with images.
        support: (node,) positives in train+valid.
    """

    def __init__(self, ensemble: Ensemble, problem: Problem, support: np.ndarray) -> None:
        self._ensemble, self._problem, self._support = ensemble, problem, support
        self._rule = "tuned" if "tuned" in ensemble.cuts else "half"
        positives = problem.labels[problem.data.rows("test")].sum(axis=0, dtype=np.int64)
        asked = np.flatnonzero(problem.scored & (positives > 0))
        self._chosen = asked[np.argsort(support[asked], kind="stable")][:NODES]
        self._p = np.empty((len(problem.data.rows("test")), len(self._chosen)), np.float32)
        self._decided = np.empty(self._p.shape, np.bool_)

    def add(self, rows: slice, p: np.ndarray) -> None:
        """Keep a block of probabilities (example, node)."""
        self._p[rows] = p[:, self._chosen]
        self._decided[rows] = self._ensemble.decide(p, self._rule)[:, self._chosen]

    def result(self) -> dict[str, Any]:
        """What images.json says: the nodes, rarest first, and of each what became of it.

        Of what was found the most probable ones are shown, of what was missed the least probable,
        of what was wrongly found the most probable, with the labels that they have.
        """
        problem, test = self._problem, self._problem.data.rows("test")
        p, decided = self._p, self._decided
        truth = problem.labels[test][:, self._chosen].toarray()
        known = np.ones(truth.shape, np.bool_)
        if problem.unknown is not None:
            known = ~problem.unknown[test][:, self._chosen].toarray()
        nodes: list[dict[str, Any]] = []
        for place, node in enumerate(self._chosen):
            sorts = {
                "found": (truth[:, place] & decided[:, place], -1),
                "missed": (truth[:, place] & ~decided[:, place], 1),
                "wrong": (~truth[:, place] & decided[:, place] & known[:, place], -1),
            }
            described, support = problem.data.nodes.iloc[int(node)], int(self._support[node])
            nodes.append(
                {"id": described["id"], "name": described["name"], "support": support}
                | {
                    sort: _some(problem, test, p[:, place], rows, sign)
                    for sort, (rows, sign) in sorts.items()
                }
            )
        return {"schema": SCHEMA, "rule": self._rule, "nodes": nodes}


def _some(
    problem: Problem, test: np.ndarray, p: np.ndarray, rows: np.ndarray, sign: int
) -> dict[str, Any]:
    """How many there are, and the first few of them by probability."""
    images = problem.data.images
    assert images is not None
    there = np.flatnonzero(rows)
    first = there[np.argsort(sign * p[there], kind="stable")][:SHOWN]
    return {
        "total": len(there),
        "examples": [
            {
                "name": str(images.files["name"].iloc[int(test[row])]),
                "p": float(f"{p[row]:.3g}"),
                "labels": _labels(problem, int(test[row])),
                "png": _png(images.pixels[test[row]]),
            }
            for row in first
        ],
    }


def _labels(problem: Problem, example: int) -> list[str]:
    """The names of the most specific nodes of an example."""
    specific = problem.data.labels[[example]].indices
    return [str(name) for name in problem.data.nodes["name"].iloc[np.sort(specific)]]


def _png(pixels: np.ndarray) -> str:
    """A small picture of (size, size, channel) uint8, in base64."""
    from PIL import Image

    picture = Image.fromarray(np.asarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels))
    picture.thumbnail((_SIDE, _SIDE))
    stream = io.BytesIO()
    picture.save(stream, "PNG", optimize=True)
    return base64.b64encode(stream.getvalue()).decode()
