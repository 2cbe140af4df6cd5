import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import (
    accuracy_score,
    average_precision_score,
    confusion_matrix,
    f1_score,
    log_loss,
    precision_recall_fscore_support,
    roc_auc_score,
)

from earmark.data.content import Clip
from earmark.evaluation.metrics.scores import Predictions, choose_thresholds, score
from earmark.features.store import ClipKey
from earmark.tasks.task import BINARY, MULTI_CLASS, MULTI_LABEL

LABELS = ("music", "speech")


def predictions(targets, logits):
    clips = tuple(
        Clip(f"{n}.wav", ClipKey(f"k{n}"), (int(target),)) for n, target in enumerate(targets)
    )
    return Predictions(clips, np.asarray(logits, np.float64).reshape(-1, 1))


@st.composite
def cases(draw):
    pairs = draw(st.lists(st.tuples(st.integers(0, 1), st.floats(-8, 8)), min_size=2, max_size=40))
    targets, logits = zip(*pairs, strict=True)
    return np.array(targets), np.array(logits)


@given(cases())
def test_metrics_agree_with_scikit_learn(case):
    targets, logits = case
    predicted = predictions(targets, logits)
    scores = score(predicted, LABELS)
    chosen = (predicted.probabilities[:, 1] >= 0.5).astype(int)
    assert scores.accuracy == accuracy_score(targets, chosen)
    assert scores.loss == pytest.approx(
        log_loss(targets, predicted.probabilities, labels=[0, 1]), abs=1e-9
    )
    if len(set(targets)) == 2:
        assert scores.roc_auc == pytest.approx(roc_auc_score(targets, logits))
    else:
        assert scores.roc_auc is None
    reference = precision_recall_fscore_support(targets, chosen, labels=[0, 1], zero_division=0)
    for index, label in enumerate(LABELS):
        ours = scores.per_class[label]
        for key, values in zip(("precision", "recall", "f1"), reference, strict=False):
            assert (ours[key] or 0.0) == pytest.approx(values[index])
        assert ours["num_clips"] == reference[3][index]


def test_the_loss_is_finite_where_a_probability_rounds_to_one():
    scores = score(predictions([0, 1], [800.0, -800.0]), LABELS)
    assert scores.loss == pytest.approx(800.0)
    assert scores.num_correct == 0


def test_the_threshold_belongs_to_the_second_label():
    scores = score(predictions([0, 1], [0.0, 0.0]), LABELS, thresholds=[0.5])
    assert scores.confusion == [[0, 1], [0, 1]]
    scores = score(predictions([0, 1], [0.0, 0.0]), LABELS, thresholds=[0.6])
    assert scores.confusion == [[1, 0], [1, 0]]
    assert scores.per_class["speech"]["precision"] is None


def test_probabilities_add_up_to_one():
    rows = BINARY.probabilities(np.array([[-40.0], [0.0], [3.0], [40.0]]))
    np.testing.assert_allclose(rows.sum(axis=1), 1.0)
    assert rows[1].tolist() == [0.5, 0.5]


def test_the_json_form_has_the_names_of_the_contract():
    document = score(predictions([0, 1, 1], [-1.0, 1.0, -1.0]), LABELS).to_dict()
    assert document["num_clips"] == 3
    assert document["num_correct"] == 2
    assert document["confusion_matrix"] == [[1, 0], [1, 1]]
    assert document["labels"] == ["music", "speech"]
    assert set(document) >= {"accuracy", "accuracy_interval", "loss", "per_class"}


def test_the_interval_is_wider_when_clips_share_groups():
    clips = tuple(Clip(f"{n}", ClipKey(f"{n}"), (0,), group=f"g{n // 50}") for n in range(100))
    logits = np.where(np.arange(100) < 50, -1.0, 1.0)[:, None]
    scores = score(Predictions(clips, logits), LABELS)
    assert (scores.num_clips, scores.num_groups) == (100, 2)
    low, high = scores.accuracy_interval
    assert high - low > 0.8


def many(task, seed=0, num_clips=60, num_labels=4):
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, 2, (num_clips, num_labels))
    if task is MULTI_CLASS:
        targets = [(int(one),) for one in rng.integers(0, num_labels, num_clips)]
    else:
        targets = [tuple(np.flatnonzero(rng.random(num_labels) < 0.4)) for _ in range(num_clips)]
    clips = tuple(
        Clip(f"{n}.wav", ClipKey(f"k{n}"), tuple(map(int, one))) for n, one in enumerate(targets)
    )
    return Predictions(clips, logits, task)


@pytest.mark.parametrize("seed", range(5))
def test_metrics_of_many_classes_agree_with_scikit_learn(seed):
    predicted = many(MULTI_CLASS, seed)
    names = tuple("abcd")
    scores = score(predicted, names)
    targets, chosen = predicted.targets.argmax(axis=1), predicted.logits.argmax(axis=1)
    assert scores.accuracy == accuracy_score(targets, chosen)
    assert scores.loss == pytest.approx(log_loss(targets, predicted.probabilities))
    assert scores.macro_f1 == pytest.approx(f1_score(targets, chosen, average="macro"))
    assert scores.roc_auc == pytest.approx(
        roc_auc_score(targets, predicted.probabilities, multi_class="ovr")
    )
    assert scores.confusion == confusion_matrix(targets, chosen).tolist()
    reference = precision_recall_fscore_support(targets, chosen)
    for index, name in enumerate(names):
        for key, values in zip(("precision", "recall", "f1"), reference, strict=False):
            assert scores.per_class[name][key] == pytest.approx(values[index])


@pytest.mark.parametrize("seed", range(5))
def test_metrics_of_several_labels_agree_with_scikit_learn(seed):
    predicted = many(MULTI_LABEL, seed)
    names = tuple("abcd")
    scores = score(predicted, names, thresholds=[0.3, 0.4, 0.5, 0.6])
    targets, probabilities = predicted.targets, predicted.probabilities
    chosen = probabilities >= [0.3, 0.4, 0.5, 0.6]
    assert scores.accuracy == accuracy_score(targets, chosen)
    assert scores.macro_f1 == pytest.approx(f1_score(targets, chosen, average="macro"))
    assert scores.ranks.micro_f1 == pytest.approx(f1_score(targets, chosen, average="micro"))
    assert scores.ranks.mean_average_precision == pytest.approx(
        average_precision_score(targets, probabilities, average="macro")
    )
    assert scores.roc_auc == pytest.approx(roc_auc_score(targets, probabilities))
    assert scores.to_dict()["map"] == scores.ranks.mean_average_precision


def test_lwlrap_is_the_mean_over_labels_of_the_precision_at_their_ranks():
    predicted = many(MULTI_LABEL)
    precisions = []
    for target, row in zip(predicted.targets, predicted.logits, strict=True):
        for label in np.flatnonzero(target):
            at_least_as_high = row >= row[label]
            precisions.append(target[at_least_as_high].mean())
    lwlrap = score(predicted, tuple("abcd")).ranks.lwlrap
    assert lwlrap == pytest.approx(np.mean(precisions))


@pytest.mark.parametrize("seed", range(5))
def test_no_other_threshold_has_a_better_f1(seed):
    predicted = many(MULTI_LABEL, seed)
    chosen = choose_thresholds(predicted)
    for label in range(4):
        target, probability = predicted.targets[:, label], predicted.probabilities[:, label]
        best = max(f1_score(target, probability >= one) for one in probability)
        assert f1_score(target, probability >= chosen[label]) == pytest.approx(best)
        assert chosen[label] not in probability


def test_a_label_that_every_clip_has_keeps_its_threshold():
    clips = tuple(Clip(f"{n}", ClipKey(f"{n}"), (0, 1) if n else (0,)) for n in range(3))
    predicted = Predictions(clips, np.array([[1.0, -1.0], [2.0, 1.0], [3.0, 2.0]]), MULTI_LABEL)
    assert choose_thresholds(predicted)[0] == 0.5
    assert choose_thresholds(predictions([0, 1], [0.0, 0.0])) == (0.5,)
    assert choose_thresholds(many(MULTI_CLASS)) == ()
