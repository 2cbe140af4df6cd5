"""The processes that train networks."""

import os
import warnings

import pytest

from earmark.errors import TrainingError
from earmark.training.workers import worker_pool


def test_a_worker_that_is_replaced_is_no_warning():
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        with worker_pool(1, remedy="none") as pool:
            pool.submit(os.getpid).result()
            warnings.warn("A worker was restarted while some jobs were given", stacklevel=1)
            warnings.warn("another one", stacklevel=1)
    assert [str(one.message) for one in caught] == ["another one"]


def test_a_worker_that_is_killed_is_an_error():
    with pytest.raises(TrainingError), worker_pool(1, remedy="none") as pool:
        pool.submit(os._exit, 1).result()
