"""What every section of params.yaml is."""

from pydantic import BaseModel, ConfigDict


class Section(BaseModel):
    """Typed, immutable, unknown keys refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)
