"""Search ranges: choices, or from low to high."""

import pytest
from pydantic import ValidationError

from earmark.config import SearchConfig, TuneConfig


def test_a_list_is_short_for_its_choices():
    space = TuneConfig.model_validate({"space": {"train.epochs": [1, 2]}}).space
    assert space == {"train.epochs": SearchConfig(choices=(1, 2))}


@pytest.mark.parametrize(
    "table",
    [
        {},
        {"low": 1},
        {"choices": (1,), "low": 1},
        {"choices": ()},
        {"low": 1, "high": 2.0},
        {"low": 2, "high": 1},
        {"low": 0.0, "high": 1.0, "log": True},
    ],
)
def test_a_range_that_cannot_be_sampled_is_refused(table):
    with pytest.raises(ValidationError):
        SearchConfig(**table)
