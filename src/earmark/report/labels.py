"""The sections of the report with figures by label and over all thresholds."""

from collections.abc import Mapping

import numpy as np

from earmark.evaluation.metrics.curves import Curve
from earmark.evaluation.metrics.scores import Ratio
from earmark.evaluation.result import RATIOS, Evaluation
from earmark.report.html import html_figure, html_table
from earmark.report.plots import draw_confusion, draw_precision_recall, draw_roc
from earmark.report.words import show_interval, show_ratio
from earmark.tasks.task import BINARY

MOST_CURVES = 12
MOST_CONFUSED = 40


def render_labels(evaluation: Evaluation) -> str:
    """A row a label."""
    rows = []
    for label, figures in evaluation.scores.per_class.items():
        intervals = evaluation.class_intervals[label]
        ratios = [
            f"{show_ratio(figures[name])}\u00a0({show_interval(intervals[name], '.2f')})"
            for name in RATIOS
        ]
        areas = [
            _area(curves[label])
            for curves in (evaluation.roc_curves, evaluation.precision_recall_curves)
        ]
        rows.append((label, *ratios, *map(show_ratio, areas), figures["num_clips"]))
    settings = evaluation.settings
    columns = ("label", "precision", "recall", "F1", "ROC area", "average precision", "clips")
    return (
        f"<p>In brackets: {settings.confidence:.0%} bootstrap intervals; groups were drawn again "
        f"{settings.resamples:,} times. One from 1 to 1 says that no error was among these clips, "
        f"not that there is none.</p>" + html_table(columns, rows)
    )


def _area(curve: Curve | None) -> Ratio:
    return None if curve is None else curve.area


def render_curves(evaluation: Evaluation) -> str:
    """Confusions, and the curves of each label against the rest."""
    pictures, labels = [], evaluation.labels
    if not evaluation.scores.ranks and len(labels) <= MOST_CONFUSED:
        pictures.append(
            html_figure(
                draw_confusion(np.array(evaluation.scores.confusion), labels),
                "Confusion matrix: clips by label.",
            )
        )
    roc = _shown(evaluation, evaluation.roc_curves)
    if roc:
        pictures.append(html_figure(draw_roc(roc), "ROC curves, with their areas."))
    recall = _shown(evaluation, evaluation.precision_recall_curves)
    if recall:
        caption = "Precision over recall, with the average precision."
        pictures.append(html_figure(draw_precision_recall(recall), caption))
    return f'<div class="figures">{"".join(pictures)}</div>'


def _shown(evaluation: Evaluation, curves: Mapping[str, Curve | None]) -> dict[str, Curve]:
    """Those that there are, of the labels with the smallest areas; one speaks for both of two."""
    known = {label: curve for label, curve in curves.items() if curve}
    if evaluation.predictions.task is BINARY:
        second = evaluation.labels[1]
        return {second: known[second]} if second in known else {}
    worst = sorted(known, key=lambda label: known[label].area)[:MOST_CURVES]
    return {label: curve for label, curve in known.items() if label in worst}
