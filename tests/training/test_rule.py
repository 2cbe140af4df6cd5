"""The rule of a model: fitted to validation clips, or taken over."""

import numpy as np
import pytest

from earmark.config import Config
from earmark.data.content import Clip
from earmark.evaluation.metrics.scores import Predictions
from earmark.features.store import ClipKey
from earmark.models.spec import ModelSpec
from earmark.tasks.task import MULTI_LABEL
from earmark.training.rule import fit_rule, take_rule


@pytest.fixture
def spec():
    return ModelSpec(Config(), ("a", "b"), 51, MULTI_LABEL)


@pytest.fixture
def overconfident(rng):
    """Predictions of which a quarter is wrong, all with large logits."""
    targets = np.tile([[0, 1], [1, 0]], (40, 1))
    logits = np.where(rng.random(targets.shape) < 0.25, -8.0, 8.0) * (2 * targets - 1)
    clips = tuple(
        Clip(f"{index}.wav", ClipKey(f"{index:032x}"), tuple(np.flatnonzero(row).tolist()), "")
        for index, row in enumerate(targets)
    )
    return Predictions(clips, logits, MULTI_LABEL)


def test_temperature_and_thresholds_are_fitted(spec, overconfident):
    fitted = fit_rule(spec, overconfident)
    assert fitted.temperature > 2
    assert len(fitted.chosen_thresholds) == 2


def test_another_network_takes_the_whole_rule_and_keeps_the_rest(spec, overconfident):
    fitted = fit_rule(spec, overconfident)
    other = ModelSpec(Config(), ("a", "b"), 60, MULTI_LABEL, silence_label="a")
    taken = take_rule(other, fitted)
    assert (taken.temperature, taken.chosen_thresholds) == (
        fitted.temperature,
        fitted.chosen_thresholds,
    )
    assert (taken.window_frames, taken.silence_label) == (60, "a")
