"""What is typed, in a fresh clone, and which lines of what it prints pages quote."""

from typing import NamedTuple

RUN = ".venv/bin/rarenode run"
INIT = (
    ".venv/bin/rarenode init --features docs/example/sightings.csv --labels docs/example/taxa.csv "
    "--hierarchy docs/example/taxonomy.csv --groups observer"
)
PREDICT = (
    ".venv/bin/rarenode predict --input docs/example/new_sightings.csv --output predictions.csv"
)
HEAD = "head -9 predictions.csv"
SPOIL = "sed -i.kept '3s/,3.2,/,big,/' docs/example/sightings.csv"
MEND = "mv docs/example/sightings.csv.kept docs/example/sightings.csv"
STUDY = ".venv/bin/rarenode study --trials 12 --workers 2"
COMMIT = "git add params.yaml dvc.lock data && git commit --quiet --message 'First model'"
WHAT_IF = ".venv/bin/dvc exp run --quiet --temp --name what-if -S train.epochs=3"
METRICS = ".venv/bin/dvc metrics diff HEAD what-if"
GET = ".venv/bin/rarenode data get fashion_mnist --from DIR"
IMAGES = ".venv/bin/rarenode run --dataset fashion_mnist --profile quick"
INSTALL = "make install"
STATUS = "git status --short"


class Part(NamedTuple):
    """Lines of what a command printed: how the first one begins, and the last one (regex)."""

    first: str
    last: str


class Quote(NamedTuple):
    """What a fence of a page holds: parts of what a command printed, `…` where lines are left out.

    Without `parts` it is all of it; a `typed` command stands above, behind a `$`; `time` says which
    one is meant where a command was typed several times.
    """

    command: str
    parts: tuple[Part, ...] = ()
    typed: bool = False
    time: int = -1


class Script(NamedTuple):
    """Commands in the order in which they are typed, and the quotes from them by name.

    `refused` are the places of commands that are meant to end with a message.
    """

    commands: tuple[str, ...]
    quotes: dict[str, Quote]
    refused: tuple[int, ...] = ()


_FIGURES = (Part(r"\w+, test split", r"macro F1 \(tuned\)"),)
SCRIPTS = {
    "quick_start": Script((RUN, STATUS), {"figures": Quote(RUN, _FIGURES)}),
    "images": Script((GET, IMAGES), {"figures": Quote(IMAGES, _FIGURES)}),
    "own_data": Script(
        (SPOIL, INIT, MEND, INIT, RUN, PREDICT, HEAD),
        {
            "understood": Quote(INIT, (Part("Data set ", "  notes "),)),
            "predicted": Quote(PREDICT),
            "predictions": Quote(HEAD),
            "refused": Quote(INIT, (Part(*["docs/example/sightings.csv, line "] * 2),), time=0),
        },
        refused=(1,),
    ),
    "studies": Script((INIT, STUDY), {"study": Quote(STUDY, (Part("study ", "To take it: "),))}),
    "teams": Script((INIT, RUN, COMMIT, WHAT_IF, METRICS), {"changed": Quote(METRICS, typed=True)}),
    "install": Script((INSTALL,), {}),
}
