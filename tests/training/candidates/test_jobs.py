"""What candidates are compared by."""

import numpy as np
import pytest
from sklearn.metrics import log_loss

from earmark.data.content import Clip
from earmark.errors import TrainingError
from earmark.evaluation.metrics.scores import Predictions
from earmark.evaluation.result import Evaluation
from earmark.features.store import ClipKey
from earmark.models.run_folder import RunFolder
from earmark.tasks.decision_rule import DecisionRule
from earmark.tasks.task import BINARY, MULTI_CLASS, MULTI_LABEL
from earmark.training.candidates.jobs import read_validated

COLUMNS = ("label", "novelty", "path", "predicted")
"""Labels that are named like columns of the table."""


def write_validation(path, task, labels, targets, logits):
    clips = tuple(Clip(f"{n}.wav", ClipKey(f"{n}"), one, "g") for n, one in enumerate(targets))
    rule = DecisionRule(task, task.default_thresholds(len(labels)))
    path.mkdir(exist_ok=True)
    table = Evaluation(Predictions(clips, logits, task), labels, rule).to_csv()
    RunFolder(path).validation.write_text(table, encoding="utf-8")


@pytest.mark.parametrize("labels", [("a", "b", "c", "d"), COLUMNS])
def test_the_loss_is_that_of_all_labels_whatever_they_are_called(tmp_path, rng, labels):
    known = rng.integers(4, size=40)
    logits = rng.normal(0, 2, (40, 4))
    write_validation(tmp_path, MULTI_CLASS, labels, [(int(one),) for one in known], logits)
    found = read_validated(tmp_path, labels, is_multi_label=False)
    expected = log_loss(known, MULTI_CLASS.probabilities(logits), labels=range(4))
    assert found.loss() == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("labels", [("a", "b"), COLUMNS[:2]])
def test_a_binary_loss_is_that_of_the_one_logit(tmp_path, rng, labels):
    known, logits = rng.integers(2, size=40), rng.normal(0, 2, (40, 1))
    write_validation(tmp_path, BINARY, labels, [(int(one),) for one in known], logits)
    found = read_validated(tmp_path, labels, is_multi_label=False)
    expected = log_loss(known, 1 / (1 + np.exp(-logits[:, 0])), labels=range(2))
    assert found.loss() == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("labels", [("a", "b", "c", "d"), COLUMNS])
def test_the_loss_of_several_labels_is_the_mean_over_them(tmp_path, rng, labels):
    present, logits = rng.integers(2, size=(40, 4)), rng.normal(0, 2, (40, 4))
    targets = [tuple(map(int, np.flatnonzero(row))) for row in present]
    write_validation(tmp_path, MULTI_LABEL, labels, targets, logits)
    found = read_validated(tmp_path, labels, is_multi_label=True)
    probabilities = 1 / (1 + np.exp(-logits))
    columns = zip(present.T, probabilities.T, strict=True)
    losses = [log_loss(*column, labels=range(2)) for column in columns]
    assert found.loss() == pytest.approx(np.mean(losses), abs=1e-4)


def test_a_table_of_other_labels_is_refused(tmp_path, rng):
    write_validation(tmp_path, BINARY, ("a", "b"), [(0,), (1,)], rng.normal(size=(2, 1)))
    with pytest.raises(TrainingError):
        read_validated(tmp_path, ("a", "c"), is_multi_label=False)
    assert read_validated(tmp_path / "none", ("a", "b"), is_multi_label=False) is None
