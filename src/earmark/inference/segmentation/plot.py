"""Pictures of recordings and their segments."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import FuncFormatter, MultipleLocator

from earmark.audio.downmix import Downmix, Samples
from earmark.audio.reading import stream_audio
from earmark.config import FeatureConfig
from earmark.features.log_mel import LogMel
from earmark.figures import BLUE, shown, to_png, to_svg
from earmark.inference.notebook import label_colours
from earmark.inference.predictions import Prediction
from earmark.inference.segmentation.formats import Timeline
from earmark.inference.segmentation.segments import Segment
from earmark.system.shapes import Float32, Float64, Int

MAX_COLUMNS = 1200
_TICK_SECONDS = (
    *(0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30),
    *(60, 120, 300, 600, 900, 1800, 3600, 7200, 14_400, 43_200),
)


@dataclass(frozen=True)
class Overview:
    """A recording in columns of equal length, as many as a picture is wide.

    Args:
        duration_seconds: Length of all columns.
        lowest: Smallest sample of each column.
        highest: Largest sample of each column.
        log_mel: Mean over its frames of each band, in decibels.
    """

    duration_seconds: float
    lowest: Float32[np.ndarray, " columns"]
    highest: Float32[np.ndarray, " columns"]
    log_mel: Float64[np.ndarray, "mels columns"]


def make_overview(path: Path, log_mel: LogMel, duration_seconds: float) -> Overview:
    """Decodes a recording, in a fixed amount of memory.

    Args:
        path: Any sound file.
        log_mel: The front end.
        duration_seconds: Length of the recording, as in its prediction.

    Raises:
        AudioError: As `earmark.audio.reading.stream_audio`.
    """
    config = log_mel.config
    num_samples = round(duration_seconds * config.sample_rate)
    total_frames = config.num_frames(num_samples)
    num_columns = min(MAX_COLUMNS, total_frames)
    lowest = np.full(num_columns, np.inf, np.float32)
    highest = np.full(num_columns, -np.inf, np.float32)
    sums = np.zeros((num_columns, config.n_mels))
    counts = np.zeros((num_columns, 1))

    def measured() -> Iterator[Samples]:
        position = 0
        for block in stream_audio(path, config.sample_rate, downmix=Downmix(config.channel)):
            columns = _columns(position, len(block), num_samples, num_columns)
            np.minimum.at(lowest, columns, block)
            np.maximum.at(highest, columns, block)
            position += len(block)
            yield block

    num_frames = 0
    for frames in log_mel.stream(measured()):
        columns = _columns(num_frames, len(frames), total_frames, num_columns)
        np.add.at(sums, columns, frames)
        np.add.at(counts, columns, 1.0)
        num_frames += len(frames)
    return Overview(duration_seconds, lowest, highest, (sums / counts).T)


def _columns(first: int, count: int, total: int, num_columns: int) -> Int[np.ndarray, " count"]:
    """The column of each of some consecutive samples or frames."""
    return np.minimum(np.arange(first, first + count) * num_columns // total, num_columns - 1)


def draw_prediction(
    prediction: Prediction, config: FeatureConfig, image_format: str
) -> bytes | str:
    """Draws a recording and its segments; decodes the recording again.

    Args:
        prediction: With segments, of a file.
        config: The front end, for the log-mel values.
        image_format: ``png`` (gives bytes) or ``svg`` (gives text).

    Raises:
        AudioError: The recording can no longer be decoded.
    """
    if config.embedder is not None:
        # Vectors show nothing.
        config = FeatureConfig(sample_rate=config.sample_rate, channel=config.channel)
    overview = make_overview(prediction.path, LogMel(config), prediction.duration_seconds)
    lanes = Timeline.from_prediction(prediction).by_lane()
    figure = draw_timeline(overview, lanes, prediction.answers)
    return to_png(figure) if image_format == "png" else to_svg(figure)


def draw_timeline(
    overview: Overview, lanes: Mapping[str, Sequence[Segment]], labels: Sequence[str]
) -> Figure:
    """Draws the waveform of a recording, its log-mel values, and its segments in lanes below.

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
    colours = label_colours(labels)
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
    text = f"{rest:04.1f}" if end < 10 else f"{rest:02.0f}"
    hours = f"{int(minutes) // 60}:" if end >= 3600 else ""
    return f"{hours}{int(minutes) % 60:02d}:{text}" if hours else f"{int(minutes)}:{text}"
