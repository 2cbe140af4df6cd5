"""Windows of clips: where they lie and how long they are."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np

from earmark.config import Config, FeatureConfig
from earmark.system.shapes import Float, Float32

SHORTEST_WINDOW_SECONDS = 1.0
EVALUATION_BATCH = 64
"""Most windows in a batch of prediction."""
EVALUATION_VALUES = 1 << 22
"""Most values in such a batch, unless one window has more."""


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


def evaluation_batch(n_mels: int, window_frames: int) -> int:
    """Number of windows in a batch of prediction.

    Args:
        n_mels: Bands of a window.
        window_frames: Length of a window.

    Example:
        >>> evaluation_batch(40, 51), evaluation_batch(40, 10_000)
        (64, 10)
    """
    return max(1, min(EVALUATION_BATCH, EVALUATION_VALUES // (n_mels * window_frames)))


def window_step(window_frames: int, overlap: float) -> int:
    """Frames from the start of one window to the start of the next.

    Args:
        window_frames: Length of a window.
        overlap: Fraction of a window that the next one repeats, in [0, 1).
    """
    return max(1, round(window_frames * (1 - overlap)))


class WindowCutter:
    """Cuts the windows of a clip whose frames come in groups, as soon as their last frame is there.

    They are those of `window_starts` and `cut_window`; only about a window of frames is held.

    Args:
        window_frames: Length of a window.
        step_frames: Frames from the start of one window to the start of the next.

    Example:
        >>> cutter = WindowCutter(window_frames=4, step_frames=2)
        >>> cutter.add(np.zeros((7, 40)))[0]
        [range(0, 4), range(2, 6)]
        >>> cutter.finish()[0]
        [range(3, 7)]
    """

    def __init__(self, window_frames: int, step_frames: int) -> None:
        self._window_frames, self._step_frames = window_frames, step_frames
        self._held: np.ndarray | None = None
        self._first_held = self._start = 0

    def add(
        self, group: Float[np.ndarray, "_ mels"]
    ) -> tuple[list[range], Float32[np.ndarray, "windows mels window"]]:
        """The windows that the next frames of the clip complete; often none.

        Args:
            group: The next frames.

        Returns:
            The frames of the clip that each window is made of, and the windows.
        """
        held = group if self._held is None else np.concatenate([self._held, group])
        length, start = self._window_frames, self._start
        num_frames = self._first_held + len(held)
        starts = range(start, num_frames - length + 1, self._step_frames)
        windows = np.empty((len(starts), held.shape[1], length), np.float32)
        for window, one in zip(windows, starts, strict=True):
            window[:] = cut_window(held, one - self._first_held, length)
        if starts:
            self._start = starts[-1] + self._step_frames
        # The last window ends with the clip, wherever that may be.
        keep_from = max(self._first_held, min(self._start, num_frames - length))
        self._held = held[keep_from - self._first_held :]
        self._first_held = keep_from
        return [range(one, one + length) for one in starts], windows

    def finish(self) -> tuple[list[range], Float32[np.ndarray, "windows mels window"]]:
        """The last window, where the end of the clip needs one more; as `add`."""
        if self._held is None:
            return [], np.empty((0, 0, self._window_frames), np.float32)
        length = self._window_frames
        num_frames = self._first_held + len(self._held)
        last = max(0, num_frames - length)
        if self._start and last <= self._start - self._step_frames:
            return [], np.empty((0, self._held.shape[1], length), np.float32)
        window = cut_window(self._held, last - self._first_held, length)
        return [range(last, min(last + length, num_frames))], window[None]


def stream_windows(
    groups: Iterable[Float[np.ndarray, "_ mels"]], window_frames: int, step_frames: int
) -> Iterator[tuple[list[range], Float32[np.ndarray, "windows mels window"]]]:
    """The windows of a clip whose frames come in groups; see `WindowCutter`.

    Args:
        groups: Frames in order.
        window_frames: Length of a window.
        step_frames: Frames from the start of one window to the start of the next.

    Yields:
        The frames of the clip in each of some windows, and the windows.
    """
    cutter = WindowCutter(window_frames, step_frames)
    for group in groups:
        spans, windows = cutter.add(group)
        if spans:
            yield spans, windows
    spans, windows = cutter.finish()
    if spans:
        yield spans, windows


def batch_windows(
    stream: Iterable[tuple[list[range], Float32[np.ndarray, "windows bands length"]]], size: int
) -> Iterator[tuple[list[range], Float32[np.ndarray, "windows bands length"]]]:
    """The windows of `stream_windows` in batches of one size; the last may be smaller.

    Args:
        stream: Some windows at a time.
        size: Windows of a batch.

    Example:
        >>> stream = stream_windows([np.zeros((10, 40))], 4, 2)
        >>> [len(spans) for spans, _ in batch_windows(stream, 3)]
        [3, 1]
    """
    spans: list[range] = []
    waiting: list[np.ndarray] = []
    for more_spans, more in stream:
        spans += more_spans
        waiting += list(more)
        while len(waiting) >= size:
            yield spans[:size], np.stack(waiting[:size])
            del spans[:size], waiting[:size]
    if waiting:
        yield spans, np.stack(waiting)


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
    features = config.features
    shortest = features.num_frames(round(SHORTEST_WINDOW_SECONDS * features.sample_rate))
    return min(crop_frames(config), max(shortest, *lengths))


def crop_frames(config: Config) -> int:
    """Number of frames of ``train.crop_seconds``."""
    num_samples = round(config.train.crop_seconds * config.features.sample_rate)
    return config.features.num_frames(num_samples)
