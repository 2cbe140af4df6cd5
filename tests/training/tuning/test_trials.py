"""Trials: ranges for Optuna, pruners, and the journal."""

from pathlib import Path

import optuna
import pytest
from optuna.distributions import (
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

from earmark.config import load_config
from earmark.data.manifest import Manifest
from earmark.training.tuning.folder import StudyFolder
from earmark.training.tuning.space import SearchSpace
from earmark.training.tuning.storage import Journal
from earmark.training.tuning.trials import (
    Job,
    best_trial,
    distributions,
    ended,
    make_pruner,
    num_epochs,
    open_study,
    outcome,
    silent_optuna,
)

SPACE = (
    '"train.batch_size" = {low = 4, high = 8}, "train.epochs" = [1, 2], '
    '"train.learning_rate" = {low = 1e-3, high = 1e-1, log = true}'
)


@pytest.fixture
def job(tmp_path):
    def make(*settings):
        config = load_config(settings=[f"tune.space={{{SPACE}}}", *settings])
        folder = StudyFolder(tmp_path / "study")
        folder.open(config, "name\n")
        return Job(
            Journal(folder), Manifest(Path("data"), (), ()), config, "binary", tmp_path / "store"
        )

    return make


def test_ranges_keep_their_type_and_their_scale():
    space = SearchSpace(load_config(settings=[f"tune.space={{{SPACE}}}"]))
    assert distributions(space) == {
        "train.batch_size": IntDistribution(4, 8),
        "train.epochs": CategoricalDistribution(("1", "2")),
        "train.learning_rate": FloatDistribution(1e-3, 1e-1, log=True),
    }


@pytest.mark.parametrize(
    ("name", "pruner"),
    [
        ("median", optuna.pruners.MedianPruner),
        ("hyperband", optuna.pruners.HyperbandPruner),
        ("none", optuna.pruners.NopPruner),
    ],
)
def test_every_pruner_has_a_name(name, pruner):
    assert isinstance(make_pruner(load_config(settings=[f"tune.pruner={name}"])), pruner)


@pytest.mark.parametrize(("objective", "best"), [("loss", 1), ("accuracy", 0)])
def test_the_best_trial_goes_by_the_objective_and_the_first_of_equals_wins(job, objective, best):
    with silent_optuna():
        study = open_study(job(f"tune.objective={objective}"))
        for value in (0.5, 0.2, 0.5, 0.2):
            study.tell(study.ask(), value)
        study.tell(study.ask(), state=optuna.trial.TrialState.FAIL)
    assert best_trial(study).number == best
    trials = study.get_trials()
    assert len(ended(trials)) == 4
    assert [outcome(one) for one in trials[3:]] == ["complete", "interrupted"]
    assert num_epochs(trials[0]) == 0


def test_a_study_without_a_complete_trial_has_no_best(job):
    with silent_optuna():
        assert best_trial(open_study(job())) is None


def test_the_log_level_of_optuna_is_restored():
    before = optuna.logging.get_verbosity()
    with silent_optuna():
        assert optuna.logging.get_verbosity() == optuna.logging.ERROR
    assert optuna.logging.get_verbosity() == before
