"""The middles of windows, which place the boundaries of segments."""

from collections.abc import Callable

import numpy as np

from earmark.features.windows import cut_middles
from earmark.system.shapes import Bool, Float32

Mels = Float32[np.ndarray, "_windows mels frames"]
Probabilities = Float32[np.ndarray, "_windows labels"]


class BoundaryRefiner:
    """Probabilities of the middles of windows near boundaries, and of whole windows elsewhere.

    A boundary lies near where neighbouring windows have different labels, so only the middles
    there are worth the time of the network. Windows wait until the labels of ``reach`` windows
    after them are known.

    Args:
        fraction: How much of a window its middle is.
        reach: How many windows from a change of label middles are predicted.
        predict: Probabilities of the labels of windows.
        choose: The labels chosen by probabilities, a row a window.
    """

    def __init__(
        self,
        fraction: float,
        reach: int,
        *,
        predict: Callable[[Mels], Probabilities],
        choose: Callable[[Probabilities], np.ndarray],
    ) -> None:
        self._fraction, self._reach, self._predict, self._choose = fraction, reach, predict, choose
        self._waiting: tuple[Mels, Probabilities, np.ndarray] | None = None
        self._done: list[Probabilities] = []

    def add(self, windows: Mels, whole: Probabilities) -> None:
        """Takes the next windows.

        Args:
            windows: In the order of time.
            whole: Their probabilities.
        """
        chosen = self._choose(whole)
        if self._waiting is not None:
            windows, whole, chosen = map(
                np.concatenate, zip(self._waiting, (windows, whole, chosen), strict=True)
            )
        self._refine(windows, whole, chosen, max(0, len(windows) - self._reach))

    def finish(self) -> Probabilities | None:
        """The probabilities at each window; None if there was none."""
        if self._waiting is None:
            return None
        self._refine(*self._waiting, len(self._waiting[0]))
        return np.concatenate(self._done)

    def _refine(self, windows: Mels, whole: Probabilities, chosen: np.ndarray, count: int) -> None:
        """Refines the first of the windows that wait; labels are kept for as long as they matter.

        Args:
            windows: Those that wait.
            whole: Their probabilities.
            chosen: Their labels, after those of windows that were refined before.
            count: How many windows to refine.
        """
        changes = np.zeros(len(chosen), bool)
        changes[1:] = (chosen[1:] != chosen[:-1]).any(axis=1)
        first = len(chosen) - len(windows)
        near = _dilate(changes, self._reach)[first : first + count]
        refined = whole[:count].copy()
        if near.any():
            refined[near] = self._predict(cut_middles(windows[:count][near], self._fraction))
        self._done.append(refined)
        kept_from = max(0, first + count - self._reach - 1)
        self._waiting = windows[count:], whole[count:], chosen[kept_from:]


def _dilate(marks: Bool[np.ndarray, " places"], reach: int) -> Bool[np.ndarray, " places"]:
    """True within ``reach`` places of a mark."""
    counts = np.concatenate([[0], np.cumsum(marks)])
    places = np.arange(len(marks))
    last = np.minimum(places + reach + 1, len(marks))
    return counts[last] > counts[np.maximum(places - reach, 0)]
