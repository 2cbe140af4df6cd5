import math

import pytest

from earmark.training.early_stopping import EarlyStopping


@pytest.mark.parametrize(
    ("losses", "min_delta", "best_epoch", "stops_after"),
    [
        ((3, 2, 1), 0.0, 3, None),
        ((1, 2, 2, 2), 0.0, 1, 3),
        ((1, 1, 1), 0.0, 1, 3),
        ((3, 2.95, 2.9, 2.8), 0.5, 1, 3),
        ((3, 2.9, 2.4, 2.4, 2.4), 0.5, 3, 5),
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
