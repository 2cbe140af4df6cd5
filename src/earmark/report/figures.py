"""The sections of the report with the figures of the test and their pictures."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
from sklearn.metrics import precision_recall_curve, roc_curve

from earmark.checkpoint import Checkpoint
from earmark.errors import EarmarkError
from earmark.outcome import Evaluation
from earmark.page import html_figure, html_table
from earmark.plots import (
    draw_confusion,
    draw_loss_curve,
    draw_precision_recall,
    draw_roc,
)
from earmark.report.headline import show_ratio
from earmark.report.origin import Origin
from earmark.runs import RunFolder
from earmark.tasks import BINARY

MOST_CURVES = 12


def render_pictures(evaluation: Evaluation, checkpoint: Checkpoint, origin: Origin) -> str:
    """Confusions, curves over thresholds and the losses of the training."""
    pictures = "".join([*_curves(evaluation), _loss_curve(origin, checkpoint)])
    return f'<div class="figures">{pictures}</div>'


def render_labels(evaluation: Evaluation) -> str:
    """A row a label."""
    columns = {"precision": "precision", "recall": "recall", "f1": "F1"}
    if evaluation.scores.ranks:
        columns["average_precision"] = "average precision"
    rows = [
        (label, *(show_ratio(one[name]) for name in columns), one["num_clips"])
        for label, one in evaluation.scores.per_class.items()
    ]
    return html_table(("label", *columns.values(), "clips"), rows)


def _curves(evaluation: Evaluation) -> Iterable[str]:
    scores, labels = evaluation.scores, evaluation.scores.labels
    targets = evaluation.predictions.targets
    if scores.ranks:
        shares = evaluation.predictions.probabilities
        shown = [index for index in range(len(labels)) if targets[:, index].any()][:MOST_CURVES]
        curves = {
            labels[index]: precision_recall_curve(targets[:, index], shares[:, index])[:2]
            for index in shown
        }
        if curves:
            yield html_figure(draw_precision_recall(curves), "Precision and recall of each label.")
        return
    yield html_figure(
        draw_confusion(np.array(scores.confusion), labels), "Confusion matrix: clips by label."
    )
    if scores.roc_auc is not None and evaluation.predictions.task is BINARY:
        false_rate, true_rate, _ = roc_curve(targets[:, 1], evaluation.predictions.logits[:, 0])
        yield html_figure(draw_roc(false_rate, true_rate, labels[1]), f"ROC curve of {labels[1]}.")


def _loss_curve(origin: Origin, checkpoint: Checkpoint) -> str:
    """The losses of the model's run with the epoch of the tested weights, or why they lack."""
    if origin.run is None:
        return "<p>No loss curve: the model does not lie in its run folder.</p>"
    log = _read_losses(origin.run)
    if not log:
        return "<p>No loss curve: the run's log.jsonl is missing or damaged.</p>"
    epoch = checkpoint.progress.get("epoch")
    figure = draw_loss_curve(log, epoch if isinstance(epoch, int) else None, mark="tested")
    return html_figure(figure, "Loss of training and validation.")


def _read_losses(run: Path) -> list[dict[str, float]]:
    """What the curve needs of a run's log; nothing when it cannot be had."""
    try:
        return [
            {key: float(line[key]) for key in ("epoch", "train_loss", "val_loss")}
            for line in RunFolder(run).read_log()
        ]
    except (EarmarkError, OSError, ValueError, LookupError, TypeError):
        return []
