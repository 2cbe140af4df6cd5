import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.ndimage import binary_dilation

from earmark.features.windows import cut_middles
from earmark.inference.segmentation.boundaries import BoundaryRefiner

FRAMES, SHARE = 10, 0.3


def said(windows):
    """What windows say here: the mean of their frames, of two labels."""
    share = windows.mean(axis=(1, 2))
    return np.stack([share, 1 - share], axis=1).astype(np.float32)


def make_windows(values):
    """Windows whose middles hold more than the rest."""
    windows = np.tile(np.float32(values)[:, None, None], (1, 2, FRAMES))
    windows[:, :, 4:7] += np.float32(0.25)
    return windows


def judge(windows, reach, sizes):
    asked = []

    def say(middles):
        asked.append(len(middles))
        return said(middles)

    middles = BoundaryRefiner(SHARE, reach, predict=say, choose=lambda shares: shares > 0.5)
    at = 0
    while at < len(windows):
        size = next(sizes)
        middles.add(windows[at : at + size], said(windows[at : at + size]))
        at += size
    return middles.finish(), sum(asked)


@given(
    st.lists(st.sampled_from([0.2, 0.4, 0.7]), min_size=1, max_size=60),
    st.integers(0, 6),
    st.lists(st.integers(1, 9), min_size=1, max_size=60),
)
def test_middles_are_judged_near_changes_whatever_the_batches(values, reach, sizes):
    windows = make_windows(values)
    whole = said(windows)
    chosen = whole > 0.5
    changes = np.zeros(len(windows), bool)
    changes[1:] = (chosen[1:] != chosen[:-1]).any(axis=1)
    near = binary_dilation(changes, np.ones(2 * reach + 1))
    expected = np.where(near[:, None], said(cut_middles(windows, SHARE)), whole)
    found, num_asked = judge(windows, reach, iter([*sizes, *[7] * len(windows)]))
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    assert num_asked == near.sum()


def test_where_nothing_changes_no_middle_is_judged():
    found, num_asked = judge(make_windows([0.2] * 40), 5, iter([8] * 5))
    assert num_asked == 0
    assert found == pytest.approx(said(make_windows([0.2] * 40)))


def test_without_windows_nothing_is_said():
    assert BoundaryRefiner(SHARE, 5, predict=said, choose=said).finish() is None
