"""Vectors of windows: those of the network, at the times of the windows, however sound comes."""

import numpy as np
import pytest
import soundfile
import torch

from earmark.audio.reading import load_audio
from earmark.config import FeatureConfig
from earmark.errors import AudioError, CheckpointError, ConfigError, FailedFile
from earmark.features.embedder import EmbedderRequest
from earmark.features.log_mel import LogMel, extract_blocks
from earmark.inference.classifier import Classifier, load_model
from earmark.inference.embedding import EmbeddedFile
from earmark.inference.open_embedder import open_model_embedder, open_other_embedder, reopen
from earmark.models.checkpoint import load_checkpoint
from earmark.models.spec import ModelSpec

RATE = 8000


@pytest.fixture(scope="module")
def classifier():
    return load_model("speech-music")


@pytest.fixture
def waveform_embedder(tmp_path, write_embedder):
    weights = write_embedder(tmp_path / "e.onnx", ["batch", RATE], sample_rate=RATE)
    return open_other_embedder(EmbedderRequest(tmp_path / "e.onnx")), weights


def test_vectors_are_what_the_last_layer_of_the_network_gets(sound_folder, write_run):
    run = write_run(sound_folder)
    checkpoint = load_checkpoint(run)
    path = sorted(sound_folder.rglob("*.wav"))[0]
    found = load_model(run).embed(path)
    frames = extract_blocks([load_audio(path).samples], LogMel(checkpoint.spec.config.features))
    length = checkpoint.spec.window_frames
    first = torch.from_numpy(frames.frames[:length].astype(np.float32).T)[None, None]
    with torch.inference_mode():
        expected = checkpoint.build().forward_embedding(first).numpy()
    np.testing.assert_allclose(found.vectors[:1], expected, rtol=1e-4, atol=1e-5)


@pytest.mark.slow
def test_pytorch_and_onnx_give_the_same_vectors(sound_folder, write_run, tmp_path):
    import earmark

    run = write_run(sound_folder)
    path = sorted(sound_folder.rglob("*.wav"))[0]
    expected = load_model(run).embed(path)
    for takes in ("waveform", "log-mel"):
        file = tmp_path / f"{takes}.onnx"
        earmark.export(run, file, takes=takes)
        found = load_model(file).embed(path)
        np.testing.assert_allclose(found.vectors, expected.vectors, rtol=1e-3, atol=1e-4)
        np.testing.assert_array_equal(found.start_seconds, expected.start_seconds)
    # The file is an embedder as any other: its settings are in it.
    opened = open_other_embedder(EmbedderRequest(tmp_path / "log-mel.onnx"))
    np.testing.assert_allclose(
        opened.embedder.embed(path).vectors, expected.vectors, rtol=1e-3, atol=1e-4
    )
    with pytest.raises(CheckpointError, match="front end"):
        open_other_embedder(EmbedderRequest(tmp_path / "waveform.onnx"))


def test_times_are_those_of_the_windows_and_end_with_the_sound(classifier):
    short = classifier.embed(np.zeros(8000, np.float32))
    assert short.start_seconds.tolist() == [0.0]
    assert short.end_seconds.tolist() == [0.5]
    long = classifier.embed(np.random.default_rng(0).normal(0, 0.1, 16_000 * 3 + 4000))
    assert long.start_seconds.tolist() == pytest.approx([0.0, 1.02, 2.04, 2.24])
    assert long.end_seconds[-1] == pytest.approx(3.24)
    hop = classifier.embedder(0.5).embed(np.zeros(32_000, np.float32))
    assert hop.start_seconds.tolist() == [0.0, 0.5, 1.0]


def test_files_in_parallel_give_the_vectors_of_each_alone(classifier, write_clip, tmp_path):
    paths = [write_clip(tmp_path / f"{n}.wav", 1.5 + 40 * (n == 1), seed=n) for n in range(3)]
    missing = tmp_path / "missing.wav"
    found = list(classifier.embedder().embed_many([*paths, missing]))
    assert isinstance(found[-1], FailedFile)
    for path, one in zip(paths, found, strict=False):
        assert isinstance(one, EmbeddedFile)
        alone = classifier.embed(path)
        for values, expected in zip(one.embeddings, alone, strict=True):
            np.testing.assert_array_equal(values, expected)
    assert found[1].duration_seconds == pytest.approx(41.5)


def test_a_file_that_takes_a_waveform_gets_the_samples_of_each_window(
    waveform_embedder, tmp_path, rng
):
    (embedder, _), weights = waveform_embedder
    samples = rng.uniform(-0.5, 0.5, 2 * RATE + 2000)
    paths = [tmp_path / name for name in ("a.wav", "b.wav")]
    for path in paths:
        soundfile.write(path, samples, RATE, subtype="FLOAT")
    starts = [0, RATE, RATE + 2000]
    exact = samples.astype(np.float32)
    expected = np.abs(np.stack([exact[one : one + RATE] for one in starts]) @ weights)
    for found in [embedder.embed(paths[0])] + [
        one.embeddings for one in embedder.embed_many(paths)
    ]:
        np.testing.assert_allclose(found.vectors, expected, rtol=1e-3)
        assert found.start_seconds.tolist() == [0.0, 1.0, 1.25]
        assert found.end_seconds.tolist() == [1.0, 2.0, 2.25]
    short = embedder.embed(samples[:5000])
    np.testing.assert_allclose(
        short.vectors, np.abs(np.resize(exact[:5000], RATE) @ weights)[None], rtol=1e-3
    )


def test_the_window_at_a_time_is_that_of_the_file(waveform_embedder, tmp_path, rng):
    (embedder, _), weights = waveform_embedder
    samples = rng.uniform(-0.5, 0.5, 3 * RATE)
    soundfile.write(tmp_path / "a.wav", samples, RATE, subtype="FLOAT")
    found = embedder.embed_window(tmp_path / "a.wav", 0.5).vectors
    expected = np.abs(samples[RATE // 2 :][:RATE].astype(np.float32) @ weights)
    np.testing.assert_allclose(found, expected[None], rtol=1e-3)
    with pytest.raises(AudioError):
        embedder.embed_window(tmp_path / "a.wav", 99.0)


def test_an_embedder_opens_again_from_its_facts(waveform_embedder, tmp_path, rng, write_embedder):
    opened, _ = waveform_embedder
    sound = rng.uniform(-0.5, 0.5, RATE)
    again = reopen(opened.facts)
    np.testing.assert_array_equal(again.embed(sound)[2], opened.embedder.embed(sound)[2])
    write_embedder(tmp_path / "e.onnx", ["batch", RATE], 3, sample_rate=RATE)
    with pytest.raises(CheckpointError):
        reopen(opened.facts)
    model = open_model_embedder("speech-music", hop_seconds=0.5)
    assert reopen(model.facts).framing == model.embedder.framing
    with pytest.raises(CheckpointError):
        reopen({**model.facts, "digest": "other"})
    with pytest.raises(ConfigError):
        reopen({})


def test_a_model_without_embeddings_or_with_values_that_are_not_finite_is_refused():
    from earmark.config import Config

    spec = ModelSpec(Config(), ("music", "speech"), window_frames=51)
    plain = Classifier(spec, lambda windows: np.ones((len(windows), 1)))
    with pytest.raises(CheckpointError):
        plain.embed(np.zeros(16_000, np.float32))


def test_the_rate_of_samples_is_theirs_and_that_of_a_file_its_own(classifier, write_clip, tmp_path):
    path = write_clip(tmp_path / "a.wav", 2.0, sample_rate=16_000)
    samples, _ = soundfile.read(path)
    np.testing.assert_allclose(
        classifier.embed(samples, sample_rate=16_000).vectors, classifier.embed(path).vectors
    )
    with pytest.raises(ConfigError):
        classifier.embed(path, sample_rate=16_000)
    with pytest.raises(ConfigError):
        classifier.embedder(0.0)
    assert FeatureConfig().sample_rate == classifier.sample_rate
