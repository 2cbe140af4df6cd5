"""Several models on the same files."""

import numpy as np
import onnx
import pytest
import soundfile

import earmark.features.front_ends
from earmark.audio.decoding import open_source
from earmark.config import load_config
from earmark.errors import ConfigError, FailedFile
from earmark.features.embedder import EmbedderRequest, inspect_embedder
from earmark.features.front_ends import stream_front_ends
from earmark.features.log_mel import LogMel, extract, join_features
from earmark.inference.classifier import Classifier
from earmark.inference.predict import predict
from earmark.inference.several import predict_with_all
from earmark.models.spec import ModelSpec
from earmark.training.recipes.vectors import with_embedder

SETTINGS = {
    "default": [],
    "other rate": ["features.sample_rate=22050", "features.hop_length=441"],
    "other bands": ["features.n_mels=24"],
    "other channel": ["features.channel=2"],
}


def log_mels(*names):
    return [LogMel(load_config(settings=SETTINGS[name]).features) for name in names]


@pytest.fixture
def stereo(tmp_path, rng):
    path = tmp_path / "a.flac"
    soundfile.write(path, 0.1 * rng.standard_normal((44_100 * 21, 2)).clip(-3, 3), 44_100)
    return path


def test_each_front_end_gets_what_it_gets_alone(stereo, monkeypatch):
    opened = []

    def count(path):
        opened.append(path)
        return open_source(path)

    monkeypatch.setattr(earmark.features.front_ends, "open_source", count)
    ends = log_mels(*SETTINGS)
    parts = list(stream_front_ends(stereo, ends))
    for number, log_mel in enumerate(ends):
        found = join_features([one.features for one in parts if one.front_end == number])
        expected = extract(stereo, log_mel)
        np.testing.assert_array_equal(found.frames, expected.frames)
        assert found.duration_seconds == expected.duration_seconds
    assert opened == [stereo]
    # None is more than one part behind.
    seconds = [0.0] * len(ends)
    for part in parts:
        longest = max(seconds)
        seconds[part.front_end] = part.features.duration_seconds
        assert min(seconds) >= longest - 15.0


@pytest.fixture
def models():
    def backend(weight):
        return lambda windows: weight * windows.mean(axis=(1, 2))[:, None]

    def model(name, weight):
        settings = [*SETTINGS[name], "predict.hop_seconds=0.5"]
        spec = ModelSpec(load_config(settings=settings), ("music", "speech"), 51)
        return Classifier(spec, backend(weight), name)

    return [model("default", 0.01), model("other rate", -0.02), model("default", -0.01)]


def test_every_model_predicts_as_it_does_alone(models, tmp_path, write_clip):
    files = [write_clip(tmp_path / f"{one}.wav", one, seed=one, kind="noise") for one in (1, 2, 9)]
    files.insert(1, tmp_path / "missing.wav")
    watched = []
    found = list(predict_with_all(models, files, segments=True, watch=watched.append))
    for number, model in enumerate(models):
        alone = list(model.predict_many(files, segments=True))
        assert [one[number] for one in found] == alone
    assert all(isinstance(one, FailedFile) for one in found[1])
    assert sum(watched) == pytest.approx(12)
    assert predict(models, files[0]) == [(*(one.predict(files[0]) for one in models),)]


def test_a_network_that_fails_fails_alone(models, tmp_path, write_clip):
    def broken(windows):
        return np.full((len(windows), 1), np.nan)

    models[1] = Classifier(models[1].spec, broken, "broken")
    [found] = predict_with_all(models, [write_clip(tmp_path / "a.wav", 3.0)])
    assert [type(one) is FailedFile for one in found] == [False, True, False]
    assert found[1].fault == "not_finite"


def test_an_embedder_that_fails_fails_alone(models, tmp_path, rng, write_embedder):
    write_embedder(tmp_path / "e.onnx", ["batch", 1000], sample_rate=8000)
    graph = onnx.load(tmp_path / "e.onnx")
    weights = next(one for one in graph.graph.initializer if one.name == "weights")
    scaled = 1e5 * onnx.numpy_helper.to_array(weights)
    weights.CopyFrom(onnx.numpy_helper.from_array(scaled, "weights"))
    onnx.save(graph, tmp_path / "e.onnx")
    embedder = inspect_embedder(EmbedderRequest(tmp_path / "e.onnx"))
    spec = ModelSpec(with_embedder(load_config(), embedder), ("music", "speech"), 1)
    models[0] = Classifier(spec, lambda windows: windows.mean(axis=2)[:, :1], "on vectors")
    files = [tmp_path / "quiet.wav", tmp_path / "loud.wav"]
    for path, level in zip(files, (0.0001, 0.1), strict=True):
        # The vectors of the loud one are beyond what float16 holds.
        soundfile.write(path, level * rng.standard_normal(16_000), 8000, subtype="FLOAT")
    found, failed = predict_with_all(models, files)
    assert not any(isinstance(one, FailedFile) for one in found)
    assert [type(one) is FailedFile for one in failed] == [True, False, False]
    assert failed[0].fault == "not_finite"


def test_no_model_at_all_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="no model"):
        predict([], tmp_path)
