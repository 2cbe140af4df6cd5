"""The section of the report on the model."""

from html import escape

from earmark.evaluation.result import Evaluation
from earmark.models.architectures.summary import count_parameters
from earmark.models.checkpoint import Checkpoint
from earmark.report.reliability import render_provenance
from earmark.tasks.task import BINARY, MULTI_LABEL


def render_model(checkpoint: Checkpoint, evaluation: Evaluation) -> str:
    """Its size, its rule and its settings."""
    spec = checkpoint.spec
    parameters = count_parameters(checkpoint.build())
    settings = escape(spec.config.to_toml())
    return (
        f"<p>{escape(spec.config.model.name)} with {parameters:,} parameters; "
        f"{escape(describe_rule(evaluation))}.</p>"
        f"{render_provenance(evaluation)}"
        f"<details><summary>All settings</summary><pre>{settings}</pre></details>"
    )


def describe_rule(evaluation: Evaluation) -> str:
    """How a label is chosen."""
    labels, thresholds = evaluation.scores.labels, evaluation.thresholds
    task = evaluation.predictions.task
    if task is BINARY:
        source = _source(evaluation)
        return f"a clip is {labels[1]} from a probability of {thresholds[0]:g} ({source})"
    if task is MULTI_LABEL:
        each = (f"{one} {value:.2f}" for one, value in zip(labels, thresholds, strict=True))
        listed, source = ", ".join(each), _source(evaluation)
        return f"a label is chosen from a probability of {listed} ({source})"
    return "the most probable label is chosen"


def _source(evaluation: Evaluation) -> str:
    """Where the thresholds come from."""
    chosen = evaluation.thresholds_from == "validation"
    return "from validation data" if chosen else "the even chance"
