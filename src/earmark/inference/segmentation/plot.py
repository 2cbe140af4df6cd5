"""Pictures of what is heard when."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import FuncFormatter, MultipleLocator

from earmark.figures import BLUE, shown
from earmark.inference.segmentation.overview import Overview
from earmark.inference.segmentation.segments import Segment

_LANE_COLOURS = (
    *("#0072b2", "#e69f00", "#009e73", "#d55e00", "#56b4e9", "#cc79a7", "#999999", "#f0e442"),
)
"""Okabe and Ito (2008), Color universal design: told apart by people who are colour-blind."""
_TICK_SECONDS = (
    *(0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30),
    *(60, 120, 300, 600, 900, 1800, 3600, 7200, 14_400, 43_200),
)


def draw_timeline(
    overview: Overview, lanes: Mapping[str, Sequence[Segment]], labels: Sequence[str]
) -> Figure:
    """The waveform of a recording, its log-mel values, and its segments in lanes below.

    Args:
        overview: The recording.
        lanes: Name of each lane to its segments, as `Timeline.by_lane`.
        labels: The vocabulary; a label has the same colour in every picture of a model.
    """
    lane_inches = 0.32 * len(lanes)
    figure = Figure(figsize=(12.0, 3.6 + lane_inches), layout="constrained")
    FigureCanvasAgg(figure)
    wave, mels, below = figure.subplots(3, 1, sharex=True, height_ratios=(1.1, 1.7, lane_inches))
    end = overview.duration_seconds
    times = np.linspace(0.0, end, len(overview.lowest), endpoint=False)
    wave.fill_between(times, overview.lowest, overview.highest, step="post", color=BLUE, lw=0)
    peak = max(float(np.abs([overview.lowest, overview.highest]).max()), 1e-3)
    wave.set(xlim=(0.0, end), ylim=(-1.05 * peak, 1.05 * peak), ylabel="waveform")
    loudest = float(overview.log_mel.max())
    mels.imshow(
        overview.log_mel, origin="lower", aspect="auto", interpolation="nearest", cmap="magma",
        extent=(0.0, end, 0.0, len(overview.log_mel)), vmin=loudest - 80.0, vmax=loudest,
    )  # fmt: skip
    mels.set(ylabel="mel band")
    _draw_lanes(below, lanes, labels)
    below.set(xlabel="time (h:mm:ss)" if end >= 3600 else "time (m:ss)")
    step = next((one for one in _TICK_SECONDS if end / one <= 13), _TICK_SECONDS[-1])
    below.xaxis.set_major_locator(MultipleLocator(step))
    below.xaxis.set_major_formatter(FuncFormatter(lambda seconds, _: _clock(seconds, end)))
    for axes in (wave, mels, below):
        axes.spines[["top", "right"]].set_visible(False)
    return figure


def _draw_lanes(axes: Any, lanes: Mapping[str, Sequence[Segment]], labels: Sequence[str]) -> None:
    colours = {label: _LANE_COLOURS[at % len(_LANE_COLOURS)] for at, label in enumerate(labels)}
    for height, segments in enumerate(lanes.values()):
        for label in dict.fromkeys(one.label for one in segments):
            spans = [(one.start, one.end - one.start) for one in segments if one.label == label]
            axes.broken_barh(spans, (height - 0.4, 0.8), color=colours[label], lw=0)
    names = [shown(lane) for lane in lanes]
    axes.set_yticks(range(len(lanes)), names, parse_math=False)
    axes.set_ylim(len(lanes) - 0.5, -0.5)
    axes.tick_params(axis="y", length=0)
    if len(lanes) == 1:
        patches = [Patch(color=colours[label], label=shown(label)) for label in labels]
        legend = axes.legend(
            handles=patches, loc="upper left", bbox_to_anchor=(0.0, -1.2), frameon=False,
            ncols=6, borderaxespad=0.0, fontsize="small",
        )  # fmt: skip
        for text in legend.get_texts():
            text.set_parse_math(False)


def _clock(seconds: float, end: float) -> str:
    """Minutes and seconds, and hours where the recording has some."""
    minutes, rest = divmod(round(seconds, 1), 60)
    shown = f"{rest:04.1f}" if end < 10 else f"{rest:02.0f}"
    hours = f"{int(minutes) // 60}:" if end >= 3600 else ""
    return f"{hours}{int(minutes) % 60:02d}:{shown}" if hours else f"{int(minutes)}:{shown}"
