"""The decision rule of a model: fitted to the validation clips, or taken over from a fitted one."""

from dataclasses import replace

from earmark.evaluation.metrics.scores import Predictions, choose_thresholds
from earmark.models.spec import ModelSpec
from earmark.tasks.temperature import fit_temperature


def fit_rule(spec: ModelSpec, validation: Predictions) -> ModelSpec:
    """The specification with temperature and thresholds fitted to the validation clips."""
    temperature = fit_temperature(validation.logits, validation.targets, spec.task)
    calibrated = replace(validation, logits=validation.logits / temperature)
    thresholds = choose_thresholds(calibrated)
    return replace(spec, chosen_thresholds=thresholds, temperature=temperature)


def take_rule(spec: ModelSpec, fitted: ModelSpec) -> ModelSpec:
    """The specification with temperature, thresholds and known scores of another's same labels."""
    return replace(
        spec,
        chosen_thresholds=fitted.chosen_thresholds,
        temperature=fitted.temperature,
        known_scores=fitted.known_scores,
    )
