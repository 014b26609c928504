"""What `validate` leaves, and data/accepted.json, the profile that a person accepted."""

import hashlib
from typing import Any

from pipeline.artifacts import files, paths
from pipeline.errors import ArtifactError, ValidationError

SCHEMA = 2  # of validation.json
PROFILE_SCHEMA = 1  # of profile.json, and of accepted.json, which is one
_PARTS = {"dataset", "examples", "features", "nodes", "hierarchy", "labels_per_example"}


def read_report() -> dict[str, Any]:
    """validation.json.

    Raises:
        ArtifactError: it is missing, damaged or of another schema.
    """
    return files.read_json(paths.VALIDATION / "validation.json", schema=SCHEMA)


def read_accepted() -> dict[str, Any]:
    """The accepted profile; its `dataset` is None where none was accepted.

    Raises:
        ArtifactError: the file is damaged or no profile.
    """
    if not paths.ACCEPTED.exists():
        return {"schema": PROFILE_SCHEMA, "dataset": None}
    found = files.read_json(paths.ACCEPTED, schema=PROFILE_SCHEMA)
    missing = _PARTS - set(found)
    if missing and ("dataset" in missing or found["dataset"] is not None):
        raise ArtifactError(
            f"expected {', '.join(sorted(missing))} in {paths.ACCEPTED}, found none. "
            f"`git checkout {paths.ACCEPTED}` brings back what was committed."
        )
    return found


def read_acceptable() -> dict[str, Any]:
    """profile.json, if it may be accepted.

    Drift that stops the pipeline may be: to accept the data is how a person overrules it.

    Raises:
        ArtifactError: there is no validation, or it is not of the data that are prepared now.
        ValidationError: an expectation that is an error is not met.
    """
    broken = [
        finding["name"]
        for finding in read_report()["expectations"]
        if finding["severity"] == "error" and not finding["success"] and not finding["drift"]
    ]
    if broken:
        raise ValidationError(
            f"expected data that meet every expectation, found broken in {paths.VALIDATION}: "
            f"{', '.join(broken)}. Mend the data and run `rarenode run`."
        )
    profile = files.read_json(paths.PROFILE, schema=PROFILE_SCHEMA)
    if profile["dataset_json"] != prepared_sha256():
        raise ArtifactError(
            f"expected {paths.PROFILE} to describe {paths.PREPARED}, found it to describe other "
            "data. Run `rarenode run`."
        )
    return profile


def prepared_sha256() -> str | None:
    """The sha256 of the prepared dataset.json, which holds those of all tables; None without it."""
    try:
        return hashlib.sha256((paths.PREPARED / "dataset.json").read_bytes()).hexdigest()
    except OSError:
        return None
