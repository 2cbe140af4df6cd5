"""The section `tune`: the search space, the objective and the pruner."""

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from earmark.config.base import Positive, Section


def _as_tuple(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def _as_search(value: Any) -> Any:
    return {"choices": value} if isinstance(value, list) else value


class SearchConfig(Section):
    """The search range of one setting: a list of choices, or from `low` to `high`.

    A list is short for its choices. In a path, `*` means every item of a list. A choice that is a
    table changes the settings that it names and leaves the others.
    """

    choices: Annotated[
        Annotated[tuple[Any, ...], Field(min_length=1)] | None, BeforeValidator(_as_tuple)
    ] = None
    """Values to choose from."""
    low: int | float | None = None
    """Lowest value; integers are searched if it is an integer."""
    high: int | float | None = None
    """Highest value."""
    log: bool = False
    """Whether to sample uniformly on a logarithmic scale."""

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
            raise ValueError(f"low = {low} and high = {high}: write both as integers, or neither")
        if low >= high:
            raise ValueError(f"low = {low} is not below high = {high}")
        if self.log and low <= 0:
            raise ValueError(f"low = {low}: must be above 0 with log = true")
        return self


class TuneConfig(Section):
    """Hyper-parameter search."""

    trials: Positive = 50
    """Number of trials of a study, over all its workers and resumptions."""
    objective: Literal["loss", "accuracy"] = "loss"
    """Validation score to optimize: the log-loss (lower is better) or the accuracy (higher)."""
    pruner: Literal["median", "hyperband", "none"] = "median"
    """How trials are stopped early: `median` when their best score is worse than the median of the
    others after as many epochs; `hyperband` keeps the best third, repeatedly."""
    startup_trials: Positive = 10
    """Number of random trials before the sampler uses their scores and `median` prunes."""
    warmup_epochs: Positive = 5
    """Number of epochs before a trial can be pruned."""
    space: dict[str, Annotated[SearchConfig, BeforeValidator(_as_search)]] | None = None
    """Path of a setting to its search range; if not given, a default space is searched."""
