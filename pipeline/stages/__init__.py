"""One file per stage of dvc.yaml, each with `run(config) -> outputs`."""
