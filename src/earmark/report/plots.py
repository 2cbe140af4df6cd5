"""The plots of the report."""

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib
import numpy as np
from cycler import cycler
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from earmark.config import FeatureConfig
from earmark.evaluation.metrics.calibration import ReliabilityBin
from earmark.evaluation.metrics.curves import Curve
from earmark.evaluation.metrics.intervals import Interval
from earmark.features.log_mel import hz_to_mel
from earmark.figures import BLUE, GREY, ORANGE, new_figure, shown
from earmark.system.shapes import Float, Float16

SHOWN_RANGE_DB = 60.0
TICKS_HZ = (125, 250, 500, 1000, 2000, 4000, 8000, 16_000, 32_000)
_FOR, _AGAINST = "#ff8c1a", "#1a75ff"

_COLOURS = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00")
"""Okabe and Ito (2008), Color universal design: distinct for colour-blind readers too."""
_STYLES = cycler(linestyle=["-", "--"]) * cycler(color=_COLOURS)


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
    axes.set(xlabel="false positive rate", ylabel="true positive rate")
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
    """Reliability diagram: how often predictions are correct, over their probability.

    Args:
        series: Name of each set of probabilities to its bins; larger points hold more predictions.
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
    axes.set(xlabel="predicted probability", ylabel="fraction correct")
    _finish(axes)
    return figure


def draw_coverage(curve: Curve) -> Figure:
    """Accuracy over coverage, the most confident clips first."""
    figure, axes = new_figure(4.8, 3.8)
    # The area under the curve is the sum of these steps.
    axes.step([0.0, *curve.x], [curve.y[0], *curve.y], where="pre", color=BLUE)
    axes.plot(curve.x[-1:], curve.y[-1:], "o", color=BLUE)
    low = min(0.9, float(curve.y.min()) - 0.05)
    axes.set(xlabel="coverage", ylabel="accuracy")
    axes.set(xlim=(-0.02, 1.02), ylim=(low, 1.02 if low < 0.8 else 1.005))
    axes.grid(color=GREY, alpha=0.3)
    return figure


def draw_novelty(scores: Float[np.ndarray, " clips"], threshold: float) -> Figure:
    """Histogram of scores of novelty, with the threshold if it is finite.

    Args:
        scores: Of the test clips.
        threshold: Above it the model abstains.
    """
    figure, axes = new_figure(4.8, 3.0)
    axes.hist(scores, bins="auto", color=BLUE, alpha=0.8)
    if np.isfinite(threshold):
        axes.axvline(threshold, color=ORANGE, linestyle="--", linewidth=1)
    axes.set(xlabel="novelty", ylabel="clips")
    return figure


def draw_intervals(
    names: Sequence[str],
    accuracies: Sequence[float],
    intervals: Sequence[Interval],
    reference: float,
) -> Figure:
    """Accuracies with their intervals, one below another.

    Args:
        names: What each accuracy is of, from top to bottom.
        accuracies: From 0 to 1.
        intervals: The confidence interval of each.
        reference: An accuracy to compare with, drawn as a line.
    """
    figure, axes = new_figure(5.6, 0.8 + 0.26 * len(names))
    places = np.arange(len(names))
    points, ends = np.array(accuracies), np.array(intervals).T
    axes.axvline(reference, color=ORANGE, linestyle="--", linewidth=1)
    axes.hlines(places, *ends, color=BLUE, linewidth=2)
    axes.plot(points, places, "o", color=BLUE, markersize=5)
    axes.set_yticks(places, [shown(name) for name in names], parse_math=False)
    axes.set(xlabel="accuracy", xlim=(-0.02, 1.02), ylim=(len(names) - 0.5, -0.5))
    axes.grid(axis="x", color=GREY, alpha=0.3)
    axes.tick_params(axis="y", length=0)
    return figure


def draw_example(
    frames: Float16[np.ndarray, "frames mels"],
    tiles: Float[np.ndarray, "rows columns"],
    config: FeatureConfig,
    start_seconds: float,
) -> Figure:
    """The log-mel spectrogram of an excerpt, and below it, in grey, with its attribution.

    Tiles that support the prediction are orange and those that oppose it are blue; the stronger
    the attribution, the more opaque the tile.

    Args:
        frames: The log-mel frames of the excerpt.
        tiles: What each tile of it adds to the score, from low to high bands.
        config: The front end.
        start_seconds: Where the excerpt starts in the clip.
    """
    figure = Figure(figsize=(5.0, 3.6), layout="constrained")
    FigureCanvasAgg(figure)
    seconds = len(frames) * config.hop_length / config.sample_rate
    extent = (start_seconds, start_seconds + seconds, 0.0, 1.0)
    decibels = frames.T.astype(np.float32)
    top = float(decibels.max())
    shown = {"extent": extent, "origin": "lower", "aspect": "auto", "interpolation": "none"}
    levels = {"vmin": top - SHOWN_RANGE_DB, "vmax": top, **shown}
    for axes, colours in zip(figure.subplots(2, 1, sharex=True), ("magma", "gray"), strict=True):
        axes.imshow(decibels, cmap=colours, **levels)
        axes.set_yticks(*_frequency_ticks(config))
        axes.set_ylabel("Hz")
        axes.spines[:].set_visible(False)
    axes.imshow(_overlay(tiles), **shown)
    axes.set_xlabel("seconds")
    return figure


def _overlay(tiles: Float[np.ndarray, "rows columns"]) -> Float[np.ndarray, "rows columns 4"]:
    """Colours with opacities; that of the strongest tile is 0.9."""
    colours = np.where(
        tiles[..., None] >= 0, matplotlib.colors.to_rgb(_FOR), matplotlib.colors.to_rgb(_AGAINST)
    )
    strength = np.abs(tiles) / (np.abs(tiles).max() or 1.0)
    return np.concatenate([colours, 0.9 * strength[..., None]], axis=-1)


def _frequency_ticks(config: FeatureConfig) -> tuple[list[float], list[str]]:
    """Positions from 0 to 1 on the mel scale of the front end, and their labels."""
    low, high = hz_to_mel(np.array([config.f_min, config.top_frequency]), config.mel_scale)
    ticks_hz = [one for one in TICKS_HZ if config.f_min <= one <= config.top_frequency][-5:]
    mels = hz_to_mel(np.array(ticks_hz, dtype=np.float64), config.mel_scale)
    return ((mels - low) / (high - low)).tolist(), [f"{one:,}" for one in ticks_hz]
