"""Pictures of a test's figures."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from cycler import cycler
from matplotlib.figure import Figure

from earmark.evaluation.metrics.calibration import ReliabilityBin
from earmark.evaluation.metrics.curves import Curve
from earmark.figures import BLUE, DARK, GREY, ORANGE, new_figure, shown
from earmark.system.shapes import Int

_COLOURS = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00")
"""Okabe and Ito (2008), Color universal design: told apart by the colour-blind too."""
_STYLES = cycler(linestyle=["-", "--"]) * cycler(color=_COLOURS)


def draw_confusion(confusion: Int[np.ndarray, "k k"], labels: Sequence[str]) -> Figure:
    """Counts of clips by label and predicted label."""
    size = 1.6 + 0.9 * min(len(labels), 2) + 0.5 * max(len(labels) - 2, 0)
    figure, axes = new_figure(size + 0.6, size)
    axes.imshow(confusion, cmap="Blues", vmin=0)
    ticks = range(len(labels))
    names = [shown(label) for label in labels]
    # Two names stand along their sides; more of them have room only across.
    few = len(labels) <= 2
    axes.set_xticks(ticks, names, rotation=0 if few else 90, parse_math=False)
    axes.set_yticks(ticks, names, rotation=90 if few else 0, va="center", parse_math=False)
    axes.set(xlabel="predicted", ylabel="label")
    for row in ticks:
        for column in ticks:
            count = int(confusion[row, column])
            colour = "white" if count > confusion.max() / 2 else DARK
            axes.text(column, row, str(count), ha="center", va="center", color=colour)
    return figure


def draw_roc(curves: Mapping[str, Curve]) -> Figure:
    """True positive rate over false positive rate, each label against the rest.

    Args:
        curves: Label to its curve.
    """
    figure, axes = new_figure(4.8, 3.8)
    axes.plot([0, 1], [0, 1], color=GREY, linestyle=":")
    axes.set_prop_cycle(_STYLES)
    for label, curve in curves.items():
        axes.plot(curve.x, curve.y, label=_legend(label, curve))
    axes.set(xlabel="others taken for the label", ylabel="label recognised")
    _finish(axes)
    return figure


def draw_precision_recall(curves: Mapping[str, Curve]) -> Figure:
    """Precision over recall, each label against the rest.

    Args:
        curves: Label to its curve.
    """
    figure, axes = new_figure(4.8, 3.8)
    axes.set_prop_cycle(_STYLES)
    for label, curve in curves.items():
        axes.step(curve.x, curve.y, where="post", label=_legend(label, curve))
    axes.set(xlabel="recall", ylabel="precision")
    _finish(axes)
    return figure


def _legend(label: str, curve: Curve) -> str:
    # A leading underscore would hide the label from the legend.
    return f"{shown(label).replace('_', ' ')} {curve.area:.3f}"


def _finish(axes: Any) -> None:
    axes.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02))
    for text in axes.legend(frameon=False, fontsize="small").get_texts():
        text.set_parse_math(False)


def draw_reliability(series: Mapping[str, Sequence[ReliabilityBin]]) -> Figure:
    """How often judgements came true, over how probable they were said to be.

    Args:
        series: Name of some probabilities to their bins; the larger the point, the more judgements.
    """
    figure, axes = new_figure(4.8, 3.8)
    axes.plot([0, 1], [0, 1], color=GREY, linestyle=":")
    for (name, bins), colour, marker in zip(series.items(), (BLUE, ORANGE), "os", strict=False):
        full = [one for one in bins if one.count]
        counts = np.array([one.count for one in full])
        x, y = [one.confidence for one in full], [one.accuracy for one in full]
        axes.plot(x, y, color=colour, linewidth=1, alpha=0.6)
        sizes = 12 + 60 * counts / counts.max()
        axes.scatter(x, y, sizes, color=colour, marker=marker, label=name, alpha=0.8)
    axes.set(xlabel="probability", ylabel="share that came true")
    _finish(axes)
    return figure


def draw_coverage(curve: Curve) -> Figure:
    """Accuracy over the share of clips that are decided, the surest first."""
    figure, axes = new_figure(4.8, 3.8)
    # The surest clip has the accuracy of the first point, and so on: the area adds these steps up.
    axes.step([0.0, *curve.x], [curve.y[0], *curve.y], where="pre", color=BLUE)
    axes.plot(curve.x[-1:], curve.y[-1:], "o", color=BLUE)
    low = min(0.9, float(curve.y.min()) - 0.05)
    axes.set(xlabel="share of clips decided", ylabel="accuracy of these decisions")
    axes.set(xlim=(-0.02, 1.02), ylim=(low, 1.02 if low < 0.8 else 1.005))
    axes.grid(color=GREY, alpha=0.3)
    return figure


def draw_intervals(
    names: Sequence[str],
    shares: Sequence[float],
    intervals: Sequence[tuple[float, float]],
    reference: float,
) -> Figure:
    """Accuracies with their intervals, one below another.

    Args:
        names: What each accuracy is of, from top to bottom.
        shares: The accuracies, from 0 to 1.
        intervals: Theirs.
        reference: An accuracy to compare with, drawn as a line.
    """
    figure, axes = new_figure(5.6, 0.8 + 0.26 * len(names))
    places = np.arange(len(names))
    points, ends = np.array(shares), np.array(intervals).T
    axes.axvline(reference, color=ORANGE, linestyle="--", linewidth=1)
    axes.hlines(places, *ends, color=BLUE, linewidth=2)
    axes.plot(points, places, "o", color=BLUE, markersize=5)
    axes.set_yticks(places, [shown(name) for name in names], parse_math=False)
    axes.invert_yaxis()
    axes.set(xlabel="accuracy", xlim=(-0.02, 1.02))
    axes.grid(axis="x", color=GREY, alpha=0.3)
    axes.tick_params(axis="y", length=0)
    return figure
