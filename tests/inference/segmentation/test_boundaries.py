import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.ndimage import binary_dilation

from earmark.features.windows import cut_middles
from earmark.inference.segmentation.boundaries import BoundaryRefiner

FRAMES, FRACTION = 10, 0.3


def predict(windows):
    """Probabilities of two labels: the mean of a window, and the rest."""
    first = windows.mean(axis=(1, 2))
    return np.stack([first, 1 - first], axis=1).astype(np.float32)


def make_windows(values):
    """Windows whose middles have higher values than the rest."""
    windows = np.tile(np.float32(values)[:, None, None], (1, 2, FRAMES))
    windows[:, :, 4:7] += np.float32(0.25)
    return windows


def refine(windows, reach, sizes):
    counts = []

    def counted(middles):
        counts.append(len(middles))
        return predict(middles)

    refiner = BoundaryRefiner(FRACTION, reach, predict=counted, choose=lambda one: one > 0.5)
    at = 0
    while at < len(windows):
        size = next(sizes)
        refiner.add(windows[at : at + size], predict(windows[at : at + size]))
        at += size
    return refiner.finish(), sum(counts)


@given(
    st.lists(st.sampled_from([0.2, 0.4, 0.7]), min_size=1, max_size=60),
    st.integers(0, 6),
    st.lists(st.integers(1, 9), min_size=1, max_size=60),
)
def test_middles_are_predicted_near_changes_whatever_the_batches(values, reach, sizes):
    windows = make_windows(values)
    whole = predict(windows)
    chosen = whole > 0.5
    changes = np.zeros(len(windows), bool)
    changes[1:] = (chosen[1:] != chosen[:-1]).any(axis=1)
    near = binary_dilation(changes, np.ones(2 * reach + 1))
    expected = np.where(near[:, None], predict(cut_middles(windows, FRACTION)), whole)
    found, num_middles = refine(windows, reach, iter([*sizes, *[7] * len(windows)]))
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    assert num_middles == near.sum()


def test_where_nothing_changes_no_middle_is_predicted():
    found, num_middles = refine(make_windows([0.2] * 40), 5, iter([8] * 5))
    assert num_middles == 0
    assert found == pytest.approx(predict(make_windows([0.2] * 40)))


def test_without_windows_nothing_is_predict():
    assert BoundaryRefiner(FRACTION, 5, predict=predict, choose=predict).finish() is None
