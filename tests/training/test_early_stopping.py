import math

import pytest

from earmark.training.early_stopping import EarlyStopping


@pytest.mark.parametrize(
    ("losses", "min_delta", "best_epoch", "stops_after"),
    [
        ((3, 2, 1), 0.0, 3, None),
        ((1, 2, 2, 2), 0.0, 1, 3),
        ((1, 1, 1), 0.0, 1, 3),
        ((3, 2.95, 2.9, 2.8), 0.5, 3, 3),
        ((3, 2.9, 2.4, 2.4, 2.4), 0.5, 3, 5),
        ((3, 2.6, 2.2, 2.1, 2.0), 0.5, 5, 5),
        ((math.inf, 1, 2), 0.0, 2, None),
    ],
)
def test_early_stopping(losses, min_delta, best_epoch, stops_after):
    stopping = EarlyStopping(patience=2, min_delta=min_delta)
    stopped = None
    for epoch, loss in enumerate(losses, start=1):
        stopping.update(float(loss))
        if stopping.should_stop:
            stopped = epoch
            break
    assert stopping.best_epoch == best_epoch
    assert stopped == stops_after


def test_a_loss_that_creeps_to_zero_for_ever_ends_the_training():
    losses = [0.7 * 0.8**epoch for epoch in range(100)]
    patient, normal = EarlyStopping(patience=30), EarlyStopping(patience=30, min_delta=0.0035)
    for loss in losses:
        patient.update(loss)
        if not normal.should_stop:
            normal.update(loss)
    assert not patient.should_stop
    assert normal.should_stop
    assert normal.epoch < 60
    assert normal.best_epoch == normal.epoch


def test_without_validation_the_last_epoch_is_the_best_and_nothing_stops():
    stopping = EarlyStopping(patience=1)
    assert all(stopping.update(None) for _ in range(3))
    assert (stopping.best_epoch, stopping.should_stop) == (3, False)
