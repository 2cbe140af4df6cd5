"""The section `tune`: what is searched, and how."""

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from earmark.config.base import Positive, Section


def _as_tuple(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def _as_search(value: Any) -> Any:
    return {"choices": value} if isinstance(value, list) else value


class SearchConfig(Section):
    """Where one setting is searched: among choices, or from `low` to `high`.

    A list stands for its choices. In a path `*` means every item of a list. A choice that is a
    table changes what it names and leaves the rest.
    """

    choices: Annotated[
        Annotated[tuple[Any, ...], Field(min_length=1)] | None, BeforeValidator(_as_tuple)
    ] = None
    """Any values that the setting may take."""
    low: int | float | None = None
    """Least value; a whole number searches whole numbers."""
    high: int | float | None = None
    """Greatest value."""
    log: bool = False
    """Whether equal factors, not equal steps, are equally likely."""

    @model_validator(mode="after")
    def _check(self) -> "SearchConfig":
        low, high = self.low, self.high
        if self.choices is not None:
            if low is not None or high is not None or self.log:
                raise ValueError("give choices, or low and high")
            return self
        if low is None or high is None:
            raise ValueError("give choices, or low and high")
        if type(low) is not type(high):
            raise ValueError(f"low = {low} and high = {high}: write both with a point or neither")
        if low >= high:
            raise ValueError(f"low = {low} is not below high = {high}")
        if self.log and low <= 0:
            raise ValueError(f"low = {low} has no logarithm; raise it above 0")
        return self


class TuneConfig(Section):
    """The search for better settings."""

    trials: Positive = 50
    """Trials of a study, those of earlier sittings and of all workers included."""
    objective: Literal["loss", "accuracy"] = "loss"
    """What makes a trial better on the validation split: a lower log-loss or a higher accuracy."""
    pruner: Literal["median", "hyperband", "none"] = "median"
    """What ends a trial that lags behind: `median` when its best is worse than the median of the
    others after as many epochs; `hyperband` keeps the best third, again and again."""
    startup_trials: Positive = 10
    """Trials drawn at random before the sampler learns from them, and before the median prunes."""
    warmup_epochs: Positive = 5
    """Epochs of each trial before it can be pruned."""
    space: dict[str, Annotated[SearchConfig, BeforeValidator(_as_search)]] | None = None
    """Path of a setting to where it is searched; the default space when it is not given."""
