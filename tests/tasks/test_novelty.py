import numpy as np
import pytest
from scipy.spatial.distance import mahalanobis
from scipy.stats import zscore
from sklearn.covariance import OAS
from sklearn.metrics import roc_auc_score

from earmark.tasks import novelty as module
from earmark.tasks.novelty import Novelty, fit_novelty
from earmark.tasks.task import BINARY, MULTI_CLASS, MULTI_LABEL


def classes(rng, channels=6, number=240, labels=3):
    """Embeddings with one covariance around three means, and their target rows."""
    targets = np.eye(labels)[np.arange(number) % labels]
    means = 6 * rng.normal(size=(labels, channels))
    spread = rng.normal(size=(channels, channels))
    return targets @ means + rng.normal(size=(number, channels)) @ spread, targets


def fit(embeddings, targets, task=MULTI_CLASS):
    return fit_novelty(embeddings, embeddings[:, : targets.shape[1]], targets, task)


def test_with_all_directions_distances_are_those_of_scipy_and_scikit_learn(rng):
    embeddings, targets = classes(rng)
    found = fit(embeddings, targets)
    means = np.array([embeddings[column > 0].mean(axis=0) for column in targets.T])
    deviations = embeddings - targets @ means
    precision = OAS(assume_centered=True).fit(deviations).precision_
    new = 5 * rng.normal(size=(40, 6))
    expected = [[mahalanobis(one, mean, precision) for mean in means] for one in new]
    columns = found.labels.argmax(axis=1).argsort()
    distances = found.distances(new) * found.scales
    np.testing.assert_allclose(distances[:, columns], np.array(expected) / np.sqrt(6), rtol=1e-4)


def test_a_class_that_varies_more_reaches_further(rng):
    targets = np.eye(3)[np.arange(600) % 3]
    spread = np.array([1.0, 2.0, 4.0])
    embeddings = (
        targets @ (30 * np.eye(3)) + rng.normal(size=(600, 3)) * (targets @ spread)[:, None]
    )
    found = fit(embeddings, targets)
    columns = found.labels.argmax(axis=1).argsort()
    np.testing.assert_allclose(found.scales[columns] / found.scales.min(), spread, rtol=0.1)
    off = [[30.0, 5.0, 0.0], [0.0, 5.0, 30.0]]
    narrow, wide = found.distances(np.array(off)).min(axis=1)
    assert narrow > 3 * wide
    # A class of one clip has about the scale of all, not none.
    targets = np.eye(3)[[0] * 40 + [1] * 40 + [2]]
    few = fit(targets @ (30 * np.eye(3)) + rng.normal(size=(81, 3)), targets)
    assert few.scales.min() > 0.5


def test_directions_that_are_not_kept_share_their_mean_variance(rng, monkeypatch):
    monkeypatch.setattr(module, "MAX_DIRECTIONS", 2)
    embeddings, targets = classes(rng)
    found = fit(embeddings, targets)
    assert found.directions.shape == (6, 2)
    monkeypatch.setattr(module, "MAX_DIRECTIONS", 5)
    exact = fit(embeddings, targets)
    np.testing.assert_allclose(found.variances[:2], exact.variances[:2], rtol=1e-5)
    np.testing.assert_allclose(found.variances[2], exact.variances[2:].mean(), rtol=1e-5)
    basis, rest = found.directions.astype(float), float(found.variances[2])
    covariance = basis @ np.diag(found.variances[:2] - rest) @ basis.T + rest * np.eye(6)
    new, precision = rng.normal(size=(9, 6)), np.linalg.inv(covariance)
    expected = [[mahalanobis(one, mean, precision) for mean in found.centers] for one in new]
    distances = found.distances(new) * found.scales
    np.testing.assert_allclose(distances, np.array(expected) / np.sqrt(6), rtol=1e-4)


def test_the_score_adds_distance_and_doubt_in_standard_deviations(rng):
    embeddings, targets = classes(rng)
    logits = rng.normal(3, 2, (240, 3))
    for task, confidence in {
        MULTI_CLASS: logits.max(axis=1),
        MULTI_LABEL: np.abs(logits).mean(axis=1),
    }.items():
        found = fit_novelty(embeddings, logits, targets, task)
        distances = found.distances(embeddings).min(axis=1)
        expected = zscore(distances) + np.maximum(zscore(-confidence), -2.0)
        np.testing.assert_allclose(found.score(embeddings, logits), expected, atol=1e-4)
        without_doubt = found.score(embeddings, np.full((240, 3), 1e6))
        np.testing.assert_allclose(without_doubt, zscore(distances) - 2.0, atol=1e-4)


@pytest.mark.parametrize("task", [BINARY, MULTI_CLASS, MULTI_LABEL], ids=lambda task: task.name)
def test_far_sound_scores_higher_than_all_sound_of_training_whatever_the_scale(rng, task):
    labels = 2 if task is BINARY else 3
    embeddings, targets = classes(rng, channels=40, number=60, labels=labels)
    weights = rng.normal(size=(40, task.num_outputs(labels)))
    far = embeddings.mean(axis=0) + 100 * rng.normal(size=(20, 40))
    scores = {}
    for scale in (1e-3, 1.0, 1e3):
        known = scale * embeddings
        found = fit_novelty(known, known @ weights, targets, task)
        scores[scale] = found.score(known, known @ weights)
        assert found.score(scale * far, scale * far @ weights).min() > 3 * scores[scale].max()
        assert abs(scores[scale].mean()) < 0.5
    np.testing.assert_allclose(scores[1e-3], scores[1e3], atol=1e-2)


def test_in_a_multi_label_task_each_set_of_labels_is_a_class(rng, monkeypatch):
    sets = np.array([[1, 0, 0], [0, 1, 0], [1, 1, 0], [0, 0, 0]], float)
    targets = sets[np.repeat(np.arange(4), (30, 20, 10, 5))]
    means = 20 * rng.normal(size=(4, 8))
    embeddings = np.repeat(means, (30, 20, 10, 5), axis=0) + rng.normal(size=(65, 8))
    found = fit(embeddings, targets, MULTI_LABEL)
    assert sorted(map(tuple, found.labels)) == sorted(map(tuple, sets))
    assert found.distances(means).min(axis=1).max() < 1
    # The most frequent ones are kept.
    monkeypatch.setattr(module, "MAX_CENTERS", 2)
    few = fit(embeddings, targets, MULTI_LABEL)
    assert sorted(map(tuple, few.labels)) == [(0, 1, 0), (1, 0, 0)]
    assert few.distances(means[2:]).min() > 3


@pytest.mark.parametrize("task", [MULTI_CLASS, MULTI_LABEL], ids=lambda task: task.name)
def test_a_label_left_out_is_unlike_the_others(rng, task):
    embeddings, targets = classes(rng)
    logits = 9 * targets + rng.normal(size=(240, 3))
    found = fit_novelty(embeddings, logits, targets, task)
    without = found.without_each_label(found.distances(embeddings), logits)
    assert without.shape == targets.shape
    for column, target in enumerate(targets.T):
        assert roc_auc_score(target, without[:, column]) > 0.99
    only = fit_novelty(embeddings, logits, np.ones((240, 3)), task)
    assert np.isinf(only.without_each_label(only.distances(embeddings), logits)).all()


@pytest.mark.parametrize("number", [1, 2])
def test_embeddings_that_are_all_alike_give_finite_scores(number):
    found = fit(np.ones((number, 4)), np.eye(2)[np.arange(number)])
    new = np.array([[1.0] * 4, [2.0] * 4])
    assert np.isfinite(found.score(new, new[:, :2])).all()
    channel = np.array([[1.0], [2.0], [3.0]])
    one = fit_novelty(channel, channel, np.eye(2)[[0, 1, 1]], BINARY)
    assert one.distances(np.array([[9.0]])).min() > one.distances(np.array([[1.0]])).min()


def test_the_arrays_make_the_same_score_and_damaged_ones_are_refused(rng):
    embeddings, targets = classes(rng)
    found = fit(embeddings, targets)
    again = Novelty.from_arrays(found.arrays, MULTI_CLASS, 3)
    logits = embeddings[:, :3]
    np.testing.assert_array_equal(again.score(embeddings, logits), found.score(embeddings, logits))
    earlier = {name: one for name, one in found.arrays.items() if name != "scales"}
    one_scale = Novelty.from_arrays(earlier, MULTI_CLASS, 3)
    np.testing.assert_allclose(
        one_scale.distances(embeddings), found.distances(embeddings) * found.scales, rtol=1e-5
    )
    damaged = [
        {name: one for name, one in found.arrays.items() if name != "labels"},
        {**found.arrays, "other": found.centers},
        {**found.arrays, "labels": found.labels[:, :2]},
        {**found.arrays, "centers": found.centers[:, :3]},
        {**found.arrays, "centers": found.centers[:0]},
        {**found.arrays, "centers": np.array(1.0, np.float32)},
        {**found.arrays, "scales": found.scales[1:]},
        {**found.arrays, "scales": 0 * found.scales},
        {**found.arrays, "directions": found.directions[0]},
        {**found.arrays, "variances": found.variances[1:]},
        {**found.arrays, "variances": -found.variances},
        {**found.arrays, "usual": found.usual[:3]},
        {**found.arrays, "usual": 0 * found.usual},
        {**found.arrays, "usual": found.usual.astype(np.float64)},
    ]
    for arrays in damaged:
        with pytest.raises(ValueError, match="novelty"):
            Novelty.from_arrays(arrays, MULTI_CLASS, 3)
