"""The base class of all sections, and the bounded types of their settings."""

from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

Fraction = Annotated[float, Field(ge=0, le=1)]
FractionBelowOne = Annotated[float, Field(ge=0, lt=1)]
Positive = Annotated[int, Field(ge=1)]
Length = Annotated[int, Field(ge=1, le=65_536)]
"""A number of samples or windows; an array of the largest still fits in memory."""
Size = Annotated[int, Field(ge=1, le=1024)]

MAX_WINDOW_FRAMES = 1_000_000
MAX_WINDOW_VALUES = 1 << 23
"""Values of a window, bands times frames: 1.2 hours at the default settings."""


def _as_pair(value: Any) -> Any:
    if isinstance(value, int):
        return value, value
    return tuple(value) if isinstance(value, list) else value


Pair = Annotated[tuple[Size, Size], BeforeValidator(_as_pair)]
"""One number for both axes, or two: bands first, then frames."""
Padding = Annotated[int, Field(ge=0, le=1024)]
PaddingPair = Annotated[tuple[Padding, Padding], BeforeValidator(_as_pair)]


class Section(BaseModel):
    """A section of the configuration."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid", allow_inf_nan=False)
