"""The middles of windows, which place the boundaries of segments, judged where there may be one."""

from collections.abc import Callable

import numpy as np
from scipy.ndimage import binary_dilation

from earmark.features.windows import cut_middles
from earmark.system.shapes import Float32

Mels = Float32[np.ndarray, "_windows mels frames"]
Shares = Float32[np.ndarray, "_windows labels"]


class BoundaryRefiner:
    """What the middles of windows say, where boundaries may be, and whole windows elsewhere.

    A boundary lies where neighbouring windows choose other labels, or near there. Windows wait
    until it is known what so many after them choose.

    Args:
        share: How much of a window its middle is.
        reach: How many windows from such a place a middle is judged.
        say: Probabilities of the labels of windows.
        choose: What is chosen by them, a row a window.
    """

    def __init__(
        self,
        share: float,
        reach: int,
        *,
        say: Callable[[Mels], Shares],
        choose: Callable[[Shares], np.ndarray],
    ) -> None:
        self._share, self._reach, self._say, self._choose = share, reach, say, choose
        self._waiting: tuple[Mels, Shares, np.ndarray] | None = None
        self._said: list[Shares] = []

    def add(self, windows: Mels, whole: Shares) -> None:
        """Takes the next windows.

        Args:
            windows: In the order of time.
            whole: What they say.
        """
        chosen = self._choose(whole)
        if self._waiting is not None:
            windows, whole, chosen = map(
                np.concatenate, zip(self._waiting, (windows, whole, chosen), strict=True)
            )
        self._pass_on(windows, whole, chosen, max(0, len(windows) - self._reach))

    def finish(self) -> Shares | None:
        """What is said at each window; None if there was none."""
        if self._waiting is None:
            return None
        self._pass_on(*self._waiting, len(self._waiting[0]))
        return np.concatenate(self._said)

    def _pass_on(self, windows: Mels, whole: Shares, chosen: np.ndarray, count: int) -> None:
        """Decides on the first windows that wait; what they chose is kept while it matters."""
        changes = np.zeros(len(chosen), bool)
        changes[1:] = (chosen[1:] != chosen[:-1]).any(axis=1)
        first = len(chosen) - len(windows)
        near = binary_dilation(changes, np.ones(2 * self._reach + 1, bool))[first : first + count]
        said = whole[:count].copy()
        if near.any():
            said[near] = self._say(cut_middles(windows[:count][near], self._share))
        self._said.append(said)
        kept_from = max(0, first + count - self._reach - 1)
        self._waiting = windows[count:], whole[count:], chosen[kept_from:]
