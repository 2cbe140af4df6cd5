"""From trained models to a test: temperature, silence, provenance, and two models side by side."""

import csv
import io
import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch
from click.testing import CliRunner

from earmark.cli import cli
from earmark.cli.printing import print_difference
from earmark.config import load_config
from earmark.data.manifest import read_manifest
from earmark.errors import DataError
from earmark.evaluation.compare import compare
from earmark.evaluation.evaluate import evaluate_checkpoint
from earmark.evaluation.metrics.intervals import ClusterBootstrap
from earmark.evaluation.metrics.significance import compare_paired
from earmark.inference.classifier import Classifier
from earmark.models.checkpoint import load_checkpoint
from earmark.system.runtime import Runtime
from earmark.training.train import train

CPU = Runtime(torch.device("cpu"))
SETTINGS = ["model.blocks.0.channels=4", "train.crop_seconds=0.5", "evaluate.resamples=200"]


@pytest.fixture
def make_run(tmp_path, sound_folder):
    def make(name, *settings, data=sound_folder, epochs=1):
        config = load_config(settings=[*SETTINGS, f"train.epochs={epochs}", *settings])
        store = tmp_path / "store"
        train(read_manifest(data), tmp_path / name, config, runtime=CPU, store_root=store)
        return tmp_path / name

    return make


def judged(run, data, checkpoint=None):
    store = run.parent / "store"
    opened = checkpoint or load_checkpoint(run)
    return evaluate_checkpoint(opened, read_manifest(data), runtime=CPU, store_root=store, run=run)


def test_testing_and_prediction_agree_on_probabilities_labels_and_silence(
    make_run, sound_folder, write_clip
):
    write_clip(sound_folder / "testing" / "music" / "silence.wav", kind="silence")
    run = make_run("run")
    checkpoint = load_checkpoint(run)
    spec = replace(checkpoint.spec, temperature=3.0)
    checkpoint = replace(checkpoint, spec=spec).adjust(["predict.min_probability=0.505"])
    checkpoint.save(run / "best.safetensors")
    found = judged(run, sound_folder)
    classifier = Classifier.load(run)
    rows = list(csv.DictReader(io.StringIO(found.to_csv())))
    for row in rows:
        prediction = classifier.predict(sound_folder / row["path"])
        assert row["predicted"] == (prediction.label or "")
        assert row["abstained"] == (prediction.abstained or "")
        for label, share in prediction.probabilities.items():
            assert float(row[label]) == pytest.approx(share, abs=2e-6)
    silent = classifier.predict(sound_folder / "testing" / "music" / "silence.wav")
    assert silent.to_dict()["label"] is None
    assert silent.to_dict()["abstained"] == "silence"
    assert [row["path"] for row in rows if row["abstained"] == "silence"] == [
        "testing/music/silence.wav"
    ]


def test_training_keeps_a_temperature_that_its_validation_clips_agree_with(make_run):
    spec = load_checkpoint(make_run("run", "augment.noise=0.0", epochs=4)).spec
    assert spec.temperature >= 1.0
    assert spec.rule.temperature == spec.temperature


def test_the_same_test_has_the_same_provenance_and_another_one_has_not(
    make_run, sound_folder, write_clip
):
    run = make_run("run")
    first, again = judged(run, sound_folder), judged(run, sound_folder)

    def digests(evaluation):
        facts = evaluation.to_dict()["provenance"]
        return [facts[f"{name}_digest"] for name in ("weights", "config", "data")]

    assert digests(first) == digests(again)
    figures = [one.to_dict() | {"provenance": None} for one in (first, again)]
    assert figures[0] == figures[1]
    other = load_checkpoint(run)
    weights = {name: one.clone() for name, one in other.model.items()}
    weights["classifier.bias"] += 1.0
    write_clip(sound_folder / "testing" / "music" / "new.wav", seed=77)
    other = replace(other, model=weights).adjust(["predict.overlap=0.3"])
    changed = digests(judged(run, sound_folder, other))
    assert all(old != new for old, new in zip(digests(first), changed, strict=True))
    assert first.provenance.latency_seconds > 0
    assert first.provenance.num_multiply_adds > first.provenance.num_parameters > 0


def test_the_run_knows_its_commonest_label(make_run, sound_folder):
    for path in (sound_folder / "training" / "speech").glob("speech_[2-5].wav"):
        path.unlink()
    facts = judged(make_run("run"), sound_folder).to_dict()["majority"]
    assert (facts["labels"], facts["from"], facts["accuracy"]) == (["music"], "training", 0.5)


def test_two_models_with_different_front_ends_are_tested_on_the_same_clips(make_run, sound_folder):
    runs = [make_run("one"), make_run("two", "features.n_mels=48", "features.power=1.0")]
    store = runs[0].parent / "store"
    found = compare(*runs, sound_folder, device="cpu", store=store)
    expected = [judged(run, sound_folder) for run in runs]
    for test, alone in zip((found.first, found.second), expected, strict=True):
        assert test.scores == alone.scores
    differ = {one["path"] for one in found.differing}
    answers = [
        dict(zip((clip.name for clip in one.predictions.clips), one.chosen, strict=True))
        for one in expected
    ]
    assert differ == {name for name in answers[0] if answers[0][name] != answers[1][name]}
    facts = found.to_dict()
    assert facts["difference"] == pytest.approx(
        expected[0].scores.accuracy - expected[1].scores.accuracy
    )
    assert facts["num_left_out"] == 0


def test_only_clips_that_neither_model_has_seen_count(make_run, flat_folder):
    runs = [make_run(f"run{seed}", f"train.split_seed={seed}", data=flat_folder) for seed in (0, 1)]
    tests = [judged(run, flat_folder) for run in runs]
    first, second = ({clip.name for clip in one.predictions.clips} for one in tests)
    arguments = {"device": CPU, "store": runs[0].parent / "store"}
    if first & second:
        found = compare(*runs, read_manifest(flat_folder), **arguments)
        assert {clip.name for clip in found.first.predictions.clips} == first & second
        assert found.num_left_out == len(first ^ second) > 0
    else:
        with pytest.raises(DataError, match="no clip is left"):
            compare(*runs, read_manifest(flat_folder), **arguments)


def test_the_commands_print_figures_and_differences(make_run, sound_folder):
    runs = [make_run("one"), make_run("two", "train.seed=3")]
    shutil.copytree(runs[0], runs[0].with_name("copy"))
    store = ["--store", str(runs[0].parent / "store")]

    def run(*arguments):
        result = CliRunner().invoke(cli, [*map(str, arguments), *store])
        assert result.exit_code == 0, result.output
        return result.stdout

    run("evaluate", runs[0], sound_folder)
    baseline = runs[0] / "predictions.csv"
    assert str(baseline) in run("evaluate", runs[1], sound_folder, "--baseline", baseline)
    document = json.loads(run("evaluate", runs[1], sound_folder, "--json", "--baseline", baseline))
    compared = json.loads(run("compare", runs[1], runs[0], sound_folder, "--json"))
    for key in ("difference", "difference_interval", "mcnemar"):
        assert document["baseline"][key] == compared[key]
    assert "McNemar" in run("compare", runs[0], runs[1], sound_folder)
    same = json.loads(run("compare", runs[0], runs[0].with_name("copy"), sound_folder, "--json"))
    assert (same["differing"], same["difference"]) == ([], 0.0)


def test_levels_of_a_test_are_those_of_its_frames(make_run, sound_folder):
    levels_db = judged(make_run("run"), sound_folder).levels_db
    assert levels_db.shape == (6,)
    assert ((levels_db > -40) & (levels_db < 0)).all()
    assert np.isfinite(levels_db).all()


def test_names_cannot_steer_the_terminal(capsys):
    right = np.array([True, False])
    paired = compare_paired(right, ~right, ClusterBootstrap(["a", "b"], 100, 0, 0.95))
    print_difference("always \x1b[31mred\u2028", paired)
    assert "always \\x1b[31mred\\u2028" in capsys.readouterr().out
