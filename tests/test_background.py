"""From recordings of the background to predictions without a label, in every task."""

import csv
import io
import json
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile
import torch
from click.testing import CliRunner

import earmark
from earmark.cli import cli
from earmark.cli.printing import prediction_row
from earmark.data.manifest import read_manifest
from earmark.evaluation.baselines import read_predictions
from earmark.evaluation.evaluate import evaluate_checkpoint
from earmark.inference.result_formats import result_format
from earmark.inference.segmentation.formats import FORMATS, Timeline
from earmark.models.checkpoint import load_checkpoint
from earmark.report.model import Origin
from earmark.report.model_card import render_model_card
from earmark.system.runtime import Runtime
from earmark.training.cross_validation.run import Plan

PITCHES_HZ = {"Dog": 300.0, "bell": 1500.0, "cat": 4000.0}
BACKGROUND = "_background_"
FAST = (
    "recipe.name=classic",
    "model.blocks.0.channels=4",
    "model.blocks.1.channels=8",
    "train.crop_seconds=0.5",
    "train.epochs=15",
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
COUNTS = {"training": 6, "validation": 2, "testing": 2}


def make_sound(labels, seed, seconds=0.6):
    """A tone for each label over faint noise; the background is the noise alone."""
    rng, num_samples = np.random.default_rng(seed), round(16_000 * seconds)
    time = np.arange(num_samples) / 16_000
    tones = [np.sin(2 * np.pi * PITCHES_HZ[one] * time + seed) for one in labels]
    return 0.1 * sum(tones, start=np.zeros(num_samples)) + 0.02 * rng.standard_normal(num_samples)


def write_folder(folder, labels):
    for split, count in COUNTS.items():
        for label in (*labels, BACKGROUND):
            place = folder / split / label
            place.mkdir(parents=True)
            for index in range(count):
                number = sum(map(ord, split + label)) + 10 * index
                sound = make_sound([label] * (label != BACKGROUND), number)
                soundfile.write(place / f"{label}-{index}.wav", sound, 16_000)
    return folder


def write_manifest(folder, label_sets):
    rows = [("path", "label", "split")]
    for split, count in COUNTS.items():
        for labels in label_sets * count:
            name = f"{len(rows)}.wav"
            answers = [one for one in labels if one != BACKGROUND]
            soundfile.write(folder / name, make_sound(answers, len(rows)), 16_000)
            rows.append((name, ";".join(labels), split))
    path = folder / "manifest.csv"
    with path.open("w", newline="") as file:
        csv.writer(file).writerows(rows)
    return path


def train(data, folder):
    config = earmark.load_config(settings=FAST)
    run, store = folder / "run", folder / "store"
    earmark.train(data, run, config, device="cpu", store=store)
    tested = evaluate_checkpoint(
        load_checkpoint(run),
        read_manifest(data),
        runtime=Runtime(torch.device("cpu")),
        store_root=store,
        run=run,
        compares_sound=False,
    )
    return SimpleNamespace(data=data, run=run, store=store, tested=tested)


@pytest.fixture(scope="module")
def detector(tmp_path_factory):
    """One label and the background, whose name comes after that of the label."""
    folder = tmp_path_factory.mktemp("detector")
    return train(write_folder(folder / "data", ["Dog"]), folder)


@pytest.fixture(scope="module")
def classes(tmp_path_factory):
    folder = tmp_path_factory.mktemp("classes")
    return train(write_folder(folder / "data", ["Dog", "bell"]), folder)


@pytest.fixture(scope="module")
def several(tmp_path_factory):
    folder = tmp_path_factory.mktemp("several")
    sets = [("Dog",), ("bell",), ("Dog", "bell"), (BACKGROUND,)]
    return train(write_manifest(folder, sets), folder)


def test_a_detector_of_one_sound_finds_it_or_nothing(detector):
    spec = load_checkpoint(detector.run).spec
    assert spec.labels == (BACKGROUND, "Dog")
    assert (spec.answers, spec.task.name, spec.num_outputs) == (("Dog",), "binary", 1)
    model = earmark.load_model(detector.run)
    dog = model.predict(make_sound(["Dog"], 7))
    assert (dog.label, dog.abstained) == ("Dog", None)
    nothing = model.predict(make_sound([], 7))
    assert (nothing.label, nothing.labels, nothing.abstained) == (None, (), "background")
    assert nothing.probabilities[BACKGROUND] > 0.5
    assert sum(nothing.probabilities.values()) == pytest.approx(1.0)
    assert nothing.to_dict()["label"] is None


def test_a_test_counts_no_label_as_right_for_the_background(detector):
    tested = detector.tested
    document = tested.to_dict()
    assert document["num_correct"] == document["num_clips"] == 4
    assert document["labels"] == [BACKGROUND, "Dog"]
    assert document["confusion_matrix"] == [[2, 0], [0, 2]]
    assert document["per_class"][BACKGROUND]["recall"] == 1.0
    assert document["decisions"]["num_background"] == 2
    assert document["decisions"]["coverage"] == 1.0
    assert document["decisions"]["background_label"] == BACKGROUND
    majority = replace(tested, majority_labels=(BACKGROUND,)).majority.to_dict()
    assert (majority["labels"], majority["accuracy"]) == ([], 0.5)
    rows = list(csv.DictReader(io.StringIO(tested.to_csv())))
    background = [row for row in rows if row["label"] == BACKGROUND]
    assert [(row["predicted"], row["abstained"], row["correct"]) for row in background] == [
        ("", "background", "yes")
    ] * 2


def test_stored_predictions_without_a_label_are_right_for_the_background(detector, tmp_path):
    tested = detector.tested
    table = tmp_path / "predictions.csv"
    table.write_text(tested.to_csv())
    baseline = tested.with_baseline(read_predictions(table)).baseline
    assert baseline.to_dict()["accuracy"] == 1.0


def test_where_the_background_wins_a_time_line_has_a_gap(detector, tmp_path):
    sound = np.concatenate([make_sound(one, 3, 3.0) for one in ([], ["Dog"], [])])
    found = earmark.load_model(detector.run).predict(sound, segments=True)
    assert [one.label for one in found.segments] == ["Dog"]
    (segment,) = found.segments
    assert (segment.start, segment.end) == (
        pytest.approx(3.0, abs=0.5),
        pytest.approx(6.0, abs=0.5),
    )
    assert list(found.seconds_by_label) == ["Dog"]
    assert BACKGROUND not in found._repr_html_()
    timeline = Timeline.from_prediction(found)
    for one in FORMATS.values():
        assert "Dog" in one.render(timeline)
        assert BACKGROUND not in one.render(timeline)


def test_tables_and_streams_give_the_reason(classes, tmp_path):
    found = earmark.load_model(classes.run).predict(make_sound([], 5))
    assert prediction_row(found)[1] == "(background)"
    row = found.to_dict()
    assert (row["label"], row["abstained"]) == (None, "background")
    assert set(row["probabilities"]) == {BACKGROUND, "Dog", "bell"}
    table, labels = result_format(tmp_path / "all.csv"), classes.tested.labels
    with (tmp_path / "all.csv").open("wb") as file:
        table.write(file, [table.to_row(row, labels)], labels)
    cells = next(csv.DictReader(io.StringIO((tmp_path / "all.csv").read_text())))
    assert (cells["label"], cells["abstained"]) == ("", "background")
    model = earmark.load_model(classes.run)
    windows = list(model.stream([make_sound([], 5), make_sound(["bell"], 5)]))
    assert (windows[0].labels, windows[0].abstained) == ((), "background")
    assert (windows[-1].labels, windows[-1].abstained) == (("bell",), None)


def test_of_many_classes_the_background_is_one_that_is_never_predicted(classes):
    spec = load_checkpoint(classes.run).spec
    assert (spec.labels, spec.task.name) == ((BACKGROUND, "Dog", "bell"), "multi_class")
    assert classes.tested.accuracy == 1.0
    assert np.array(classes.tested.scores.confusion).trace() == 6
    assert {one.abstained for one in map(_prediction(classes), ([], ["Dog"]))} == {
        "background",
        None,
    }


def _prediction(trained):
    model = earmark.load_model(trained.run)
    return lambda labels: model.predict(make_sound(labels, 11))


def test_with_several_labels_at_once_the_background_has_none(several):
    spec = load_checkpoint(several.run).spec
    assert (spec.labels, spec.background_label) == (("Dog", "bell"), None)
    assert (several.tested.scores.num_clips, several.tested.accuracy) == (8, 1.0)
    stored = read_manifest(several.run / "recordings.csv")
    assert {one.labels for one in stored.recordings if "Dog" not in one.labels} == {
        ("bell",),
        (BACKGROUND,),
    }
    nothing = _prediction(several)([])
    assert (nothing.label, nothing.abstained) == ("", None)


def test_cross_validation_counts_no_label_as_right_for_the_background(detector):
    config = earmark.load_config(settings=[*FAST, "train.epochs=2"])
    found = earmark.cross_validate(
        detector.data, Plan(3, num_workers=1), config, device="cpu", store=detector.store
    )
    assert found.labels == (BACKGROUND, "Dog")
    assert found.num_correct == sum(one.num_correct for one in found.results)
    rows = list(csv.DictReader(io.StringIO(found.to_csv())))
    assert {row["predicted"] for row in rows} <= {"", "Dog"}
    right = {BACKGROUND: "", "Dog": "Dog"}
    assert [row["correct"] for row in rows] == [
        "yes" if row["predicted"] == right[row["label"]] else "no" for row in rows
    ]


@pytest.mark.slow
def test_an_exported_model_does_the_same(detector, tmp_path):
    onnx = pytest.importorskip("onnx")
    path = tmp_path / "model.onnx"
    earmark.export(detector.run, path)
    facts = {one.key: one.value for one in onnx.load(path).metadata_props}
    assert json.loads(facts["background_label"]) == BACKGROUND
    original, exported = earmark.load_model(detector.run), earmark.load_model(path)
    assert exported.spec.background_label == BACKGROUND
    for labels in ([], ["Dog"]):
        one, other = (model.predict(make_sound(labels, 9)) for model in (original, exported))
        assert (one.label, one.abstained) == (other.label, other.abstained)
        assert one.probabilities == pytest.approx(other.probabilities, abs=1e-4)


def test_the_model_card_names_the_answers(detector):
    checkpoint, origin = load_checkpoint(detector.run), Origin(detector.run, "data")
    card = render_model_card(detector.tested, checkpoint, origin)
    assert "Labels: Dog." in card
    assert "Audio classifier: Dog\n" in card


@pytest.mark.slow
def test_commands_give_no_label_for_the_background(detector, tmp_path):
    def command(*arguments):
        result = CliRunner().invoke(cli, [*map(str, arguments), "--device=cpu"])
        assert result.exit_code == 0, result.output
        return result.stdout

    store = f"--store={detector.store}"
    document = command("evaluate", detector.run, detector.data, "--json", store)
    assert json.loads(document)["decisions"]["num_background"] == 2
    page = (detector.run / "report.html").read_text()
    assert "Test report: Dog</title>" in page
    sound = tmp_path / "a.wav"
    soundfile.write(sound, make_sound([], 5), 16_000)
    assert "(background)" in command("predict", detector.run, sound)
    row = json.loads(command("predict", detector.run, sound, "--segments", "--json"))
    assert (row["label"], row["abstained"], row["segments"]) == (None, "background", [])
    assert row["seconds_by_label"] == {"Dog": 0}
