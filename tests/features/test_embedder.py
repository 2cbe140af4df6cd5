"""ONNX files as embedders: what they take is found out, and what does not fit is refused."""

import numpy as np
import pytest

from earmark.config import FeatureConfig
from earmark.errors import CheckpointError, ConfigError
from earmark.features.embedder import EmbedderRequest, EmbedderSession, inspect_embedder

FRONT_END = FeatureConfig(sample_rate=8000, n_mels=6)


@pytest.mark.parametrize(
    ("shape", "takes", "length"),
    [
        (["batch", 4000], "waveform", 4000),
        ([1, 4000], "waveform", 4000),
        ([3, 4000], "waveform", 4000),
        ([4000], "waveform", 4000),
        (["batch", 1, 4000], "waveform", 4000),
        (["batch", 1, 6, 9], "log_mel", 9),
        (["batch", 6, 9], "log_mel", 9),
        (["batch", 9, 6], "log_mel", 9),
    ],
)
def test_windows_of_every_shape_are_run_as_a_matrix_product_says(
    tmp_path, write_embedder, shape, takes, length
):
    path = tmp_path / "e.onnx"
    weights = write_embedder(path, shape, sample_rate=8000, licence="CC0")
    config = inspect_embedder(EmbedderRequest(path, features=FRONT_END))
    assert (config.takes, config.window_length, config.dimensions) == (takes, length, 4)
    assert (config.sample_rate, config.licence) == (8000, "CC0")
    bands = 6 if takes == "log_mel" else 1
    windows = np.random.default_rng(0).normal(size=(5, bands, length)).astype(np.float32)
    rows = windows.transpose(0, 2, 1) if shape[1:] == [9, 6] else windows
    expected = np.abs(rows.reshape(5, -1) @ weights)
    np.testing.assert_allclose(EmbedderSession.open(config)(windows), expected, rtol=1e-4)


def test_the_length_of_windows_is_given_or_stated_or_asked_for(tmp_path, write_embedder):
    path = tmp_path / "e.onnx"
    # The graph needs 4000 samples, but its input does not say so.
    weights = write_embedder(path, ["batch", 4000], sample_rate=8000)
    import onnx

    model = onnx.load(path)
    model.graph.input[0].type.tensor_type.shape.dim[1].dim_param = "samples"
    onnx.save(model, path)
    with pytest.raises(ConfigError, match="--embedder-window"):
        inspect_embedder(EmbedderRequest(path))
    config = inspect_embedder(EmbedderRequest(path, window_seconds=0.5))
    assert (config.window_length, config.window_seconds) == (len(weights), 0.5)
    with pytest.raises(CheckpointError, match="cannot be run"):
        inspect_embedder(EmbedderRequest(path, window_seconds=0.4))


@pytest.mark.parametrize(
    ("shape", "metadata", "given", "error"),
    [
        (["batch", 4000], {}, {}, ConfigError),
        (["batch", 4000], {"sample_rate": 8000}, {"sample_rate": 16_000}, ConfigError),
        (["batch", 4000], {"sample_rate": "fast"}, {}, CheckpointError),
        (["batch", 4000], {"sample_rate": 8000}, {"window_seconds": 1.0}, ConfigError),
        (["batch", 4000], {"sample_rate": 8000}, {"window_seconds": -1.0}, ConfigError),
        (["batch", 4000], {"sample_rate": 8000}, {"output": "no"}, ConfigError),
        (["batch", 1, 7, 9], {"sample_rate": 8000}, {}, ConfigError),
        (["batch", 1, 6, 9], {"sample_rate": 16_000}, {}, ConfigError),
        # 7 bands, or 7 frames of the 6 bands of the settings?
        (["batch", "frames", 7], {"sample_rate": 8000}, {}, ConfigError),
        (["batch", 2, 6, 9], {"sample_rate": 8000}, {}, ConfigError),
        (["batch", 1, 1, 1, 9], {"sample_rate": 8000}, {}, CheckpointError),
    ],
)
def test_what_does_not_fit_is_refused(tmp_path, write_embedder, shape, metadata, given, error):
    write_embedder(tmp_path / "e.onnx", shape, **metadata)
    with pytest.raises(error):
        inspect_embedder(EmbedderRequest(tmp_path / "e.onnx", features=FRONT_END, **given))


def test_files_that_are_no_embedder_are_refused(tmp_path, write_embedder):
    path = tmp_path / "e.onnx"
    with pytest.raises(CheckpointError):
        inspect_embedder(EmbedderRequest(path))
    path.write_bytes(b"no")
    with pytest.raises(CheckpointError):
        inspect_embedder(EmbedderRequest(path))
    write_embedder(path, ["batch", 4000], more_outputs=["scores"], sample_rate=8000)
    assert inspect_embedder(EmbedderRequest(path)).output == "embedding"
    assert inspect_embedder(EmbedderRequest(path, output="scores")).output == "scores"


def test_another_file_in_its_place_is_refused(tmp_path, write_embedder):
    path = tmp_path / "e.onnx"
    write_embedder(path, ["batch", 4000], sample_rate=8000)
    config = inspect_embedder(EmbedderRequest(path))
    write_embedder(path, ["batch", 4000], 5, sample_rate=8000)
    with pytest.raises(CheckpointError):
        EmbedderSession.open(config)


def test_vectors_that_depend_on_the_batch_are_refused(tmp_path):
    import onnx
    from onnx import parser

    model = parser.parse_model(
        """<ir_version: 10, opset_import: ["" : 18]>
        mixed (float[batch, 100] sound) => (float[batch, 100] embedding) {
            axis = Constant <value_ints = [0]> ()
            mean = ReduceMean (sound, axis)
            embedding = Sub (sound, mean)
        }"""
    )
    onnx.save(model, tmp_path / "e.onnx")
    with pytest.raises(CheckpointError, match="batch"):
        inspect_embedder(EmbedderRequest(tmp_path / "e.onnx", sample_rate=8000))
