"""What there is time for."""

import pytest
import torch

from earmark.config import load_config
from earmark.errors import ConfigError
from earmark.system.runtime import Runtime
from earmark.training.candidates.budget import affords, has_time_to_refit, searches
from earmark.training.candidates.candidates import Candidate
from earmark.training.candidates.record import Outcome, Search, Selection
from earmark.training.recipes.configure import Configured

CPU = Runtime(torch.device("cpu"))


def configured(minutes, expected, *more):
    settings = [*more, *([f"recipe.minutes={minutes}"] if minutes else [])]
    return Configured(load_config(settings=settings), expected_minutes=expected)


def test_searches_where_the_budget_is_many_trainings():
    assert searches(configured(60, 6.0), CPU)
    assert not searches(configured(20, 6.0), CPU)
    assert not searches(configured(None, 6.0), CPU)
    assert not searches(configured(60, None), CPU)
    assert not searches(configured(60, 6.0, 'train.teachers=["one"]'), CPU)
    assert not searches(configured(60, 6.0, "train.hold_out_validation=false"), CPU)


def test_a_budget_that_is_too_short_for_a_search_is_logged(caplog):
    with caplog.at_level("INFO"):
        searches(configured(None, 6.0), CPU)
        searches(configured(60, 6.0), CPU)
        assert not caplog.records
        searches(configured(20, 6.0), CPU)
    assert len(caplog.records) == 1


def test_several_processes_do_not_search():
    with pytest.raises(ConfigError):
        searches(configured(60, 6.0), Runtime(torch.device("cpu"), world_size=2))


def test_candidates_start_as_long_as_there_is_time():
    done = [Outcome(Candidate(str(one), "", cost=1.0), minutes=10.0) for one in range(2)]
    # Two at once: they have taken 10 of the 30 minutes.
    found = Search(60.0, 2, tuple(done))
    assert affords(found, Candidate("a", "", cost=4.0), ())
    assert not affords(found, Candidate("a", "", cost=4.5), ())
    assert not affords(found, Candidate("a", "", cost=4.0), (Candidate("b", ""),))


def test_the_first_candidates_start_at_once():
    found, one = Search(60.0, 2), Candidate("a", "", cost=9.0)
    assert affords(found, one, (one,))
    assert not affords(found, one, (one, one))


@pytest.mark.parametrize(("minutes", "in_time"), [(40.0, True), (30.0, False)])
def test_members_are_trained_anew_if_there_is_time_for_the_final_network_too(minutes, in_time):
    one = Outcome(Candidate("a", ""), minutes=6.0, num_epochs=10)
    # 6 minutes so far, 8 for the member, (6 + 8) times 4/3 for the network that it teaches.
    found = Search(minutes, 1, (one,))
    assert has_time_to_refit(found, Selection(("a",), 0.1), one, epochs=10) is in_time


def test_a_training_that_stopped_early_is_refitted_for_all_epochs():
    one = Outcome(Candidate("a", ""), minutes=6.0, num_epochs=5)
    found = Search(40.0, 1, (one,))
    assert not has_time_to_refit(found, Selection(("a",), 0.1), one, epochs=10)
