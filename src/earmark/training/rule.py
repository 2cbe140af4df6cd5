"""The decision rule of a model, fitted to the validation clips."""

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
