"""From training data to an ensemble with honest cuts."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy import sparse

from pipeline.hml import example_weights
from pipeline.hml import unknown as unknown_labels
from pipeline.hml.calibration import Calibration, Noise, Scores, fit_calibration
from pipeline.hml.checkpoint import Keeper
from pipeline.hml.decisions import budget_cuts, half_cuts, prior_matched_cuts_streamed
from pipeline.hml.ensemble import WORK, Combination, Ensemble
from pipeline.hml.folds import folds, learners
from pipeline.hml.hierarchy import Hierarchy
from pipeline.hml.learning import LEARN, Problem
from pipeline.hml.members import Members
from pipeline.hml.mixing import fit_weights, mixed
from pipeline.hml.pools import pools_of
from pipeline.hml.predictions import BLOCK, KEPT, Predictions
from pipeline.hml.preprocessing import Standardizer
from pipeline.hml.training import EpochEnd, Settings, Training
from pipeline.hml.tuned import tuned_cuts
from pipeline.hml.unknown import checked

Elsewhere = Callable[[Problem, Sequence[str]], dict[str, Members]]
Pair = Float[np.ndarray, "2 example node"]


def fit_members(
    features: Float[np.ndarray, "example feature"],
    labels: sparse.csr_array,
    hierarchy: Hierarchy,
    settings: Settings,
    *,
    kinds: Sequence[str] = ("network",),
    cross_fit: bool = True,
    groups: Any = None,
    sample_weight: Any = None,
    unknown: Any = None,
    seed: int,
    rows: Int[np.ndarray, " row"] | None = None,
    judged: Bool[np.ndarray, " row"] | None = None,
    scored: np.ndarray | None = None,
    on_epoch: EpochEnd | None = None,
    keeper: Keeper | None = None,
    elsewhere: Elsewhere | None = None,
) -> "Fitted":
    """Fit the members of each kind; `Fitted.ensemble` makes an ensemble of them.

    Scores of examples that a member learnt from are too extreme to place a cut by. So each example
    is left out by two members of each kind (see `folds`), whose scores are honest; nothing is
    trained twice.

    Args:
        features: (example, feature) float32, NaN where missing; may be memory-mapped.
        labels: (example, node) boolean CSR; most specific nodes suffice.
        hierarchy: of these nodes.
        settings: of the networks; each kind has as many members.
        kinds: names, see `members`.
        cross_fit: whether examples are left out; without, there is nothing to place cuts or to
            combine kinds by.
        groups: (row,) what belongs together is left out together; None keeps no two together.
        sample_weight: (row,) what each example counts, as so many copies of it would that belong
            to one group (see `example_weights`); one of weight 0 is left out altogether, of what
            the result says of rows, too. None is 1.
        unknown: sparse (example, node) zeros and ones, the labels that are unknown; see `unknown`.
            None: everything is known.
        seed: of everything.
        rows: (row,) the examples that are learnt from; None is all.
        judged: (row,) which of them cuts are placed and kinds are combined by; None is all. Where
            the features come from an encoder that learnt from labels, the scores of those examples
            are too extreme whoever leaves them out; the others are to be judged alone.
        scored: (node,) bool, the nodes that count; None is all.
        on_epoch: see `train`.
        keeper: see `train`; the other kinds are fitted anew, which takes less.
        elsewhere: learns the members in the place of this process, of which `on_epoch` hears
            nothing.

    Raises:
        ValueError: a kind is unknown or comes twice, there are too few members or examples, several
            kinds without `cross_fit`, a weight is no finite number of at least 0, all together
            they say that there are fewer examples than folds, unknown labels are at odds with the
            others, none of the judged examples is left, or `train` refuses its input.

    Examples:
        Labels that have nothing to do with the features. What the members learnt from looks as if
        they knew it; what they left out shows that they do not, and cuts are placed by that:

        >>> import numpy as np
        >>> from scipy import sparse
        >>> from pipeline.hml import Hierarchy, Settings, fit_members, metrics
        >>> hierarchy = Hierarchy.from_edges([], nodes=["cat", "dog"])
        >>> rng = np.random.default_rng(0)
        >>> x, y = rng.normal(size=(40, 2)).astype(np.float32), rng.random((40, 2)) < 0.25
        >>> fitting = {"settings": Settings(members=4), "kinds": ("kernel",), "seed": 0}
        >>> fitted = fit_members(x, sparse.csr_array(y), hierarchy, **fitting)
        >>> ((_, held_out),) = fitted.held_out()
        >>> for p in (fitted.ensemble().predict_proba(x), held_out):
        ...     print(round(metrics.micro_average_precision(y, p), 1))
        0.9
        0.2
    """
    strange = {*kinds} - {*LEARN}
    if not kinds or strange or len({*kinds}) < len(kinds):
        raise ValueError(f"kinds must be some of {', '.join(LEARN)}, each once. Got {kinds}")
    if not cross_fit and [*kinds] != ["network"]:
        raise ValueError(f"kinds must be network alone where nothing is left out. Got {kinds}")
    rows = np.arange(len(features)) if rows is None else rows
    fewest = settings.members if cross_fit else 1
    if judged is not None and judged.shape != rows.shape:
        raise ValueError(f"judged must have shape {rows.shape}. Got {judged.shape}")
    rows, groups, weight, judged = _that_count(rows, groups, sample_weight, judged, fewest)
    closed = sparse.csr_array(hierarchy.close(sparse.csr_array(labels)[rows])).astype(np.bool_)
    given = None if unknown is None else sparse.csr_array(unknown)
    if given is not None and given.shape != labels.shape:
        raise ValueError(f"unknown must have shape {labels.shape}. Got {given.shape}")
    hidden = None if given is None else checked(given[rows], closed, hierarchy)
    fold = learns = None
    if cross_fit:
        fold = folds(closed, settings.members, groups=groups, weight=weight, seed=seed)
        learns = learners(fold, settings.members)
    problem = Problem(
        features=features,
        rows=rows,
        labels=labels,
        closed=closed,
        hierarchy=hierarchy,
        settings=settings,
        learns=learns,
        preprocessing=Standardizer.fit(features, rows, weight=weight),
        scored=scored,
        weight=weight,
        unknown=hidden,
        seed=seed,
    )
    if elsewhere is not None:
        members = elsewhere(problem, kinds)
    else:
        members = {kind: LEARN[kind](problem, on_epoch, keeper) for kind in kinds}
    if judged is None or fold is None:
        return Fitted(problem, problem, members, fold)
    return Fitted(problem, _part(problem, judged), members, fold[judged])


def _for_all(tuned: np.ndarray, matched: np.ndarray, share: np.ndarray) -> np.ndarray:
    """Cuts of nodes with positives to learn from, none of which is among the judged examples.

    By what they have no F-measure is known: they are predicted as often as they occur, and at 1/2
    where that is less than once among the judged.
    """
    lost = np.isinf(tuned) & (share > 0)
    return np.where(lost, np.where(np.isfinite(matched), matched, 0.5), tuned)


def _part(problem: Problem, judged: np.ndarray) -> Problem:
    """The problem of some of its rows, for what is fitted to scores."""
    return replace(
        problem,
        rows=problem.rows[judged],
        closed=sparse.csr_array(problem.closed[judged]),
        learns=None if problem.learns is None else problem.learns[:, judged],
        weight=None if problem.weight is None else problem.weight[judged],
        unknown=None if problem.unknown is None else sparse.csr_array(problem.unknown[judged]),
    )


def _that_count(
    rows: np.ndarray, groups: Any, sample_weight: Any, judged: np.ndarray | None, fewest: int
) -> tuple[np.ndarray, Any, np.ndarray | None, np.ndarray | None]:
    """Rows with a weight, their groups, weights (None where each counts 1), and the judged ones."""
    if judged is not None and not judged.any():
        raise ValueError("judged must hold an example. Got none")
    if sample_weight is None:
        return rows, groups, None, judged
    weight = example_weights.checked(sample_weight, len(rows))
    if weight.sum() < fewest:
        raise ValueError(
            f"sample_weight must sum to at least {fewest}, as many examples as there are folds: "
            f"what weighs w counts as w examples. Got {weight.sum():g}"
        )
    counts = weight > 0
    if groups is not None:
        given = np.asarray(groups)
        if given.shape != rows.shape:
            raise ValueError(f"groups must have shape {rows.shape}. Got {given.shape}")
        groups = given[counts]
    weight = weight[counts]
    if judged is not None and not (judged := judged[counts]).any():
        raise ValueError("judged must hold an example of a weight above 0. Got none")
    return rows[counts], groups, None if (weight == 1).all() else weight, judged


@dataclass(frozen=True)
class Fitted:
    """Members that know which training examples each of them left out.

    Attributes:
        members: kind -> its members.
        fold: (judged row,) see `folds`; None where nothing was left out.
    """

    _problem: Problem
    _judged: Problem  # of the examples whose scores are looked at
    members: dict[str, Members]
    fold: np.ndarray | None
    _kept: dict[tuple[str, int], Pair] = field(default_factory=dict)
    _combined: dict[tuple[str, ...], tuple[Combination | None, Predictions]] = field(
        default_factory=dict
    )

    @property
    def settings(self) -> Settings:
        """Of the networks."""
        return self._problem.settings

    @property
    def hierarchy(self) -> Hierarchy:
        """Of the nodes."""
        return self._problem.hierarchy

    def ensemble(
        self,
        kinds: Sequence[str] | None = None,
        *,
        beta: float = 1.0,
        budget: float | None = None,
    ) -> Ensemble:
        """The ensemble of some kinds, with the cuts and the combination of out-of-fold scores.

        Args:
            kinds: names; None is all. One kind alone is left as it is: the mean of its members.
            beta: of the rule `tuned`: recall counts beta times as much as precision.
            budget: of the rule `budget`: how often a node reaches its cut in 1,000 examples; None
                leaves the rule out.

        Examples:
            One fit gives ensembles of each of its kinds and of all together:

            >>> import numpy as np
            >>> from scipy import sparse
            >>> from pipeline.hml import Hierarchy, Settings, fit_members
            >>> hierarchy = Hierarchy.from_edges([], nodes=["cat", "dog"])
            >>> x = np.random.default_rng(0).normal(size=(40, 2)).astype(np.float32)
            >>> labels, settings = sparse.csr_array(x > 1), Settings(members=4)
            >>> kinds = ("kernel", "neighbours")
            >>> fitted = fit_members(x, labels, hierarchy, settings, kinds=kinds, seed=0)
            >>> for ensemble in (fitted.ensemble(), fitted.ensemble(["kernel"], budget=50.0)):
            ...     print([*ensemble.members], [*ensemble.cuts])
            ['kernel', 'neighbours'] ['half', 'prior_matched', 'tuned']
            ['kernel'] ['half', 'prior_matched', 'tuned', 'budget']
        """
        problem = self._problem
        chosen = {kind: self.members[kind] for kind in (self.members if kinds is None else kinds)}
        weight, unknown = problem.weight, problem.unknown
        share = unknown_labels.known_share(problem.closed, unknown, problem.hierarchy, weight)
        cuts = {"half": half_cuts(len(problem.hierarchy))}
        combination = None
        if self.fold is not None:
            combination, predictions = self._combine(tuple(chosen))
            looked_at = self._judged
            weight, unknown, count = looked_at.weight, looked_at.unknown, len(looked_at.rows)
            blocks = (predictions.hidden(*block) for block in predictions)
            known = unknown_labels.known(looked_at.closed, unknown, weight)
            cuts["prior_matched"] = prior_matched_cuts_streamed(
                blocks, count, share, weight=weight, known=known
            )
            cuts["tuned"] = tuned_cuts(predictions, beta=beta, weight=weight)
            if looked_at is not problem:
                cuts["tuned"] = _for_all(cuts["tuned"], cuts["prior_matched"], share)
            # A node that every example has, such as a root, is left to no last digit of a score.
            always = problem.closed.sum(0) == problem.closed.shape[0]
            for rule in ("prior_matched", "tuned"):
                cuts[rule] = np.where(always, 0.0, cuts[rule])
            if budget is not None:
                blocks = (p for _, p in predictions)
                cuts["budget"] = budget_cuts(
                    blocks, count, budget, per=1000, nodes=len(share), weight=weight
                )
        return Ensemble(problem.hierarchy, problem.preprocessing, chosen, share, cuts, combination)

    def held_out(self, kinds: Sequence[str] | None = None) -> Predictions:
        """Probabilities of the training examples by members that did not learn from them.

        They are spread as those of all members are on new examples: what cuts are placed by.

        Args:
            kinds: names; None is all.

        Raises:
            ValueError: nothing was left out.
        """
        if self.fold is None:
            raise ValueError("there are held-out predictions only with cross_fit")
        return self._combine(tuple(self.members if kinds is None else kinds))[1]

    def training(self) -> Training:
        """A training as the networks had it, from its start."""
        problem = self._problem
        return Training(
            problem.features,
            problem.labels,
            problem.hierarchy,
            problem.settings,
            seed=problem.seed,
            rows=problem.rows,
            learns=problem.learns,
            preprocessing=problem.preprocessing,
            scored=problem.scored,
            unknown=problem.unknown,
            weight=problem.weight,
        )

    def _combine(self, chosen: tuple[str, ...]) -> tuple[Combination | None, Predictions]:
        """The combination of kinds and what `held_out` gives; the latest is kept."""
        if chosen not in self._combined:
            combination, held_out = self._fit_combination([*chosen])
            self._combined.clear()
            problem = self._judged
            predictions = Predictions(problem.closed, held_out, unknown=problem.unknown)
            self._combined[chosen] = combination, predictions
        return self._combined[chosen]

    def _fit_combination(
        self, kinds: list[str]
    ) -> tuple[Combination | None, Callable[[slice], np.ndarray]]:
        problem, nodes = self._judged, len(self._judged.hierarchy)
        labels, counts = problem.closed, problem.weight
        fit: dict[str, Any] = {"weight": counts, "unknown": problem.unknown, "seed": problem.seed}
        scored = np.ones(nodes, bool) if problem.scored is None else problem.scored
        weight = np.ones((len(kinds), nodes))
        if len(kinds) > 1:
            means = ((rows, [pair.mean(0) for pair in pairs]) for rows, pairs in self._pairs(kinds))
            weight = fit_weights(means, labels, kinds=len(kinds), scored=scored, **fit)

        def score(pairs: list[Pair], of: int | None = None) -> np.ndarray:
            """Of both members together, or of one."""
            return mixed(weight, [pair.mean(0) if of is None else pair[of] for pair in pairs])

        each = ((score(p), score(p, 0), score(p, 1)) for _, p in self._pairs(kinds))
        # Networks learn nothing of nodes that do not count: their noise is no other node's.
        pool = np.where(scored, pools_of(labels, counts), -1)
        noise = Noise.of(each, pool, problem.settings.members, counts)
        calibration = Calibration.none(nodes)
        if len(kinds) > 1:

            def worth() -> Scores:
                return ((rows, noise.as_worth(score(pairs))) for rows, pairs in self._pairs(kinds))

            calibration = fit_calibration(worth, labels, scored=scored, **fit)
        combination = Combination(weight, calibration)

        def held_out(rows: slice) -> np.ndarray:
            scores = noise.as_of_all(score(self._pair(kinds, rows)))
            return combination.calibrated(scores, problem.hierarchy)

        return combination if len(kinds) > 1 else None, held_out

    def _pairs(self, kinds: list[str]) -> Iterator[tuple[slice, list[Pair]]]:
        """Ranges of examples and, of each kind, what both members say that left them out."""
        examples, nodes = self._judged.closed.shape
        size = max(1, BLOCK // nodes)
        for first in range(0, examples, size):
            rows = slice(first, min(first + size, examples))
            yield rows, self._pair(kinds, rows)

    def _pair(self, kinds: list[str], rows: slice) -> list[Pair]:
        assert self.fold is not None
        missing = [kind for kind in kinds if (kind, rows.start) not in self._kept]
        found = {kind: self._kept[kind, rows.start] for kind in kinds if kind not in missing}
        if missing:
            x, fold = self._judged.standardised(rows), self.fold[rows]
            numbers = np.arange(self._judged.settings.members)[:, None]
            # Member h leaves out the folds h and h + 1.
            shares = np.stack([numbers == (fold - i) % len(numbers) for i in (0, 1)]).astype(float)
            examples, nodes = self._judged.closed.shape
            for kind in missing:
                members = self.members[kind]
                pair = np.empty((2, len(x), nodes), dtype=np.float32)
                size = max(1, WORK // max(x.shape[1], members.width))
                for first in range(0, len(x), size):
                    part = slice(first, first + size)
                    pair[:, part] = members.means(x[part], shares[:, :, part])
                found[kind] = pair
                if 2 * len(self.members) * examples * nodes <= KEPT:
                    self._kept[kind, rows.start] = found[kind]
        return [found[kind] for kind in kinds]
