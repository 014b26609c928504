"""What several sections of params.yaml choose from."""

from typing import Literal

Variant = Literal["none", "paper", "released"]
Uncertainty = Literal[
    "none",
    "margin",
    "predictive",
    "aleatoric",
    "mutual_information",
    "epistemic",
    "epistemic_kl",
    "gaussian_margin",
]
