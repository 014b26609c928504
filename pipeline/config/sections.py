"""The sections of params.yaml, one per stage that has parameters.

Torch-free, so that the command line can check params.yaml at once.
"""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from pipeline.config.choices import Uncertainty, Variant
from pipeline.config.images import Images
from pipeline.config.section import Section
from pipeline.config.tables import Tables

# The baselines that are trained: `mcloss_1` is MCLoss with one member, as it was published.
Baseline = Literal[
    "bce",
    "mcloss",
    "mcloss_1",
    "focal",
    "asymmetric",
    "class_balanced",
    "observation_weighted",
    "oversampling",
    "weighted/paper",
    "weighted/released",
]
Kind = Literal["network", "neighbours", "forest", "kernel"]
FEWEST = 4  # members of a cross-fitted ensemble: two leave each example out, the others learn
Reduction = Literal["mean", "sum"]
# These compare members with each other: one has nothing to compare (docs/method.md, section 5).
NEEDS_TWO_MEMBERS = frozenset(
    {"mutual_information", "epistemic", "epistemic_kl", "gaussian_margin"}
)

Share = Annotated[float, Field(gt=0, lt=1)]
Positive = Annotated[float, Field(gt=0)]
NotNegative = Annotated[float, Field(ge=0)]
Count = Annotated[int, Field(ge=1)]


class Prepare(Section):
    """How raw data becomes the prepared tables."""

    min_support: Annotated[int, Field(ge=0)] = 10  # positives in train+valid that keep a node
    valid_share: Share = 0.15
    test_share: Share = 0.20
    max_features: Count = 2048  # an upper bound on the features from text
    split_seed: Annotated[int, Field(ge=0)] = 0  # another one draws other splits
    # Where the source gives none: by a hash of the group, which keeps a group's split when data
    # grows; so that rare nodes are on both sides; or the latest examples last.
    split_by: Literal["hash", "stratified", "time"] = "hash"
    # `keep` leaves missing values to the model, which learns what to fill in from training data;
    # `split_mean` fills each split with its own mean, the test split too, as was published.
    missing: Literal["keep", "split_mean"] = "keep"

    @model_validator(mode="after")
    def _leave_a_training_split(self) -> "Prepare":
        if self.valid_share + self.test_share >= 1:
            raise ValueError(
                "valid_share + test_share must leave something for training (sum below 1), found "
                f"{self.valid_share} + {self.test_share}"
            )
        return self


class Validate(Section):
    """What counts as a warning in the prepared data; errors are not negotiable, drift is."""

    min_positives: Annotated[int, Field(ge=0)] = 10  # per node, in train+valid
    max_missing_share: Annotated[float, Field(ge=0, le=1)] = 0.5  # per feature
    # Whether data that differ from the accepted ones are reported, stop the pipeline or are not
    # held against them at all.
    drift: Literal["warn", "refuse", "ignore"] = "warn"


class Weighting(Section):
    """The weighted loss, docs/method.md, sections 4 to 6."""

    variant: Variant = "paper"
    floor: NotNegative = 1.0
    kind: Literal["node", "binary"] = "node"
    uncertainty: Uncertainty = "none"
    focal_floor: NotNegative = 0.25
    focal_power: Positive = 1.0
    reduction: Reduction = "mean"
    start: Literal["prior", "random"] = "prior"  # of the output's biases


class Train(Section):
    """The ensemble of networks and its optimiser."""

    kinds: list[Kind] = ["network", "forest", "kernel"]
    members: Count = 10  # of each kind
    hidden: Count = 256
    layers: Annotated[int, Field(ge=1)] = 2  # linear layers, the output layer included
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.5
    batch_size: Count = 64
    epochs: Count = 20
    learning_rate: Positive = 2e-3
    weight_decay: NotNegative = 1e-4
    reduction: Reduction = "mean"  # of the baselines; `weighting` has its own
    baselines: list[Baseline] = ["bce", "mcloss"]
    # Cuts other than 0.5, and the mixing of kinds, need scores of examples not learnt from: two
    # members leave each example out.
    cross_fit: bool = True
    beta: Positive = 1.0  # of the rule `tuned`: recall counts beta times as much as precision
    # Of the rule `budget`, for people who review by hand: how often a node's own probability
    # reaches its cut in 1,000 examples. None leaves the rule out.
    budget: Annotated[float, Field(gt=0, lt=1000)] | None = None
    weighting: Weighting = Weighting()

    @model_validator(mode="after")
    def _leave_out_enough(self) -> "Train":
        if "network" not in self.kinds or len({*self.kinds}) < len(self.kinds):
            raise ValueError(f"kinds must hold network, and each once, found {self.kinds}")
        if self.cross_fit and self.members < FEWEST:
            raise ValueError(
                f"members must be at least {FEWEST} where cross_fit leaves each example out by two "
                f"of them, found {self.members}. With fewer, set cross_fit to false and kinds to "
                "[network]"
            )
        if not self.cross_fit and self.budget is not None:
            raise ValueError(
                "budget must be null without cross_fit, whose scores its cuts are placed on, found "
                f"{self.budget}"
            )
        if not self.cross_fit and len(self.kinds) > 1:
            raise ValueError(
                "kinds must be [network] without cross_fit, which is what they are mixed by, found "
                f"{self.kinds}"
            )
        return self

    @model_validator(mode="after")
    def _name_each_once(self) -> "Train":
        own = f"weighted/{self.weighting.variant}"
        if own in self.baselines:
            raise ValueError(f"baselines must not repeat weighting.variant, found {own!r}")
        if twice := sorted({name for name in self.baselines if self.baselines.count(name) > 1}):
            raise ValueError(f"baselines must name each once, found {twice} again")
        return self

    @model_validator(mode="after")
    def _compare_at_least_two_members(self) -> "Train":
        mode = self.weighting.uncertainty
        if self.members == 1 and mode in NEEDS_TWO_MEMBERS:
            raise ValueError(
                f"weighting.uncertainty {mode!r} compares members, so members must be at least 2, "
                "found 1. With one member use margin, predictive, aleatoric or none"
            )
        return self


class Interval(Section):
    """A range to search on a log scale."""

    low: Positive
    high: Positive

    @model_validator(mode="after")
    def _order(self) -> "Interval":
        if self.low > self.high:
            raise ValueError(f"low must not exceed high, found {self.low} > {self.high}")
        return self


class Search(Section):
    """The search space of the study; lists are choices."""

    learning_rate: Interval = Interval(low=1e-3, high=6e-3)
    variant: Annotated[list[Variant], Field(min_length=1)] = ["paper", "released"]
    floor: Interval = Interval(low=0.25, high=2.0)
    uncertainty: Annotated[list[Uncertainty], Field(min_length=1)] = [
        "none",
        "predictive",
        "epistemic",
    ]
    focal_floor: Interval = Interval(low=0.25, high=1.0)
    focal_power: Interval = Interval(low=0.5, high=2.0)


class Tune(Section):
    """The Optuna study, on validation data only."""

    trials: Annotated[int, Field(ge=0)] = 6  # per method; 0 keeps the values of `train`
    members: Count = 2  # of a trial's ensemble
    objective: Literal["macro_ap", "micro_ap"] = "macro_ap"
    search: Search = Search()

    @model_validator(mode="after")
    def _compare_at_least_two_members(self) -> "Tune":
        pairwise = NEEDS_TWO_MEMBERS.intersection(self.search.uncertainty)
        if self.trials and self.members == 1 and pairwise:
            raise ValueError(
                f"search.uncertainty {sorted(pairwise)} compares members, so members must be at "
                "least 2, found 1"
            )
        return self


class Evaluate(Section):
    """Metrics on the test split."""

    bootstrap: Annotated[int, Field(ge=20)] = 200  # replicates behind the intervals


class Margins(Section):
    """How much worse a challenger may be: the lower end of the 95 % interval of its difference.

    None: the figure does not count.
    """

    micro_ap: NotNegative | None = 0.01
    macro_ap: NotNegative | None = 0.02
    macro_f1: NotNegative | None = 0.03  # each with its own cuts, at `tuned`
    rarity: NotNegative | None = 0.05  # macro AP within each bin of rarity


class Retrain(Section):
    """When a newly trained model takes the champion's place (docs/retraining.md)."""

    # Nobody watches a schedule: data that differ from the accepted ones stop it.
    drift: Literal["refuse", "warn", "ignore"] = "refuse"
    margins: Margins = Margins()
    replicates: Annotated[int, Field(ge=20)] = 1000  # behind the intervals
    min_examples: Count = 50  # that neither has learnt from; with fewer nothing is promoted
    # A notification block of Prefect, such as slack-webhook/team.
    notify: Annotated[str, Field(pattern="^[^/]+/[^/]+$")] | None = None
    push_tags: Annotated[str, Field(pattern="^[^-]")] | None = None  # a git remote, such as origin


class Config(Section):
    """The whole of params.yaml."""

    # It is the name of a folder, too.
    dataset: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,99}$")] = "hpo_eye"
    tables: Tables | None = None  # one's own data; `dataset` is then any other name
    profile: Literal["quick", "full", "published", "custom"] = "quick"
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 0
    images: Images = Images()
    prepare: Prepare = Prepare()
    validate_: Validate = Field(default=Validate(), alias="validate")
    tune: Tune = Tune()
    train: Train = Train()
    evaluate: Evaluate = Evaluate()
    retrain: Retrain = Retrain()

    @model_validator(mode="after")
    def _start_the_study_inside_its_space(self) -> "Config":
        """Else a value that somebody set would silently give way to one that the study draws."""
        if not self.tune.trials:
            return self
        starts = {"learning_rate": self.train.learning_rate}
        starts |= {
            f"weighting.{name}": value
            for name, value in self.train.weighting
            if name in type(self.tune.search).model_fields
        }
        for name, value in starts.items():
            space = getattr(self.tune.search, name.removeprefix("weighting."))
            inside = (
                space.low <= value <= space.high if isinstance(space, Interval) else value in space
            )
            if not inside:
                raise ValueError(
                    f"train.{name} is where the study starts, so it must lie in tune.search."
                    f"{name.removeprefix('weighting.')}, found {value!r}. Widen the search, or set "
                    "tune.trials to 0 to train with this very value"
                )
        return self

    @model_validator(mode="after")
    def _tune_only_what_is_on_a_par(self) -> "Config":
        untuned = sorted(set(self.train.baselines) - {"bce", "mcloss"})
        if self.tune.trials and untuned:
            raise ValueError(
                f"train.baselines {untuned} are compared without tuning, so tune.trials must be 0, "
                f"found {self.tune.trials}"
            )
        return self

    @model_validator(mode="after")
    def _train_what_the_study_may_choose(self) -> "Config":
        pairwise = NEEDS_TWO_MEMBERS.intersection(self.tune.search.uncertainty)
        if self.tune.trials and self.train.members == 1 and pairwise:
            raise ValueError(
                f"tune.search.uncertainty {sorted(pairwise)} compares members, so train.members "
                "must be at least 2, found 1. Take these out of the search or set tune.trials to 0"
            )
        return self
