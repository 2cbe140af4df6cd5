"""The middles of windows, which place the boundaries of segments, judged where there may be one."""

from collections.abc import Callable

import numpy as np
from jaxtyping import Float32
from scipy.ndimage import binary_dilation

from earmark.windows import cut_middles

Mels = Float32[np.ndarray, "_windows mels frames"]
Shares = Float32[np.ndarray, "_windows labels"]


class Middles:
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
        self._waiting: tuple[Mels, Shares] | None = None
        self._chosen: np.ndarray | None = None
        self._said: list[Shares] = []

    def add(self, windows: Mels, whole: Shares) -> None:
        """Takes the next windows.

        Args:
            windows: In the order of time.
            whole: What they say.
        """
        chosen = self._choose(whole)
        if self._waiting is not None and self._chosen is not None:
            windows = np.concatenate([self._waiting[0], windows])
            whole = np.concatenate([self._waiting[1], whole])
            chosen = np.concatenate([self._chosen, chosen])
        self._waiting, self._chosen = (windows, whole), chosen
        self._pass_on(len(windows) - self._reach)

    def finish(self) -> Shares | None:
        """What is said at each window; None if there was none."""
        if self._waiting is None:
            return None
        self._pass_on(len(self._waiting[0]))
        return np.concatenate(self._said)

    def _pass_on(self, count: int) -> None:
        """Decides on the first windows that wait; what they chose is kept while it matters."""
        assert self._waiting is not None
        assert self._chosen is not None
        if count <= 0:
            return
        windows, whole = self._waiting
        changes = np.zeros(len(self._chosen), bool)
        changes[1:] = (self._chosen[1:] != self._chosen[:-1]).any(axis=1)
        near = binary_dilation(changes, np.ones(2 * self._reach + 1, bool))
        first = len(self._chosen) - len(windows)
        near = near[first : first + count]
        said = whole[:count].copy()
        if near.any():
            said[near] = self._say(cut_middles(windows[:count][near], self._share))
        self._said.append(said)
        self._waiting = windows[count:], whole[count:]
        self._chosen = self._chosen[max(0, first + count - self._reach - 1) :]
