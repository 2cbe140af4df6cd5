"""Variations of the settings that the rules chose."""

import pytest

from earmark.config import load_config
from earmark.training.candidates.candidates import (
    RULES,
    Candidate,
    list_candidates,
    with_variation,
)

NAMES = ["rules", "deeper", "wider", "longer", "stronger", "lighter", "finer"]


def test_there_are_at_most_six_variations_of_the_rules():
    found = list_candidates(load_config(), (), 10)
    assert [one.name for one in found] == NAMES
    assert found[0] == Candidate(RULES, found[0].reason, {}, 1.0)
    assert all(one.reason for one in found)


@pytest.mark.parametrize(
    "given",
    [
        ["model.blocks"],
        ["train.epochs", "features.hop_length"],
        ["augment.time_masks", "augment.filter_db"],
    ],
)
def test_what_is_given_is_never_varied(given):
    found = list_candidates(load_config(), given, 10)
    assert len(found) > 1
    assert not {key for one in found for key in one.settings} & set(given)


def test_nothing_is_left_to_vary_where_all_is_given():
    config = load_config()
    given = [f"{section}.{key}" for section, keys in config.to_dict().items() for key in keys]
    assert [one.name for one in list_candidates(config, given, 10)] == [RULES]


def test_a_candidate_differs_from_the_rules_in_its_settings_only():
    config = load_config()
    for one in list_candidates(config, (), 10)[1:]:
        varied, before = with_variation(config, one.settings).to_dict(), config.to_dict()
        changed = {
            f"{section}.{key}"
            for section, table in varied.items()
            for key in table
            if table[key] != before[section].get(key)
        }
        assert changed == set(one.settings)


def test_cost_is_that_of_the_blocks_windows_and_epochs():
    cost = {one.name: one.cost for one in list_candidates(load_config(), (), 10)}
    assert cost["longer"] == 2
    assert cost["stronger"] == 1
    assert cost["finer"] == pytest.approx(2, rel=0.1)
