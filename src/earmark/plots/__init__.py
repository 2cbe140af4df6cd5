"""Pictures, drawn without a display and without global state."""

from earmark.plots.canvas import to_png, to_svg
from earmark.plots.clips import draw_example
from earmark.plots.scores import (
    draw_confusion,
    draw_coverage,
    draw_intervals,
    draw_precision_recall,
    draw_reliability,
    draw_roc,
)
from earmark.plots.studies import ParallelAxis, draw_history, draw_importance, draw_parallel
from earmark.plots.time_lines import draw_timeline
from earmark.plots.training import draw_loss_curve, loss_curve

__all__ = [
    "ParallelAxis",
    "draw_confusion",
    "draw_coverage",
    "draw_example",
    "draw_history",
    "draw_importance",
    "draw_intervals",
    "draw_loss_curve",
    "draw_parallel",
    "draw_precision_recall",
    "draw_reliability",
    "draw_roc",
    "draw_timeline",
    "loss_curve",
    "to_png",
    "to_svg",
]
