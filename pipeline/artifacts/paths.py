"""Every path of the workspace, once. Relative: stages and flows run in the workspace's root."""

from pathlib import Path

PARAMS = Path("params.yaml")
DVC_YAML = Path("dvc.yaml")

RAW = Path("data/raw")  # one folder per data set
CARDS = Path("data/cards")  # what one's own data is, in git
PREPARED = Path("data/prepared")
ACCEPTED = Path("data/accepted.json")  # the profile of the last accepted data, in git

VALIDATION = Path("reports/validation")
PROFILE = VALIDATION / "profile.json"
HIERARCHY = Path("reports/hierarchy")
TUNING = Path("reports/tuning")
METRICS = Path("reports/metrics.json")
EVALUATION = Path("reports/evaluation")  # per-node figures behind metrics.json
REPORT = Path("reports/report.html")

BUNDLE = Path("models/bundle")
BASELINES = Path("models/baselines")  # one bundle per baseline

# Outside of every stage's dependencies: they differ from run to run.
COST = Path("reports/cost.json")
MANIFEST = Path("reports/manifest.json")
STATE = Path(".rarenode")  # studies and other things that outlive a stage
CHECKPOINTS = STATE / "checkpoints"  # of trainings that were interrupted
ENCODERS = STATE / "encoders"  # pretrained, for the cells of studies
DOWNLOADS = STATE / "downloads"  # raw files by sha256: DVC empties data/raw before it fetches


def raw(dataset: str) -> Path:
    """The folder of a data set's raw files."""
    return RAW / dataset
