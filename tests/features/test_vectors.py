"""Vectors as frames: those that the file gives for each window, however the sound comes."""

import pickle

import numpy as np
import pytest

from earmark.config import FeatureConfig
from earmark.errors import CheckpointError
from earmark.features.embedder import EmbedderRequest, inspect_embedder
from earmark.features.log_mel import LogMel, extract_blocks, round_frames
from earmark.features.store import FeatureStore
from earmark.features.vectors import make_front_end, require_embedder
from earmark.features.windows import window_starts

RATE = 8000
LOG_MEL = FeatureConfig(sample_rate=RATE, n_mels=6)
SHAPES = {"waveform": ["batch", 1000], "single": [1000], "log_mel": ["batch", 6, 9]}


@pytest.fixture(params=SHAPES)
def kind(request):
    return request.param


@pytest.fixture
def features(kind, tmp_path, write_embedder):
    """Settings of a front end, and the matrix of its embedder."""
    path = tmp_path / "e.onnx"
    weights = write_embedder(path, SHAPES[kind], sample_rate=RATE)
    return FeatureConfig(
        embedder=inspect_embedder(EmbedderRequest(path, features=LOG_MEL))
    ), weights


def expected_vectors(kind, samples, weights):
    """By a matrix product; windows lie end to end and the last one ends with the sound."""
    values, length = samples[:, None], 1000
    if kind == "log_mel":
        values, length = np.concatenate(list(round_frames(LogMel(LOG_MEL).stream([samples])))), 9
    starts = window_starts(len(values), length, 0.0)
    windows = [np.resize(values[one : one + length], (length, values.shape[1])) for one in starts]
    return np.abs(np.stack([one.T.astype(np.float32).ravel() for one in windows]) @ weights)


@pytest.mark.parametrize("num_samples", [400, 1000, 1001, 5555, 16_000])
def test_vectors_are_those_of_windows_end_to_end(kind, features, num_samples, rng):
    config, weights = features
    samples = rng.normal(0, 0.1, num_samples).astype(np.float32)
    front_end = make_front_end(config)
    found = front_end(samples)
    np.testing.assert_allclose(found.T, expected_vectors(kind, samples, weights), rtol=1e-3)
    assert found.shape == (4, config.num_frames(num_samples))
    for sizes in ([1] * 7, [999, 1, 3], [num_samples // 2]):
        blocks = np.split(samples, np.cumsum(sizes))
        for eager in (False, True):
            streamed = np.concatenate(list(front_end.stream(iter(blocks), eager=eager)))
            np.testing.assert_allclose(streamed, found.T, rtol=1e-4)


def test_live_sound_gives_a_vector_as_soon_as_its_window_is_there(tmp_path, write_embedder):
    write_embedder(tmp_path / "e.onnx", ["batch", 1000], sample_rate=RATE)
    embedder = inspect_embedder(EmbedderRequest(tmp_path / "e.onnx"))
    sent = []

    def blocks():
        for _ in range(25):
            sent.append(100)
            yield np.ones(100, np.float32)

    front_end = make_front_end(FeatureConfig(embedder=embedder))
    assert [sum(sent) for _ in front_end.stream(blocks(), eager=True)] == [1000, 2000, 2500]


def test_times_are_those_of_the_windows(kind, features):
    config, _ = features
    hop = {"log_mel": 9 * LOG_MEL.hop_length}.get(kind, 1000)
    assert (config.sample_rate, config.hop_length, config.n_mels) == (RATE, hop, 4)
    assert config.span_seconds(range(1, 3), 100.0) == (hop / RATE, 3 * hop / RATE)
    # The last window reaches back; it ends where the sound ends.
    end = (2 * hop + 10) / RATE
    assert config.span_seconds(range(1, 3), end) == (hop / RATE, end)
    assert config.span_seconds(range(2, 3), end) == (end - config.embedder.window_seconds, end)


def test_the_store_knows_features_by_the_embedder_and_not_by_its_place(features, tmp_path):
    config, _ = features
    embedder = config.embedder.model_copy(update={"file": "elsewhere.onnx", "licence": "CC0"})
    moved = config.model_copy(update={"embedder": embedder})
    other = config.model_copy(update={"embedder": embedder.model_copy(update={"digest": "0"})})
    folders = [FeatureStore(tmp_path, one).folder for one in (config, moved, other)]
    assert folders[0] == folders[1] != folders[2]
    assert FeatureStore(tmp_path, LOG_MEL).folder not in folders


def test_processes_open_the_file_anew(features, rng):
    config, _ = features
    front_end, samples = make_front_end(config), rng.normal(size=3000)
    expected = front_end(samples)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(front_end))(samples), expected)


def test_another_file_in_its_place_is_refused(features, write_embedder):
    config, _ = features
    path = config.embedder.file
    write_embedder(path, ["batch", 1000], dimensions=5, sample_rate=RATE)
    with pytest.raises(CheckpointError, match=path):
        require_embedder(make_front_end(config))
    moved = config.embedder.model_copy(update={"file": f"{path}.gone"})
    with pytest.raises(CheckpointError, match="gone"):
        require_embedder(make_front_end(FeatureConfig(embedder=moved)))


def test_vectors_that_float16_cannot_hold_are_an_error(tmp_path, write_embedder):
    write_embedder(tmp_path / "e.onnx", ["batch", 1000], sample_rate=RATE)
    embedder = inspect_embedder(EmbedderRequest(tmp_path / "e.onnx"))
    front_end = make_front_end(FeatureConfig(embedder=embedder))
    with pytest.raises(CheckpointError, match="65504"):
        extract_blocks([np.full(1000, 1e6, np.float32)], front_end)
