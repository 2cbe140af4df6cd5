import numpy as np
import pytest
from scipy.spatial.distance import mahalanobis
from sklearn.covariance import OAS
from sklearn.metrics import roc_auc_score

from earmark.tasks import novelty as module
from earmark.tasks.novelty import Novelty, fit_novelty


def classes(rng, channels=6, number=240, labels=3):
    """Embeddings with one covariance around three means, and their target rows."""
    targets = np.eye(labels)[np.arange(number) % labels]
    means = 6 * rng.normal(size=(labels, channels))
    spread = rng.normal(size=(channels, channels))
    return targets @ means + rng.normal(size=(number, channels)) @ spread, targets


def test_with_all_directions_distances_are_those_of_scipy_and_scikit_learn(rng):
    embeddings, targets = classes(rng)
    found = fit_novelty(embeddings, targets)
    means = np.array([embeddings[column > 0].mean(axis=0) for column in targets.T])
    deviations = embeddings - targets @ means
    precision = OAS(assume_centered=True).fit(deviations).precision_
    new = 5 * rng.normal(size=(40, 6))
    expected = [[mahalanobis(one, mean, precision) for mean in means] for one in new]
    columns = found.labels.argmax(axis=1).argsort()
    distances = found.distances(new)
    np.testing.assert_allclose(distances[:, columns], np.array(expected) / np.sqrt(6), rtol=1e-4)
    np.testing.assert_array_equal(found.score(new), distances.min(axis=1))


def test_directions_that_are_not_kept_share_their_mean_variance(rng, monkeypatch):
    monkeypatch.setattr(module, "MAX_DIRECTIONS", 2)
    embeddings, targets = classes(rng)
    found = fit_novelty(embeddings, targets)
    assert found.directions.shape == (6, 2)
    monkeypatch.setattr(module, "MAX_DIRECTIONS", 5)
    exact = fit_novelty(embeddings, targets)
    np.testing.assert_allclose(found.variances[:2], exact.variances[:2], rtol=1e-5)
    np.testing.assert_allclose(found.variances[2], exact.variances[2:].mean(), rtol=1e-5)
    basis, rest = found.directions.astype(float), float(found.variances[2])
    covariance = basis @ np.diag(found.variances[:2] - rest) @ basis.T + rest * np.eye(6)
    new, precision = rng.normal(size=(9, 6)), np.linalg.inv(covariance)
    expected = [[mahalanobis(one, mean, precision) for mean in found.centers] for one in new]
    np.testing.assert_allclose(found.distances(new), np.array(expected) / np.sqrt(6), rtol=1e-4)


@pytest.mark.parametrize("labels", [2, 3])
def test_far_sound_scores_higher_than_all_sound_of_training_whatever_the_scale(rng, labels):
    embeddings, targets = classes(rng, channels=40, number=60, labels=labels)
    far = embeddings.mean(axis=0) + 100 * rng.normal(size=(20, 40))
    scores = {}
    for scale in (1e-3, 1.0, 1e3):
        found = fit_novelty(scale * embeddings, targets)
        known = found.score(scale * embeddings)
        assert found.score(scale * far).min() > 3 * known.max()
        assert 0.3 < np.median(known) < 1.5
        scores[scale] = known
    np.testing.assert_allclose(scores[1e-3], scores[1e3], rtol=1e-3)


def test_in_a_multi_label_task_each_set_of_labels_is_a_class(rng, monkeypatch):
    sets = np.array([[1, 0, 0], [0, 1, 0], [1, 1, 0], [0, 0, 0]], float)
    targets = sets[np.repeat(np.arange(4), (30, 20, 10, 5))]
    means = 20 * rng.normal(size=(4, 8))
    embeddings = np.repeat(means, (30, 20, 10, 5), axis=0) + rng.normal(size=(65, 8))
    found = fit_novelty(embeddings, targets)
    assert sorted(map(tuple, found.labels)) == sorted(map(tuple, sets))
    assert found.score(means).max() < 1
    # The most frequent ones are kept.
    monkeypatch.setattr(module, "MAX_CENTERS", 2)
    few = fit_novelty(embeddings, targets)
    assert sorted(map(tuple, few.labels)) == [(0, 1, 0), (1, 0, 0)]
    assert few.score(means[2:]).min() > 3


def test_a_label_left_out_is_unlike_the_others(rng):
    embeddings, targets = classes(rng)
    found = fit_novelty(embeddings, targets)
    without = found.without_each_label(found.distances(embeddings))
    assert without.shape == targets.shape
    for column, target in enumerate(targets.T):
        assert roc_auc_score(target, without[:, column]) > 0.99
    only = fit_novelty(embeddings, np.ones((240, 1)))
    assert np.isinf(only.without_each_label(only.distances(embeddings))).all()


@pytest.mark.parametrize("number", [1, 2])
def test_embeddings_that_are_all_alike_give_finite_scores(number):
    found = fit_novelty(np.ones((number, 4)), np.eye(2)[np.arange(number)])
    assert np.isfinite(found.score(np.array([[1.0] * 4, [2.0] * 4]))).all()
    one_channel = fit_novelty(np.array([[1.0], [2.0], [3.0]]), np.eye(2)[[0, 1, 1]])
    assert one_channel.score(np.array([[9.0]])) > one_channel.score(np.array([[1.0]]))


def test_the_arrays_make_the_same_score_and_damaged_ones_are_refused(rng):
    embeddings, targets = classes(rng)
    found = fit_novelty(embeddings, targets)
    again = Novelty.from_arrays(found.arrays, 3)
    np.testing.assert_array_equal(again.score(embeddings), found.score(embeddings))
    damaged = [
        {name: one for name, one in found.arrays.items() if name != "labels"},
        {**found.arrays, "other": found.centers},
        {**found.arrays, "labels": found.labels[:, :2]},
        {**found.arrays, "centers": found.centers[:, :3]},
        {**found.arrays, "centers": found.centers[:0]},
        {**found.arrays, "centers": np.float32(1.0)},
        {**found.arrays, "directions": found.directions[0]},
        {**found.arrays, "variances": found.variances[1:]},
        {**found.arrays, "variances": -found.variances},
    ]
    for arrays in damaged:
        with pytest.raises(ValueError, match="novelty"):
            Novelty.from_arrays(arrays, 3)
