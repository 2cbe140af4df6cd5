import numpy as np
import pytest

from earmark.errors import DataError
from earmark.evaluation.baselines import (
    PREDICTION_COLUMNS,
    ClassicalComparison,
    Majority,
    StoredPrediction,
    compare_stored,
    read_predictions,
)
from earmark.evaluation.metrics.intervals import ClusterBootstrap
from earmark.evaluation.metrics.significance import compare_paired
from earmark.system.files import csv_lines

HEADER = (*PREDICTION_COLUMNS, "a", "b")
ROWS = [
    ("0.wav", "a", "a", "yes", "", "0.9", "0.1"),
    ("1.wav", "a;b", "b;a", "yes", "", "0.9", "0.8"),
    ("2.wav", "b", "", "no", "unsure", "0.4", "0.4"),
    ("3.wav", "b", "a", "no", "", "0.7", "0.3"),
]
LABELS = {row[0]: frozenset(row[1].split(";")) for row in ROWS}


@pytest.fixture
def write(tmp_path):
    def run(rows, mark=""):
        path = tmp_path / "predictions.csv"
        path.write_text(mark + "".join(csv_lines(rows)), newline="")
        return path

    return run


def bootstrap(num_clips):
    return ClusterBootstrap(list(map(str, range(num_clips))), 100, 0, 0.95)


def compared(path, labels=LABELS, correct=(True, True, True, True)):
    return compare_stored(read_predictions(path), labels, np.array(correct), bootstrap(len(labels)))


def test_several_labels_are_correct_in_any_order_and_abstaining_is_not(write):
    table = read_predictions(write([HEADER, *ROWS]))
    assert [one.correct for one in table.rows.values()] == [True, True, False, False]
    assert table.rows["2.wav"] == StoredPrediction(frozenset("b"), frozenset())


def test_a_test_is_compared_clip_by_clip(write):
    found = compared(write([HEADER, *ROWS])).to_dict()
    assert (found["num_clips"], found["num_correct"], found["accuracy"]) == (4, 2, 0.5)
    assert found["difference"] == 0.5
    assert found["mcnemar"]["num_only_first"] == 2
    assert (found["missing"], found["num_unused"]) == ([], 0)


def test_missing_clips_are_named_and_the_others_compared(write):
    found = compared(write([HEADER, *ROWS[1:], ("x.wav", "a", "a", "yes", "", "1", "0")]))
    assert found.missing == ("0.wav",)
    assert (found.paired.num_clips, found.num_unused) == (3, 1)


@pytest.mark.parametrize(
    ("rows", "named"),
    [
        ([("file", *HEADER[1:]), *ROWS], "path"),
        ([], "path"),
        ([HEADER, *ROWS, ROWS[0]], "0.wav"),
        ([HEADER, *ROWS, ("lonely",)], "lonely"),
        ([HEADER, ("other.wav", *ROWS[0][1:])], "predictions.csv"),
        ([HEADER, ("0.wav", "z", *ROWS[0][2:])], "0.wav"),
    ],
    ids=["columns", "empty", "twice", "short", "other clips", "other labels"],
)
def test_predictions_of_other_data_are_refused(write, rows, named):
    with pytest.raises(DataError, match=named):
        compared(write(rows))


@pytest.mark.parametrize("mark", ["\ufeff", ""])
def test_names_with_line_breaks_and_a_byte_order_mark_are_read(write, mark):
    ends = (",", "\n", "\r", '"')
    names = {row[0]: f"a\u2028\x0c\x85{end}" for row, end in zip(ROWS, ends, strict=True)}
    path = write([HEADER, *((names[row[0]], *row[1:]) for row in ROWS)], mark)
    found = compared(path, {names[name]: labels for name, labels in LABELS.items()})
    assert (found.paired.num_clips, found.missing) == (4, ())


@pytest.mark.parametrize("content", [b'path,label,predicted\n"' + b"x" * 200_000, None])
def test_a_file_that_cannot_be_read_is_named(tmp_path, content):
    path = tmp_path / "model.bin"
    if content:
        path.write_bytes(content)
    with pytest.raises(DataError, match=r"model\.bin"):
        read_predictions(path)


@pytest.mark.parametrize(("labels", "text"), [(("a", "b"), "a and b"), ((), "no label")])
def test_the_headline_of_the_majority_names_its_labels_and_accuracy(labels, text):
    correct = np.array([True, False, False, False])
    majority = Majority(labels, True, compare_paired(~correct, correct, bootstrap(4)))
    assert text in majority.headline
    assert "25.0%" in majority.headline
    assert majority.to_dict()["from"] == "training"


def classical(num_network, num_baseline, num_clips=20, **facts):
    """The first clips are predicted correctly."""
    numbers = np.arange(num_clips)
    paired = compare_paired(numbers < num_network, numbers < num_baseline, bootstrap(num_clips))
    return ClassicalComparison(paired, num_train_clips=50, **{"num_available": 50, **facts})


def test_a_classical_model_has_counts_and_a_p_value():
    facts = classical(20, 10).to_dict()
    assert (facts["num_clips"], facts["num_correct"], facts["accuracy"]) == (20, 10, 0.5)
    assert facts["difference"] == 0.5
    assert facts["p_value"] == facts["mcnemar"]["p_value"] < 0.01
    assert (facts["num_train_clips"], facts["num_available_clips"]) == (50, 50)
    assert "map" not in facts


@pytest.mark.parametrize(
    ("network", "baseline", "has_advice"),
    [(20, 10, False), (11, 10, False), (10, 10, True), (9, 10, True), (20, 20, False)],
)
def test_a_network_that_does_not_beat_the_classical_model_gets_advice(
    network, baseline, has_advice
):
    assert ("earmark check" in classical(network, baseline).headline) == has_advice


@pytest.mark.parametrize(("recipe", "is_named"), [("auto", False), ("classic", True)])
def test_advice_names_the_recipe_auto_where_it_was_not_used(recipe, is_named):
    assert ("--recipe auto" in classical(9, 10, recipe=recipe).headline) == is_named


@pytest.mark.parametrize(
    ("network", "baseline", "text"),
    [(20, 5, "better by 75.0 points"), (5, 20, "worse by 75.0 points"), (7, 7, "equally")],
)
def test_the_headline_names_the_difference(network, baseline, text):
    headline = classical(network, baseline).headline
    assert text in headline
    assert f"({baseline} of 20)" in headline


def test_a_small_difference_may_be_chance():
    assert "chance" in classical(6, 5).headline
    assert "chance" not in classical(20, 5).headline


def test_a_sample_and_average_precision_are_in_the_headline():
    found = classical(9, 8, num_available=900, maps=(0.75, 0.5))
    assert "50 of 900" in found.headline
    assert "0.5000" in found.headline
    assert found.to_dict()["map"] == 0.5
    assert "mAP" not in classical(9, 8, maps=(None, 0.5)).headline


def test_a_model_that_was_not_fitted_has_a_reason():
    found = ClassicalComparison(reason="no features")
    assert set(found.to_dict()) == {"name", "reason"}
    assert "no features" in found.headline
