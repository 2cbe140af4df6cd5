"""The score of novelty, from training to every way of prediction."""

from dataclasses import replace

import numpy as np
import pytest
import soundfile
import torch

from earmark.config import load_config
from earmark.data.manifest import read_manifest
from earmark.evaluation.evaluate import evaluate_checkpoint
from earmark.exporters.targets import export
from earmark.inference.classifier import load_model
from earmark.inference.onnx_backend import EMBEDDING, LOG_MEL, LOGITS, NOVELTY, start_session
from earmark.models.checkpoint import Checkpoint, load_checkpoint
from earmark.system.runtime import Runtime
from earmark.tasks.false_alarms import NO_SCORES
from earmark.training.train import train

CPU = Runtime(torch.device("cpu"))
SMALL = (
    "recipe.name=classic",
    "model.blocks.0.channels=4",
    "model.blocks.1.channels=4",
    "train.crop_seconds=0.5",
    "train.epochs=3",
    "train.batch_size=8",
    "train.learning_rate=0.01",
)


def write_sounds(folder, rng):
    """Tones and hum in three splits, and a hiss that is neither."""
    for split, count in {"training": 6, "validation": 8, "testing": 4}.items():
        for label, low in {"high": 1500.0, "low": 150.0}.items():
            (folder / split / label).mkdir(parents=True)
            for index in range(count):
                seconds = np.arange(round(16_000 * rng.uniform(0.8, 1.6))) / 16_000
                tone = np.sin(2 * np.pi * rng.uniform(low, 1.5 * low) * seconds)
                samples = 0.2 * tone + 0.001 * rng.normal(size=len(tone))
                soundfile.write(folder / split / label / f"{label}{index}.wav", samples, 16_000)
    soundfile.write(folder / "hiss.wav", rng.normal(0, 0.3, 16_000).clip(-1, 1), 16_000)
    return folder


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("novelty")
    data = write_sounds(folder / "data", np.random.default_rng(0))
    hiss = (data / "hiss.wav").rename(folder / "hiss.wav")
    result = train(data, folder / "run", load_config(settings=SMALL), device=CPU, store=folder)
    return data, result.run, hiss


def test_a_trained_model_abstains_on_other_sound_and_not_on_known_sound(trained):
    data, run, hiss = trained
    model = load_model(run)
    assert len(model.spec.known_scores.clips) == 16
    assert len(model.spec.known_scores.windows) > 16
    prediction = model.predict(hiss)
    assert prediction.abstained == "unlike_training"
    assert prediction.novelty > model.spec.rule.max_novelty
    assert prediction.to_dict()["novelty"] == prediction.novelty
    known = list(model.predict_many(sorted(data.rglob("*.wav"))))
    assert all(one.abstained is None for one in known)
    assert {one.abstained for one in model.windows(hiss)} == {"unlike_training"}
    assert model.predict(hiss, segments=True).segments == ()


def test_the_rate_of_false_alarms_changes_after_training(trained):
    _, run, hiss = trained
    assert load_model(run, settings=["predict.false_alarm_rate=0"]).predict(hiss).label
    rates = ("0.01", "0.1", "0.4")
    specs = [load_model(run, settings=[f"predict.false_alarm_rate={one}"]).spec for one in rates]
    thresholds = [one.rule.max_novelty for one in specs]
    assert thresholds == sorted(thresholds, reverse=True)
    assert thresholds[0] > max(specs[0].known_scores.clips) > thresholds[-1]


def test_a_test_counts_and_scores_sound_unlike_training(trained):
    data, run, _ = trained
    evaluation = evaluate_checkpoint(
        load_checkpoint(run), read_manifest(data), runtime=CPU, store_root=run.parent, run=run
    )
    classifier = load_model(run)
    names = [clip.name for clip in evaluation.predictions.clips]
    expected = [classifier.predict(data / name).novelty for name in names]
    np.testing.assert_allclose(evaluation.novelty.scores, expected, rtol=1e-3, atol=1e-3)
    document = evaluation.to_dict()
    assert document["novelty"]["num_above"] == document["decisions"]["num_unlike_training"] == 0
    assert set(document["novelty"]["separation"]) == {"high", "low"}
    assert document["novelty"]["mean_separation"] > 0.7
    strict = replace(evaluation, rule=replace(evaluation.rule, max_novelty=-9.0))
    assert strict.coverage.num_unlike_training == strict.coverage.num_abstained == 8
    assert strict.accuracy == 0
    header = evaluation.to_csv().splitlines()[0]
    assert header == "path,label,predicted,correct,abstained,novelty,high,low"


def test_exported_graphs_give_the_same_scores_and_decisions(trained, tmp_path, monkeypatch):
    _, run, hiss = trained
    monkeypatch.setattr("earmark.exporters.parity.PARITY_SECONDS", (0.1, 1.03))
    monkeypatch.setattr("earmark.exporters.parity.LONG_SECONDS", 5.0)
    expected = load_model(run).predict(hiss)
    whole = export(run, tmp_path / "whole.onnx")
    network = export(whole.path, tmp_path / "network.onnx", takes="log-mel")
    for exported in (whole, network):
        assert exported.parity.largest_difference < 1e-4
        found = load_model(exported.path).predict(hiss)
        assert found.abstained == "unlike_training"
        assert found.novelty == pytest.approx(expected.novelty, rel=1e-3)
    session = start_session(network.path.read_bytes(), "test")
    assert [one.name for one in session.get_outputs()] == [LOGITS, EMBEDDING, NOVELTY]
    windows = np.random.default_rng(0).normal(-50, 15, (5, 1, 40, 51)).astype(np.float32)
    windows = np.resize(windows, (5, *session.get_inputs()[0].shape[1:]))
    logits, embedding, novelty = session.run(None, {LOG_MEL: windows})
    checkpoint = load_checkpoint(run)
    classifier = checkpoint.build().classifier
    np.testing.assert_allclose(
        classifier(torch.from_numpy(embedding)).detach().numpy(), logits, atol=1e-4
    )
    np.testing.assert_allclose(
        checkpoint.novelty.score(embedding, logits), novelty, rtol=1e-4, atol=1e-4
    )


def test_without_held_out_validation_there_is_a_score_but_no_threshold(trained, tmp_path):
    data, run, hiss = trained
    config = load_config(settings=[*SMALL, "train.epochs=1", "train.hold_out_validation=false"])
    result = train(data, tmp_path / "run", config, device=CPU, store=run.parent)
    model = load_model(result.run)
    assert model.spec.known_scores == NO_SCORES
    prediction = model.predict(hiss)
    assert prediction.abstained is None
    assert prediction.novelty is not None


def test_an_interrupted_run_ends_up_with_the_same_score(trained, tmp_path):
    data, run, _ = trained

    def stop(line):
        if line["epoch"] == 3:
            raise KeyboardInterrupt

    from earmark.training.train import run_training

    config = load_config(settings=SMALL)
    arguments = (read_manifest(data), tmp_path / "run", config)
    with pytest.raises(KeyboardInterrupt):
        run_training(*arguments, runtime=CPU, store=run.parent, watch=stop)
    best = load_checkpoint(tmp_path / "run")
    assert best.novelty is None
    assert best.spec.rule.max_novelty == np.inf
    run_training(*arguments, runtime=CPU, store=run.parent)
    again = load_checkpoint(tmp_path / "run")
    assert again.spec.known_scores == load_checkpoint(run).spec.known_scores
    content = (tmp_path / "run" / "best.safetensors").read_bytes()
    run_training(*arguments, runtime=CPU, store=run.parent)
    assert (tmp_path / "run" / "best.safetensors").read_bytes() == content


def test_a_model_without_a_score_predicts_as_before(trained, tmp_path):
    _, run, hiss = trained
    path = tmp_path / "old.safetensors"
    checkpoint = load_checkpoint(run)
    Checkpoint(replace(checkpoint.spec, known_scores=NO_SCORES), checkpoint.model).save(path)
    prediction = load_model(path).predict(hiss)
    assert prediction.label
    assert prediction.novelty is None
    assert "novelty" not in prediction.to_dict()
