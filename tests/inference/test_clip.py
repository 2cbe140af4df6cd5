import numpy as np
import pytest

from earmark.config import load_config
from earmark.features.levels import peak_level_db
from earmark.features.windows import EVALUATION_BATCH, cut_window, window_starts
from earmark.inference.clip import ClipPredictor, decide_windows
from earmark.models.spec import ModelSpec


def backend(windows):
    return windows.mean(axis=(1, 2))[:, None] / 10 + 4


@pytest.fixture
def frames(rng):
    return rng.normal(-40, 15, (51 * 150 + 13, 40)).astype(np.float16)


@pytest.mark.parametrize("pooling", ["mean", "max", "attention"])
@pytest.mark.parametrize("length", [20, 51, 700, 51 * 150 + 13])
def test_a_clip_is_predicted_from_the_pooled_logits_of_its_windows(frames, pooling, length):
    spec = ModelSpec(load_config(settings=[f"predict.pooling={pooling}"]), ("a", "b"), 51)
    frames = frames[:length]
    found = ClipPredictor(spec, backend).add(frames).finish()
    windows = np.stack([cut_window(frames, one, 51) for one in window_starts(length, 51, 0.0)])
    logits = spec.rule.pool(backend(windows), np.zeros(len(windows), np.int64))
    expected = spec.rule.decide(logits, np.array([peak_level_db(frames, spec.config.features)]))
    np.testing.assert_allclose(found.probabilities, expected.probabilities, rtol=1e-6)
    assert found.abstained == expected.abstained


def test_groups_of_any_size_give_the_same_bits(frames):
    spec, sizes = ModelSpec(load_config(), ("a", "b"), 51), []

    def counted(windows):
        sizes.append(len(windows))
        return backend(windows)

    whole = ClipPredictor(spec, counted).add(frames).finish()
    in_groups = ClipPredictor(spec, counted)
    for group in np.array_split(frames, 97):
        in_groups.add(group)
    np.testing.assert_array_equal(in_groups.finish().probabilities, whole.probabilities)
    assert sizes == [EVALUATION_BATCH, EVALUATION_BATCH, 23] * 2


def test_a_silent_clip_has_no_label_and_one_loud_frame_is_not_silence():
    spec = ModelSpec(load_config(), ("a", "b"), 51)
    frames = np.full((500, 40), -100.0, np.float16)
    assert ClipPredictor(spec, backend).add(frames).finish().abstained == ("silence",)
    frames[300] = -20.0
    assert ClipPredictor(spec, backend).add(frames).finish().abstained == (None,)
    windows = np.stack([frames[:51].T, frames[290:341].T]).astype(np.float32)
    assert decide_windows(spec, backend, windows).abstained == ("silence", None)
