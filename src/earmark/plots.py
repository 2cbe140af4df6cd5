"""Pictures, drawn without a display and without global state."""

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib
import numpy as np
from jaxtyping import Float, Int
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

_BLUE, _ORANGE, _GREY = "#3b7dd8", "#e07b39", "#8a8a8a"
_DARK = "#111111"
"""On light ground, whatever the ground of the page."""


def loss_curve(log: Sequence[Mapping[str, Any]], best_epoch: int) -> bytes:
    """Training and validation loss over the epochs, as a PNG picture.

    Args:
        log: Lines with ``epoch``, ``train_loss`` and ``val_loss``.
        best_epoch: Marked in the picture.
    """
    return to_png(draw_loss_curve(log, best_epoch))


def draw_loss_curve(
    log: Sequence[Mapping[str, Any]], epoch: int | None, mark: str = "best"
) -> Figure:
    """The figure of `loss_curve`.

    Args:
        log: As in `loss_curve`.
        epoch: Marked in the picture when it is given.
        mark: What the marked epoch is.
    """
    figure, axes = _figure(6.4, 3.6)
    epochs = [line["epoch"] for line in log]
    marker = "o" if len(log) < 3 else None
    for key, label, colour in (
        ("train_loss", "training", _BLUE),
        ("val_loss", "validation", _ORANGE),
    ):
        axes.plot(epochs, [line[key] for line in log], label=label, color=colour, marker=marker)
    if epoch is not None:
        axes.axvline(epoch, color=_GREY, linestyle=":", label=f"{mark}: epoch {epoch}")
    axes.set(xlabel="epoch", ylabel="mean loss (nats)")
    axes.set_ylim(bottom=0)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.legend(frameon=False)
    return figure


def draw_confusion(confusion: Int[np.ndarray, "k k"], labels: Sequence[str]) -> Figure:
    """Counts of clips by label and predicted label."""
    size = 1.6 + 0.9 * min(len(labels), 2) + 0.5 * max(len(labels) - 2, 0)
    figure, axes = _figure(size + 0.6, size)
    axes.imshow(confusion, cmap="Blues", vmin=0)
    ticks = range(len(labels))
    names = [_shown(label) for label in labels]
    # Two names stand along their sides; more of them have room only across.
    few = len(labels) <= 2
    axes.set_xticks(ticks, names, rotation=0 if few else 90, parse_math=False)
    axes.set_yticks(ticks, names, rotation=90 if few else 0, va="center", parse_math=False)
    axes.set(xlabel="predicted", ylabel="label")
    for row in ticks:
        for column in ticks:
            count = int(confusion[row, column])
            colour = "white" if count > confusion.max() / 2 else _DARK
            axes.text(column, row, str(count), ha="center", va="center", color=colour)
    return figure


def draw_roc(
    false_rate: Float[np.ndarray, " points"], true_rate: Float[np.ndarray, " points"], label: str
) -> Figure:
    """The ROC curve of one label."""
    figure, axes = _figure(4.0, 3.6)
    axes.plot([0, 1], [0, 1], color=_GREY, linestyle=":")
    axes.plot(false_rate, true_rate, color=_BLUE)
    axes.set_xlabel(f"others taken for {_shown(label)}", parse_math=False)
    axes.set_ylabel(f"{_shown(label)} recognised", parse_math=False)
    axes.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02))
    return figure


def draw_precision_recall(
    curves: Mapping[str, tuple[Float[np.ndarray, " points"], Float[np.ndarray, " points"]]],
) -> Figure:
    """Precision over recall.

    Args:
        curves: Label to the precision and the recall at each threshold.
    """
    figure, axes = _figure(5.0, 3.6)
    for label, (precision, recall) in curves.items():
        # A leading underscore would hide the label from the legend.
        axes.step(recall, precision, where="post", label=_shown(label).replace("_", " "))
    axes.set(xlabel="recall", ylabel="precision", xlim=(-0.02, 1.02), ylim=(-0.02, 1.02))
    for text in axes.legend(frameon=False, fontsize="small").get_texts():
        text.set_parse_math(False)
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
    figure, axes = _figure(5.6, 0.8 + 0.26 * len(names))
    places = np.arange(len(names))
    points, ends = np.array(shares), np.array(intervals).T
    axes.axvline(reference, color=_ORANGE, linestyle="--", linewidth=1)
    axes.hlines(places, *ends, color=_BLUE, linewidth=2)
    axes.plot(points, places, "o", color=_BLUE, markersize=5)
    axes.set_yticks(places, [_shown(name) for name in names], parse_math=False)
    axes.invert_yaxis()
    axes.set(xlabel="accuracy", xlim=(-0.02, 1.02))
    axes.grid(axis="x", color=_GREY, alpha=0.3)
    axes.tick_params(axis="y", length=0)
    return figure


def draw_history(
    numbers: Sequence[int], values: Sequence[float], complete: Sequence[bool], objective: str
) -> Figure:
    """The trials of a study in order, and the best so far.

    Args:
        numbers: Of the trials.
        values: What each reached.
        complete: Whether each was trained to its end; the others are drawn hollow.
        objective: ``loss`` or ``accuracy``.
    """
    figure, axes = _figure(6.4, 3.6)
    best = np.minimum.accumulate if objective == "loss" else np.maximum.accumulate
    done = np.array(complete, dtype=bool)
    x, y = np.array(numbers), np.array(values, dtype=float)
    axes.scatter(x[done], y[done], color=_BLUE, s=22, label="complete")
    if not done.all():
        axes.scatter(x[~done], y[~done], facecolors="none", edgecolors=_GREY, s=22, label="pruned")
    axes.step(x[done], best(y[done]), where="post", color=_ORANGE, label="best so far")
    axes.set(xlabel="trial", ylabel=f"validation {objective}")
    if _spreads(values, objective):
        axes.set_yscale("log")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.legend(frameon=False)
    return figure


def _spreads(values: Sequence[float], objective: str) -> bool:
    """Whether losses differ so much that only their logarithms tell the better ones apart."""
    return objective == "loss" and min(values) > 0 and max(values) > 10 * min(values)


def draw_importance(shares: Mapping[str, float], objective: str) -> Figure:
    """How much of the spread of the objective each setting accounts for, the most on top."""
    ranked = sorted(shares.items(), key=lambda item: item[1])
    figure, axes = _figure(6.4, 1.2 + 0.32 * len(ranked))
    bars = axes.barh([name for name, _ in ranked], [share for _, share in ranked], color=_BLUE)
    axes.bar_label(bars, fmt="%.2f", padding=3, fontsize="small")
    axes.set(xlabel=f"share of the variance of the validation {objective} (fANOVA)")
    axes.margins(x=0.1)
    return figure


@dataclass(frozen=True)
class ParallelAxis:
    """One vertical line of `draw_parallel`.

    Args:
        title: Below the line.
        values: One a trial: numbers, or texts of `order`.
        log: Whether numbers stand at their logarithms.
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
            heights = {text: index / top for index, text in enumerate(self.order)}
            return np.array([heights[str(one)] for one in self.values]), [
                (height, text) for text, height in heights.items()
            ]
        numbers = np.array(self.values, dtype=float)
        scaled = np.log(numbers) if self.log else numbers
        low, span = scaled.min(), np.ptp(scaled) or 1.0
        shares = np.linspace(0, 1, 5)
        marks = low + span * shares
        texts = [f"{value:.3g}" for value in (np.exp(marks) if self.log else marks)]
        return (scaled - low) / span, list(zip(shares.tolist(), texts, strict=True))


def draw_parallel(
    settings: Sequence[ParallelAxis],
    values: Sequence[float],
    complete: Sequence[bool],
    objective: str,
) -> Figure:
    """A line a trial through the values of its settings to what it reached.

    Args:
        settings: From left to right.
        values: What each trial reached.
        complete: Whether each was trained to its end; the others are drawn thin and grey.
        objective: ``loss`` or ``accuracy``; the last axis.
    """
    last = ParallelAxis(f"validation {objective}", values, log=_spreads(values, objective))
    columns = [*settings, last]
    figure, axes = _figure(1.2 + 1.35 * len(columns), 4.8)
    placed = [one.places() for one in columns]
    heights = np.stack([places for places, _ in placed], axis=1)
    worst_first = np.argsort(values)[:: -1 if objective == "loss" else 1]
    ranks = np.empty(len(values))
    ranks[worst_first] = np.linspace(0, 1, len(values))
    finished = [index for index in worst_first if complete[index]]
    for index in worst_first:
        if not complete[index]:
            axes.plot(heights[index], color=_GREY, linewidth=0.6, alpha=0.4)
    for index in finished:
        is_best = index == finished[-1]
        colour = _ORANGE if is_best else matplotlib.colormaps["Blues"](0.25 + 0.65 * ranks[index])
        axes.plot(heights[index], color=colour, linewidth=2.5 if is_best else 1.1)
    for column, (_, ticks) in enumerate(placed):
        axes.axvline(column, color=_GREY, linewidth=0.8)
        for height, text in ticks:
            axes.annotate(
                _shown(text), (column, height), (4, 0), textcoords="offset points", va="center",
                fontsize="x-small", parse_math=False, color=_DARK,
                bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.7, "pad": 0.8},
            )  # fmt: skip
    titles = [one.title.replace(".", ".\n", 1).replace("_", "_\u200b") for one in columns]
    axes.set_xticks(range(len(columns)), titles, fontsize="small")
    axes.set_yticks([])
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0)
    axes.set(xlim=(-0.2, len(columns) - 0.3), ylim=(-0.04, 1.04))
    return figure


def _shown(label: str) -> str:
    """A label as fonts take it: what is not Unicode, from the name of a folder, is escaped."""
    return label.encode(errors="backslashreplace").decode()


def _figure(width_inches: float, height_inches: float) -> tuple[Figure, Any]:
    figure = Figure(figsize=(width_inches, height_inches), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes


def to_png(figure: Figure) -> bytes:
    """A figure as a PNG picture."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=120)
    return buffer.getvalue()


def to_svg(figure: Figure) -> str:
    """A figure as an SVG element for an HTML page.

    Its text stays text, and what is black has the colour of the text of the page, dark or light.
    """
    buffer = io.StringIO()
    settings = {"svg.fonttype": "none", "svg.hashsalt": "earmark"}
    with matplotlib.rc_context(settings):
        figure.savefig(buffer, format="svg", metadata={"Date": None}, transparent=True)
    text = buffer.getvalue()
    return text[text.index("<svg") :].replace("#000000", "currentColor")
