"""Plots of a training."""

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from earmark.figures import BLUE, GREY, ORANGE, new_figure, to_png


def loss_curve(log: Sequence[Mapping[str, Any]], best_epoch: int) -> bytes:
    """Training and validation loss over the epochs, as a PNG image.

    Args:
        log: Lines with ``epoch``, ``train_loss`` and, where it was validated, ``val_loss``.
        best_epoch: Marked by a line.
    """
    return to_png(draw_loss_curve(log, best_epoch))


def draw_loss_curve(
    log: Sequence[Mapping[str, Any]], epoch: int | None, mark: str = "best"
) -> Figure:
    """The figure of `loss_curve`.

    Args:
        log: As in `loss_curve`.
        epoch: Marked by a line, if any.
        mark: Label of that line.
    """
    figure, axes = new_figure(6.4, 3.6)
    epochs = [line["epoch"] for line in log]
    marker = "o" if len(log) < 3 else None
    for key, label, colour in (
        ("train_loss", "training", BLUE),
        ("val_loss", "validation", ORANGE),
    ):
        if all(key in line for line in log):
            values = [line[key] for line in log]
            axes.plot(epochs, values, label=label, color=colour, marker=marker)
    if epoch is not None:
        axes.axvline(epoch, color=GREY, linestyle=":", label=f"{mark}: epoch {epoch}")
    axes.set(xlabel="epoch", ylabel="mean loss (nats)")
    axes.set_ylim(bottom=0)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.legend(frameon=False)
    return figure
