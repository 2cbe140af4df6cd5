"""Pairs of sizes, and what a section refuses."""

import pytest
from pydantic import ValidationError

from earmark.config import (
    ConvBlockConfig,
)


def test_one_number_sets_both_axes():
    assert ConvBlockConfig(kernel_size=3, padding=0).kernel_size == (3, 3)
    assert ConvBlockConfig(kernel_size=3, padding=0).padding == (0, 0)


@pytest.mark.parametrize("value", [True, "3", 0, 1025, (3,), (3, 3, 3)])
def test_a_pair_has_two_sizes_within_their_bounds(value):
    with pytest.raises(ValidationError):
        ConvBlockConfig(kernel_size=value)


def test_an_unknown_setting_is_refused():
    with pytest.raises(ValidationError, match="kernel"):
        ConvBlockConfig(kernel=3)
