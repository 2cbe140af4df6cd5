"""Plots of a study."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import matplotlib
import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from earmark.figures import BLUE, DARK, GREY, ORANGE, new_figure, shown
from earmark.system.shapes import Float


def draw_history(
    numbers: Sequence[int], values: Sequence[float], complete: Sequence[bool], objective: str
) -> Figure:
    """The trials of a study in order, and the best so far.

    Args:
        numbers: Of the trials.
        values: Validation score of each.
        complete: Whether each was trained to its end; the markers of the others are hollow.
        objective: ``loss`` or ``accuracy``.
    """
    figure, axes = new_figure(6.4, 3.6)
    best = np.minimum.accumulate if objective == "loss" else np.maximum.accumulate
    done = np.array(complete, dtype=bool)
    x, y = np.array(numbers), np.array(values, dtype=float)
    axes.scatter(x[done], y[done], color=BLUE, s=22, label="complete")
    if not done.all():
        axes.scatter(x[~done], y[~done], facecolors="none", edgecolors=GREY, s=22, label="pruned")
    axes.step(x[done], best(y[done]), where="post", color=ORANGE, label="best so far")
    axes.set(xlabel="trial", ylabel=f"validation {objective}")
    if _spreads(values, objective):
        axes.set_yscale("log")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.legend(frameon=False)
    return figure


def _spreads(values: Sequence[float], objective: str) -> bool:
    """Whether losses differ so much that a linear axis would hide the better ones."""
    return objective == "loss" and min(values) > 0 and max(values) > 10 * min(values)


def draw_importance(importances: Mapping[str, float], objective: str) -> Figure:
    """Fraction of the objective's variance that each setting explains, the largest on top.

    Args:
        importances: Path of a setting to its fraction.
        objective: ``loss`` or ``accuracy``.
    """
    ranked = sorted(importances.items(), key=lambda item: item[1])
    figure, axes = new_figure(6.4, 1.2 + 0.32 * len(ranked))
    bars = axes.barh([name for name, _ in ranked], [fraction for _, fraction in ranked], color=BLUE)
    axes.bar_label(bars, fmt="%.2f", padding=3, fontsize="small")
    axes.set(xlabel=f"fraction of the variance of the validation {objective} (fANOVA)")
    axes.margins(x=0.1)
    return figure


@dataclass(frozen=True)
class ParallelAxis:
    """One vertical line of `draw_parallel`.

    Args:
        title: Below the line.
        values: One a trial: numbers, or texts of `order`.
        log: Whether the axis is logarithmic.
        order: The texts from bottom to top; empty for numbers.
    """

    title: str
    values: Sequence[int | float | str]
    log: bool = False
    order: Sequence[str] = ()

    def places(self) -> tuple[Float[np.ndarray, " trials"], Sequence[tuple[float, str]]]:
        """Heights of the trials from 0 to 1, and heights and texts of the ticks."""
        if self.order:
            top = max(len(self.order) - 1, 1)
            places = {text: index / top for index, text in enumerate(self.order)}
            return np.array([places[str(one)] for one in self.values]), [
                (height, text) for text, height in places.items()
            ]
        numbers = np.array(self.values, dtype=float)
        scaled = np.log(numbers) if self.log else numbers
        low, span = scaled.min(), np.ptp(scaled) or 1.0
        heights = np.linspace(0, 1, 5)
        marks = low + span * heights
        texts = [f"{value:.3g}" for value in (np.exp(marks) if self.log else marks)]
        return (scaled - low) / span, list(zip(heights.tolist(), texts, strict=True))


def draw_parallel(
    settings: Sequence[ParallelAxis],
    values: Sequence[float],
    complete: Sequence[bool],
    objective: str,
) -> Figure:
    """Parallel coordinates: a line a trial through its settings to its validation score.

    Args:
        settings: From left to right.
        values: Validation score of each trial.
        complete: Whether each was trained to its end; the lines of the others are thin and grey.
        objective: ``loss`` or ``accuracy``; the last axis.
    """
    last = ParallelAxis(f"validation {objective}", values, log=_spreads(values, objective))
    columns = [*settings, last]
    figure, axes = new_figure(1.2 + 1.35 * len(columns), 4.8)
    placed = [one.places() for one in columns]
    heights = np.stack([places for places, _ in placed], axis=1)
    worst_first = np.argsort(values)[:: -1 if objective == "loss" else 1]
    ranks = np.empty(len(values))
    ranks[worst_first] = np.linspace(0, 1, len(values))
    finished = [index for index in worst_first if complete[index]]
    for index in worst_first:
        if not complete[index]:
            axes.plot(heights[index], color=GREY, linewidth=0.6, alpha=0.4)
    for index in finished:
        is_best = index == finished[-1]
        colour = ORANGE if is_best else matplotlib.colormaps["Blues"](0.25 + 0.65 * ranks[index])
        axes.plot(heights[index], color=colour, linewidth=2.5 if is_best else 1.1)
    for column, (_, ticks) in enumerate(placed):
        axes.axvline(column, color=GREY, linewidth=0.8)
        for height, text in ticks:
            axes.annotate(
                shown(text), (column, height), (4, 0), textcoords="offset points", va="center",
                fontsize="x-small", parse_math=False, color=DARK,
                bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.7, "pad": 0.8},
            )  # fmt: skip
    titles = [one.title.replace(".", ".\n", 1).replace("_", "_\u200b") for one in columns]
    axes.set_xticks(range(len(columns)), titles, fontsize="small")
    axes.set_yticks([])
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0)
    axes.set(xlim=(-0.2, len(columns) - 0.3), ylim=(-0.04, 1.04))
    return figure
