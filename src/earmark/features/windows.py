"""Windows of clips: where they lie and how long they are."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np

from earmark.config import Config, FeatureConfig
from earmark.features.log_mel import LogMel
from earmark.system.shapes import Float, Float32

SHORTEST_WINDOW_SECONDS = 1.0
EVALUATION_BATCH = 64
"""Windows in a batch of prediction."""

WindowLogits = Callable[[Float32[np.ndarray, "windows mels frames"]], np.ndarray]
"""A network: log-mel windows in decibels to a row of logits each; safe to call from threads."""


@runtime_checkable
class Grid(Protocol):
    """Where the windows of clips lie."""

    @property
    def num_frames(self) -> int:
        """Length of the windows."""
        ...

    def starts(self, clip_frames: int) -> list[int]:
        """First frame of each window of a clip of that many frames."""
        ...


@dataclass(frozen=True)
class WindowGrid:
    """Windows that cover a clip; the last one ends where the clip ends.

    Args:
        num_frames: Length of the windows.
        overlap: Fraction of a window that the next one repeats, in [0, 1).

    Example:
        >>> WindowGrid(100, 0.5).starts(250)
        [0, 50, 100, 150]
    """

    num_frames: int
    overlap: float = 0.0

    def starts(self, clip_frames: int) -> list[int]:
        """First frame of each window of a clip; one window if the clip is shorter than that."""
        return window_starts(clip_frames, self.num_frames, self.overlap)


@dataclass(frozen=True)
class ExcerptGrid:
    """Excerpts of one length, end to end from the start of a clip; a shorter rest is left out.

    Frames are centred, so those near the ends of an excerpt depend on its neighbours. Only the
    frames whose analysis window lies wholly inside are used::

        excerpt      |-------------------------------|      num_steps frames from one to the next
        frames          ^   ^   ^   ^   ^   ^   ^           each needs half a window on both sides
                     |--|                       |---|       margin frames at each end need more

    Args:
        num_steps: Length of an excerpt in steps of ``hop_length``.
        margin: The first frame that is used, counted from the start of an excerpt.

    Example:
        >>> ExcerptGrid(num_steps=50, margin=2).starts(130)
        [2, 52]
    """

    num_steps: int
    margin: int

    @classmethod
    def of_seconds(cls, seconds: float, config: FeatureConfig) -> "ExcerptGrid":
        """The grid of excerpts of a length, which is rounded to whole steps of the front end.

        Args:
            seconds: The length; longer than a window of the front end.
            config: The front end.

        Example:
            >>> ExcerptGrid.of_seconds(1.0, FeatureConfig())
            ExcerptGrid(num_steps=50, margin=2)
        """
        num_steps = round(seconds * config.sample_rate / config.hop_length)
        return cls(num_steps, margin=-(-config.win_length // (2 * config.hop_length)))

    @property
    def num_frames(self) -> int:
        """Frames that are used of each excerpt."""
        return self.num_steps - 2 * self.margin + 1

    def starts(self, clip_frames: int) -> list[int]:
        """First used frame of each excerpt; a clip shorter than an excerpt is one, from frame 0."""
        count = (clip_frames - 1) // self.num_steps
        return [self.margin + self.num_steps * index for index in range(count)] or [0]


def window_starts(num_frames: int, window_frames: int, overlap: float) -> list[int]:
    """First frames of the windows that cover a clip; the last one ends where the clip ends.

    Args:
        num_frames: Length of the clip.
        window_frames: Length of a window.
        overlap: Fraction of a window that the next one repeats, in [0, 1).

    Example:
        >>> window_starts(250, 100, 0.5)
        [0, 50, 100, 150]
    """
    if num_frames <= window_frames:
        return [0]
    step = window_step(window_frames, overlap)
    starts = list(range(0, num_frames - window_frames, step))
    return [*starts, num_frames - window_frames]


def window_step(window_frames: int, overlap: float) -> int:
    """Frames from the start of one window to the start of the next.

    Args:
        window_frames: Length of a window.
        overlap: Fraction of a window that the next one repeats, in [0, 1).
    """
    return max(1, round(window_frames * (1 - overlap)))


def stream_windows(
    groups: Iterable[Float[np.ndarray, "_ mels"]], window_frames: int, step_frames: int
) -> Iterator[tuple[list[range], Float32[np.ndarray, "windows mels window"]]]:
    """Cuts the windows of a clip whose frames come in groups, each as soon as it is complete.

    They equal those of `window_starts` and `cut_window`; only about a window of frames is held.

    Args:
        groups: Frames in order.
        window_frames: Length of a window.
        step_frames: Frames from the start of one window to the start of the next.

    Yields:
        The frames of the clip in each of some windows, and the windows.
    """
    held: np.ndarray | None = None
    first_held = start = 0
    for group in groups:
        held = group if held is None else np.concatenate([held, group])
        num_frames = first_held + len(held)
        if starts := range(start, num_frames - window_frames + 1, step_frames):
            cut = [cut_window(held, one - first_held, window_frames) for one in starts]
            yield [range(one, one + window_frames) for one in starts], np.stack(cut)
            start = starts[-1] + step_frames
        # The last window ends with the clip, wherever that may be.
        keep_from = max(first_held, min(start, num_frames - window_frames))
        first_held, held = keep_from, held[keep_from - first_held :]
    if held is None:
        return
    num_frames = first_held + len(held)
    last = max(0, num_frames - window_frames)
    if start == 0 or last > start - step_frames:
        window = cut_window(held, last - first_held, window_frames)
        yield [range(last, min(last + window_frames, num_frames))], window[None]


def cut_window(
    frames: Float[np.ndarray, "frames mels"], start: int, window_frames: int
) -> Float32[np.ndarray, "mels window"]:
    """One window, bands first; a clip that is shorter is repeated until it fills the window."""
    window = frames[start : start + window_frames].astype(np.float32)
    if len(window) < window_frames:
        window = np.resize(window, (window_frames, window.shape[1]))
    return window.T


def cut_middles(
    windows: Float32[np.ndarray, "windows mels frames"], fraction: float
) -> Float32[np.ndarray, "windows mels frames"]:
    """The middles of windows, each repeated until it fills a window, as short clips are.

    Args:
        windows: As `cut_window` gives them.
        fraction: Length of the middle as a fraction of the window; one frame at least.

    Example:
        >>> windows = np.arange(10, dtype=np.float32).reshape(1, 1, 10)
        >>> cut_middles(windows, 0.4)[0, 0]
        array([3., 4., 5., 6., 3., 4., 5., 6., 3., 4.], dtype=float32)
    """
    num_frames = windows.shape[2]
    length = max(1, round(num_frames * fraction))
    places = (num_frames - length) // 2 + np.arange(num_frames) % length
    return windows[:, :, places]


def choose_window_frames(lengths: Sequence[int], config: Config) -> int:
    """Length of the windows: ``train.crop_seconds``, or the longest clip when that is shorter.

    Clips that are all shorter than `SHORTEST_WINDOW_SECONDS` are repeated to fill that much.

    Args:
        lengths: Frames of each training clip.
        config: All settings.
    """
    shortest = LogMel(config.features).num_frames(
        round(SHORTEST_WINDOW_SECONDS * config.features.sample_rate)
    )
    return min(crop_frames(config), max(shortest, *lengths))


def crop_frames(config: Config) -> int:
    """Number of frames of ``train.crop_seconds``."""
    num_samples = round(config.train.crop_seconds * config.features.sample_rate)
    return LogMel(config.features).num_frames(num_samples)
