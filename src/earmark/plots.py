"""Pictures, drawn without a display and without global state."""

import io
from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib
import numpy as np
from jaxtyping import Float, Int
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

_BLUE, _ORANGE, _GREY = "#3b7dd8", "#e07b39", "#8a8a8a"


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
            colour = "white" if count > confusion.max() / 2 else "black"
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
    """A figure as an SVG element for an HTML page; its text stays text."""
    buffer = io.StringIO()
    settings = {"svg.fonttype": "none", "svg.hashsalt": "earmark"}
    with matplotlib.rc_context(settings):
        figure.savefig(buffer, format="svg", metadata={"Date": None}, transparent=True)
    text = buffer.getvalue()
    return text[text.index("<svg") :]
