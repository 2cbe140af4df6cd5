"""Pictures of clips: how they look to the network, and what in them decided."""

import matplotlib
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from earmark.config import FeatureConfig
from earmark.features.log_mel import hz_to_mel
from earmark.system.shapes import Float, Float16

SHOWN_RANGE_DB = 60.0
TICKS_HZ = (125, 250, 500, 1000, 2000, 4000, 8000, 16_000, 32_000)
_FOR, _AGAINST = "#ff8c1a", "#1a75ff"


def draw_example(
    frames: Float16[np.ndarray, "frames mels"],
    tiles: Float[np.ndarray, "rows columns"],
    config: FeatureConfig,
    start_seconds: float,
) -> Figure:
    """The log-mel values of a stretch, and below them, in grey, with what decided upon them.

    What spoke for the decision is orange, what spoke against it is blue, the stronger the more.

    Args:
        frames: The stretch.
        tiles: What each tile of it adds to the score, from low to high bands.
        config: The front end.
        start_seconds: Where the stretch starts in the clip.
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
    """Colours with opacities: the strongest tile hides what is below it almost."""
    colours = np.where(
        tiles[..., None] >= 0, matplotlib.colors.to_rgb(_FOR), matplotlib.colors.to_rgb(_AGAINST)
    )
    strength = np.abs(tiles) / (np.abs(tiles).max() or 1.0)
    return np.concatenate([colours, 0.9 * strength[..., None]], axis=-1)


def _frequency_ticks(config: FeatureConfig) -> tuple[list[float], list[str]]:
    """Places from 0 to 1 on the mel scale of the front end, and what stands there."""
    low, high = hz_to_mel(np.array([config.f_min, config.top_frequency]), config.mel_scale)
    chosen = [one for one in TICKS_HZ if config.f_min <= one <= config.top_frequency][-5:]
    places = (hz_to_mel(np.array(chosen, dtype=np.float64), config.mel_scale) - low) / (high - low)
    return places.tolist(), [f"{one:,}" for one in chosen]
