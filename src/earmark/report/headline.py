"""The first lines of the report: how good the model is, and how certain that is."""

from markupsafe import Markup

from earmark.evaluation.metrics.scores import Scores
from earmark.evaluation.result import Evaluation
from earmark.report.html import render, show_interval, show_percent, show_ratio
from earmark.tasks.task import MULTI_LABEL

Metric = tuple[str, str, str]
"""Name, value, and what qualifies it."""


def render_headline(evaluation: Evaluation) -> Markup:
    """Accuracy, its confidence interval, the simplest baseline, and the other main metrics."""
    scores = evaluation.scores
    level = f"{evaluation.settings.confidence:.0%}"
    groups = f"{scores.num_correct} of {scores.num_clips} clips"
    metrics = [
        ("Test accuracy", show_percent(scores.accuracy), groups),
        *_ranking(scores),
        (
            "Log-loss",
            f"{scores.loss:.4f}",
            f"nats; {level} bootstrap interval: {show_interval(evaluation.intervals['loss'])}",
        ),
        ("Macro F1", show_ratio(scores.macro_f1), "mean over labels"),
        ("ROC AUC", show_ratio(scores.roc_auc), "area under the ROC curve"),
        *_excerpts(evaluation),
    ]
    majority = evaluation.majority
    return render(
        "headline.html",
        metrics=metrics,
        is_multi_label=evaluation.predictions.task is MULTI_LABEL,
        scores=scores,
        level=level,
        majority_label=" and ".join(majority.labels) or "no label",
        classical=evaluation.classical.headline if evaluation.classical else "",
        majority_accuracy=majority.paired.num_correct[1] / majority.paired.num_clips,
    )


def _ranking(scores: Scores) -> list[Metric]:
    """Metrics that only a multi-label task has."""
    if scores.ranks is None or scores.ranks.mean_average_precision is None:
        return []
    return [
        ("mAP", show_ratio(scores.ranks.mean_average_precision), "mean average precision"),
        ("lwlrap", show_ratio(scores.ranks.lwlrap), "label-ranking average precision"),
        ("Micro F1", show_ratio(scores.ranks.micro_f1), "over clips and labels"),
    ]


def _excerpts(evaluation: Evaluation) -> list[Metric]:
    """Metrics of single excerpts, where the settings ask for them."""
    excerpts = evaluation.excerpts
    if excerpts is None:
        return []
    details = (
        f"{excerpts.num_correct} of {excerpts.num_excerpts} excerpts; log-loss {excerpts.loss:.4f}"
    )
    return [(f"{excerpts.seconds:g} s excerpts", show_percent(excerpts.accuracy), details)]
