"""Limits and figures of docs/validation.md."""

from collections.abc import Iterator

import numpy as np
from scipy import stats

from pipeline.artifacts import validated
from pipeline.validation import drift, judge, leaks, listing, profile
from tests.numbers.claims import WORDS, Said, claim, found, refused, says
from tests.validation.test_benchmarks import BY, COPIES, STRONGEST

VALIDATION = "docs/validation.md"
MINUS = "\N{MINUS SIGN}"


@claim
def files_and_findings() -> Iterator[Said]:
    yield says(
        VALIDATION,
        f"(schema {validated.SCHEMA}). Lists hold at most {listing.LISTED} entries each",
        f"ends with exit code {refused()} and names up to {WORDS[judge.SHOWN]} offenders",
        f"It refuses (exit code {refused()}) where",
        f"of the {profile.REMEMBERED:,} smallest hashes where there are more",
    )


@claim
def leaks_and_copies_of_the_benchmarks() -> Iterator[Said]:
    """test_benchmarks.py finds them in the published files.

    Where RARENODE_HMC_DIR does not name them it is skipped, and its `STRONGEST` and `COPIES` are
    trusted here.
    """
    strongest = [
        f'{ap} (the word "{BY[name]}")' if name in BY else f"{ap}" for name, ap in STRONGEST.items()
    ]
    first, *others = [f"`{name}` {ap}" for name, ap in zip(STRONGEST, strongest, strict=True)]
    yield says(
        VALIDATION,
        f"an average precision (AP) of {leaks.TOLD} or more",
        f"the strongest feature of {first.replace(' ', ' reaches ')}, of {', of '.join(others)}.",
        f"with at least {leaks.FEWEST} examples on either",
        f"several nodes at once below {leaks.TOLD} each are not seen",
    )
    (pairs, alike), (groups, _) = COPIES["imclef07d"], COPIES["enron"]
    assert alike
    yield says(
        VALIDATION,
        f"`imclef07d` has {WORDS[pairs]} such pairs, with equal labels, and `enron` "
        f"{WORDS[groups]} groups",
    )


@claim
def limits_of_drift() -> Iterator[Said]:
    assert drift.ROOM == 0.5
    assert round(1 / drift._ALPHA) == 100
    yield says(
        VALIDATION,
        "by more than half of its width",
        f"missing values changed by more than {drift.MISSING}, and by more than chance",
        f"population stability index (PSI) above {drift.MUCH}, and above what chance explains",
        f"stable up to {drift.SOME}, as some change up to {drift.MUCH}, as much beyond (Siddiqi",
        f"that exceeds {drift.MUCH}, it is the limit",
        f"two-sided p lies below {drift._ALPHA} divided by the number of nodes, so that of data "
        "that did not change one in a hundred has a false alarm",
    )


@claim
def the_population_stability_index() -> Iterator[Said]:
    was, now = np.array([0, 3, 9]), np.array([2, 2, 4])
    p, q = ((counts + 0.5) / (counts + 0.5).sum() for counts in (was, now))
    np.testing.assert_allclose(drift.psi(was, now), ((p - q) * np.log(p / q)).sum())
    tenths = found(r"np\.arange\((\d+), (\d+)\) \+ 9\) // 10", "pipeline/validation/profile.py")
    bins = len(range(*map(int, tenths.groups()))) + 1
    of_chance = 40.0
    limit = drift.psi_limit(50, 80, bins, float(stats.chi2.sf(of_chance, bins - 1)))
    np.testing.assert_allclose(limit, (1 / 50 + 1 / 80) * of_chance)
    yield says(
        VALIDATION,
        f"is the sum of (p {MINUS} q) ln(p / q) over {WORDS[bins]} bins, the deciles of",
        "Each bin counts half a value more",
        f"about (1/n + 1/m) times a chi-squared with bins {MINUS} 1 degrees of freedom",
    )
