"""Figures of the pages about running things: exit codes, limits, kills, retraining."""

import re
from collections.abc import Iterator

import numpy as np

from benchmarks.speed.floors import Size
from flows import train
from pipeline import cli
from pipeline.__main__ import STAGES
from pipeline.champion.decision import FEWEST_GROUPS
from pipeline.config import profiles
from pipeline.config.sections import Prepare, Train
from pipeline.datasets import registry
from pipeline.hml import checkpoint
from pipeline.stages import checkpoints
from tests.datasets.test_hmc import FACTS
from tests.numbers.claims import WORDS, Said, claim, confidence, found, refused, says
from tests.test_docs_messages import QUOTED, pattern, written

FAULTS, RETRAINING = "docs/faults.md", "docs/retraining.md"
RUNNING, TROUBLESHOOTING = "docs/running.md", "docs/troubleshooting.md"


def at_fault() -> str:
    """The exit code of a fault of ours."""
    return found(r"except Exception: traceback\.print_exc\(\) return (\d)", "pipeline/cli.py")[1]


@claim
def what_has_to_be_installed() -> Iterator[Said]:
    least = found(r'requires-python = ">=([\d.]+)"', "pyproject.toml")[1]
    for page in ("README.md", "docs/index.md"):
        yield says(page, f"with git, make and Python {least} or newer")


@claim
def exit_codes() -> Iterator[Said]:
    yield says(
        TROUBLESHOOTING,
        f"and exit code {refused()}. A traceback and exit code {at_fault()} are a fault of ours. "
        f"{cli._INTERRUPTED} is Ctrl-C.",
    )
    yield says(
        FAULTS,
        f"is killed then; exit code {cli._INTERRUPTED} |",
        f"the run ends with exit code {at_fault()} and",
    )
    problem = found(r"return (\d) if any\(one\.state == \"problem\"", "pipeline/doctor/command.py")
    yield says(RUNNING, f"with a problem the exit code is {problem[1]}.")


@claim
def messages_that_hold_a_number() -> Iterator[Said]:
    """As test_docs_messages.py has it: the code says the same."""
    holding = [message for message in QUOTED if re.search(r"\d", message)]
    for message in holding:
        assert any(pattern(message).search(text) for text in written()), message
    yield says(TROUBLESHOOTING, *holding)


@claim
def what_is_left_out_and_what_full_is() -> Iterator[Said]:
    yield says(
        RUNNING,
        f"positives ({Prepare().min_support}, if nothing else is set) is left out",
        f"its published network in batches of {profiles._LARGER['batch']}",
    )


@claim
def data_sets_that_there_are() -> Iterator[Said]:
    phenotypes = [name for name in registry.names() if name.startswith("hpo_")]
    images = [name for name in registry.names() if "mnist" in name]
    yield says(
        RUNNING,
        f"{WORDS[len(phenotypes)]} of the Human Phenotype Ontology",
        f"{WORDS[len(images)]} of images (",
    )
    yield says(
        "docs/images.md",
        f"what the {WORDS[len(images)]} data sets of images are",
        f"{WORDS[len(images)].capitalize()} data sets hold images:",
    )


# Kills ------------------------------------------------------------------------------------------


@claim
def checkpoints_of_a_training() -> Iterator[Said]:
    members, hidden, layers = Train().members, Train().hidden, Train().layers
    facts = FACTS["cellcycle_GO"]
    size = Size(members, facts.nodes, 0, 0, 0, facts.attributes, hidden, layers)
    kept = 1 + len({*checkpoint._MOMENTS} - {"step"})  # the weight itself, and what Adam has of it
    stored = size.weights * kept * np.float32().nbytes / 1e6
    yield says(
        FAULTS,
        f"{WORDS[int(checkpoints.PAUSE)]} seconds apart at least",
        f"They take at most {100 * checkpoints.SHARE:.0f} % of the training's time",
        f"With {WORDS[members]} members at the size of `cellcycle_GO` ({facts.nodes:,} nodes) a "
        f"file has {stored:.0f} MB",
    )


@claim
def trying_again() -> Iterator[Said]:
    codes = found(r"status_code in \((\d+), (\d+)\)", "pipeline/datasets/download.py")
    yield says(
        FAULTS,
        f"HTTP {codes[1]}, {codes[2]} and 5xx",
        f"; again in {train.PAUSES[0]:g} s`",
    )


@claim
def kills_of_the_test() -> Iterator[Said]:
    test = "tests/faults/test_kills.py"
    every = found(r"\bEVERY = (\d+)", test)[1]
    short = found(r'environ\.get\("RARENODE_KILLS", "(\d+)"\)', test)[1]
    long = found(r"RARENODE_KILLS:-(\d+)", "Makefile")[1]
    assert every == "5"
    yield says(
        FAULTS,
        f"# {long} kills; RARENODE_KILLS=N another number",
        f"at random moments of all {WORDS[len(STAGES)]} stages",
        "A fifth of them has a temporary Prefect server",
        f"{WORDS[int(short)].capitalize()} kills are part of `make test-services`",
    )


# Retraining -------------------------------------------------------------------------------------


@claim
def the_comparison_of_champion_and_challenger() -> Iterator[Said]:
    yield says(
        RETRAINING,
        f"With fewer than `retrain.min_examples`, or {FEWEST_GROUPS} groups, nothing is promoted",
        f"Each difference has a paired {confidence()} interval",
    )
    members = found(r'"train\.members": (\d+)', "tests/services/test_retrain.py")[1]
    yield says(RETRAINING, f"with {WORDS[int(members)]} small networks:")
