"""The sections of the report with metrics by label and over all thresholds."""

from collections.abc import Mapping
from dataclasses import dataclass

from markupsafe import Markup

from earmark.evaluation.metrics.curves import Curve
from earmark.evaluation.metrics.scores import Ratio
from earmark.evaluation.result import RATIOS, Evaluation
from earmark.figures import shown
from earmark.report.html import (
    Noted,
    Table,
    make_picture,
    render,
    show_interval,
    show_ratio,
)
from earmark.report.plots import draw_precision_recall, draw_roc
from earmark.report.review import ReviewLinks
from earmark.tasks.task import BINARY

MAX_CURVES = 12
MAX_CONFUSED = 40


@dataclass(frozen=True)
class ConfusionRow:
    """A row of the confusion matrix.

    Args:
        label: The true label, shortened if it is long.
        cells: For each predicted label, the number of clips, its fraction of the row, and the
            address of a page with these clips, if there is one.
    """

    label: str
    cells: tuple[tuple[int, float, str | None], ...]


def render_labels(evaluation: Evaluation) -> Markup:
    """Precision, recall and the areas of the curves of each label."""
    rows = []
    for label, metrics in evaluation.scores.per_class.items():
        intervals = evaluation.class_intervals[label]
        ratios = [
            Noted(show_ratio(metrics[name]), show_interval(intervals[name], ".2f"))
            for name in RATIOS
        ]
        areas = [
            _area(curves[label])
            for curves in (evaluation.roc_curves, evaluation.precision_recall_curves)
        ]
        rows.append((label, *ratios, *map(show_ratio, areas), metrics["num_clips"]))
    columns = ("label", "precision", "recall", "F1", "ROC AUC", "average precision", "clips")
    settings = evaluation.settings
    return render(
        "labels.html",
        table=Table(columns, rows),
        level=f"{settings.confidence:.0%}",
        resamples=settings.resamples,
    )


def _area(curve: Curve | None) -> Ratio:
    return None if curve is None else curve.area


def render_curves(evaluation: Evaluation, links: ReviewLinks | None = None) -> Markup:
    """The confusion matrix, and the curves of each label against the rest.

    Args:
        evaluation: The test.
        links: To the clips that are predicted wrongly.
    """
    pictures = []
    roc = _select(evaluation, evaluation.roc_curves)
    if roc:
        pictures.append(make_picture(draw_roc(roc), "ROC curves, with the area under each."))
    recall = _select(evaluation, evaluation.precision_recall_curves)
    if recall:
        caption = "Precision over recall, with the average precision of each label."
        pictures.append(make_picture(draw_precision_recall(recall), caption))
    return render("curves.html", confusion=_confusion(evaluation, links), pictures=pictures)


def _confusion(evaluation: Evaluation, links: ReviewLinks | None) -> list[ConfusionRow]:
    """Rows of the matrix; none where clips have several labels, or the labels are too many."""
    scores = evaluation.scores
    if scores.ranks or len(evaluation.labels) > MAX_CONFUSED:
        return []
    return [
        ConfusionRow(
            shown(label),
            tuple(
                (count, count / (sum(counts) or 1), _address(links, label, predicted))
                for predicted, count in zip(evaluation.labels, counts, strict=True)
            ),
        )
        for label, counts in zip(evaluation.labels, scores.confusion, strict=True)
    ]


def _address(links: ReviewLinks | None, label: str, predicted: str) -> str | None:
    return links.to_cell(label, predicted) if links else None


def _select(evaluation: Evaluation, curves: Mapping[str, Curve | None]) -> dict[str, Curve]:
    """The curves with the smallest areas; in a binary task that of the second label alone."""
    known = {label: curve for label, curve in curves.items() if curve}
    if evaluation.predictions.task is BINARY:
        second = evaluation.labels[1]
        return {second: known[second]} if second in known else {}
    worst = sorted(known, key=lambda label: known[label].area)[:MAX_CURVES]
    return {label: curve for label, curve in known.items() if label in worst}
