"""The section `recipe`: where the settings that nobody gives come from."""

from typing import Annotated, Literal

from pydantic import Field

from earmark.config.base import Positive, Section


class RecipeConfig(Section):
    """Where the settings that you do not give come from.

    They are chosen from the data where `rules` is true; others are those of the recipe, and the
    rest have the defaults of these tables.
    """

    name: Literal["auto", "classic", "tiny"] = "auto"
    """Recipe; `earmark recipe list` lists them."""
    rules: bool | None = None
    """Whether settings are chosen from the training and validation recordings; as the recipe has it
    if not given: true but for `classic`. A run folder has all that was chosen, so there it is
    false."""
    minutes: Annotated[float, Field(gt=0)] | None = None
    """Largest training time in minutes that the rules plan for; theirs if not given. A short one
    means fewer epochs. If it is five times what one training takes, or more, a few candidates are
    compared first. Without `rules` it has no effect."""
    parameters: Positive | None = None
    """Maximum number of parameters of the network; no limit if not given."""
