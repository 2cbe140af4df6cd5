"""The time of a search: whether it is worthwhile, and what there is time for."""

import logging
from collections.abc import Sequence

from earmark.config import Config
from earmark.errors import ConfigError
from earmark.system.runtime import Runtime
from earmark.training.candidates.candidates import Candidate
from earmark.training.candidates.record import Outcome, Search, Selection
from earmark.training.recipes.configure import Configured

logger = logging.getLogger(__name__)

WORTHWHILE = 5.0
"""A search starts if the budget is this many times what one training takes."""
CANDIDATES_FRACTION = 0.5
"""Of the budget, for the candidates; the rest is for what follows."""
PASSES = 3
"""A step of training costs as much as three forward passes, and a teacher's is one."""
LAST_TRAINING = 4 / 3
"""A training on validation clips too costs about this many times that without."""


def may_search(config: Config) -> bool:
    """Whether the settings allow a search, if the budget is large enough for it.

    Args:
        config: All settings.
    """
    recipe, train = config.recipe, config.train
    return bool(
        recipe.rules and recipe.minutes and train.hold_out_validation and not train.teachers
    )


def searches(configured: Configured, runtime: Runtime) -> bool:
    """Whether candidates are compared before the training.

    Args:
        configured: The settings that the rules chose.
        runtime: Where to compute.

    Raises:
        ConfigError: Several processes train together.
    """
    config, expected = configured.config, configured.expected_minutes
    minutes, train = config.recipe.minutes, config.train
    if not minutes or not expected or train.teachers or not train.hold_out_validation:
        return False
    if minutes < WORTHWHILE * expected:
        logger.info(
            f"budget: no search, as {minutes:g} minutes are less than {WORTHWHILE:g} trainings of "
            f"about {expected:.2g} minutes"
        )
        return False
    if runtime.world_size > 1:
        raise ConfigError(
            f"recipe.minutes = {minutes:g}: a search starts its own processes; run it without "
            "torchrun, or leave the budget out"
        )
    return True


def affords(found: Search, candidate: Candidate, running: Sequence[Candidate]) -> bool:
    """Whether a candidate is expected to end in time, by the clock of those that have ended.

    Args:
        found: The search so far.
        candidate: What may start.
        running: What is being trained.
    """
    trained = found.trained().values()
    if not trained:
        return len(running) < found.num_workers
    rate = sum(one.minutes for one in trained) / sum(one.candidate.cost for one in trained)
    cost = candidate.cost + sum(one.cost for one in running)
    expected = found.spent_minutes + rate * cost / found.num_workers
    return expected <= CANDIDATES_FRACTION * found.minutes


def has_time_to_refit(found: Search, selection: Selection, student: Outcome, epochs: int) -> bool:
    """Whether the members can be trained anew, and the final network after them, in time.

    Args:
        found: The search so far.
        selection: What was chosen.
        student: The candidate that is most like the final network.
        epochs: Of the rules.
    """
    trained = found.trained()
    members = [_refit_minutes(trained[one], epochs) for one in selection.members]
    taught = 1 + len(members) / PASSES
    last = _refit_minutes(student, epochs) * (1 / LAST_TRAINING + 1) * taught
    return found.spent_minutes + sum(members) / found.num_workers + last <= found.minutes


def _refit_minutes(outcome: Outcome, epochs: int) -> float:
    epochs = outcome.candidate.settings.get("train.epochs", epochs)
    return LAST_TRAINING * outcome.minutes * epochs / max(1, outcome.num_epochs)
