"""From a manifest to tested predictions, with more than two labels and with several at once."""

import csv
import io
import json

import numpy as np
import pytest
import soundfile
from click.testing import CliRunner

from earmark.cli import cli
from earmark.models.checkpoint import load_checkpoint
from earmark.tasks.task import MULTI_CLASS, MULTI_LABEL

PITCHES_HZ = {"high": 5000.0, "low": 300.0, "middle": 1500.0}
FAST = [
    f"--set={one}"
    for one in (
        "recipe.name=classic",
        "model.blocks.0.channels=4",
        *(f"model.blocks.{one}.channels=8" for one in (1, 2, 3)),
        "train.crop_seconds=0.5",
        "train.epochs=12",
        "train.batch_size=8",
        "train.learning_rate=1e-2",
        "train.lr_schedule=constant",
        "train.warmup_fraction=0.0",
        "augment.time_stretch=0.0",
        "augment.gain_db=0.0",
        "augment.noise=0.0",
        "augment.time_masks=0",
        "evaluate.baseline=false",
    )
]
SPLITS = ("train", "train", "train", "validation", "test")


def earmark(*arguments):
    result = CliRunner().invoke(cli, [*map(str, arguments), "--device=cpu"])
    assert result.exit_code == 0, result.output
    return result


def write_manifest(folder, label_sets, rng):
    """Clips in which each label is a tone of its own; five of each set of labels."""
    time = np.arange(8000) / 16_000
    rows = [("path", "label", "split")]
    clips = [(labels, split) for labels in label_sets for split in SPLITS]
    for number, (labels, split) in enumerate(clips):
        tones = [np.sin(2 * np.pi * PITCHES_HZ[one] * time + number) for one in labels]
        sound = 0.1 * sum(tones, start=np.zeros(8000)) + 0.01 * rng.standard_normal(8000)
        soundfile.write(folder / f"{number}.wav", sound, 16_000)
        rows.append((f"{number}.wav", ";".join(labels), split))
    path = folder / "manifest.csv"
    with path.open("w", newline="") as file:
        csv.writer(file).writerows(rows)
    return path


@pytest.fixture
def many_classes(tmp_path, rng):
    return write_manifest(tmp_path, [("high",), ("low",), ("middle",)] * 2, rng)


@pytest.fixture
def several_labels(tmp_path, rng):
    sets = [(), ("high",), ("low",), ("middle",), ("high", "low"), ("low", "middle")]
    return write_manifest(tmp_path, sets * 2, rng)


def test_many_classes(many_classes, tmp_path):
    run = tmp_path / "run"
    trained = earmark("train", many_classes, "-o", run, "--json", *FAST)
    assert "task: multi-class, 3 labels" in trained.stderr
    assert load_checkpoint(run).spec.task is MULTI_CLASS
    tested = json.loads(earmark("evaluate", run, many_classes, "--json").stdout)
    assert tested["num_clips"] == tested["num_correct"] == 6
    assert np.array(tested["confusion_matrix"]).tolist() == [[2, 0, 0], [0, 2, 0], [0, 0, 2]]
    assert tested["macro_f1"] == 1
    assert "threshold" not in tested
    predicted = json.loads(earmark("predict", run, tmp_path / "4.wav", "--json").stdout)
    assert predicted["label"] == "high"
    assert sum(predicted["probabilities"].values()) == pytest.approx(1)
    assert all(label in (run / "report.html").read_text() for label in PITCHES_HZ)


def test_several_labels(several_labels, tmp_path):
    run = tmp_path / "run"
    trained = earmark("train", several_labels, "-o", run, "--json", *FAST)
    assert "task: multi-label, 3 labels" in trained.stderr
    assert json.loads(trained.stdout)["validation"]["map"] > 0.9
    assert "val_map" in json.loads((run / "log.jsonl").read_text().splitlines()[-1])
    spec = load_checkpoint(run).spec
    assert spec.task is MULTI_LABEL
    assert len(spec.thresholds) == 3
    tested = json.loads(earmark("evaluate", run, several_labels, "--json").stdout)
    assert tested["map"] > 0.9
    assert set(tested["thresholds"]) == set(PITCHES_HZ)
    assert np.array(tested["confusion_matrix"]).shape == (3, 2, 2)
    rows = list(csv.DictReader(io.StringIO((run / "predictions.csv").read_text())))
    assert {row["label"] for row in rows} == {
        *("", "high", "low", "middle", "high;low", "low;middle")
    }
    printed = earmark("evaluate", run, several_labels).stdout
    assert "Mean average precision" in printed
    predicted = json.loads(earmark("predict", run, tmp_path / "24.wav", "--json").stdout)
    assert predicted["labels"] == ["high", "low"]
    assert earmark("predict", run, tmp_path / "24.wav").stdout.splitlines()[1].split("\t")[1] == (
        "high;low"
    )


@pytest.mark.parametrize("balance", ["weights", "sampling"])
def test_balance_works_with_every_task(several_labels, tmp_path, balance):
    options = (f"--set=train.balance={balance}", "--set=train.epochs=1")
    earmark("train", several_labels, "-o", tmp_path / "run", *FAST, *options)


def test_two_labels_may_be_several(several_labels, tmp_path):
    text = several_labels.read_text()
    for both in ("high;low", "low;middle"):
        text = text.replace(both, "low")
    several_labels.write_text("".join(line for line in text.splitlines(True) if ",," not in line))
    options = ("--set=train.task=multi_label", "--set=train.epochs=1")
    earmark("train", several_labels, "-o", tmp_path / "run", *FAST, *options)
    assert load_checkpoint(tmp_path / "run").spec.task is MULTI_LABEL


def test_a_forgotten_label_is_a_mistake_among_single_labels(many_classes):
    many_classes.write_text(many_classes.read_text().replace("3.wav,high", "3.wav,"))
    result = CliRunner().invoke(cli, ["check", str(many_classes)])
    assert result.exit_code != 0
    assert "row 5: label missing" in result.output
