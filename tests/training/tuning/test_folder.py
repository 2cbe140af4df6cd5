"""The study folder: whose it is, and its best settings."""

import pytest

from earmark.config import load_config
from earmark.errors import ConfigError, TrainingError
from earmark.training.tuning.folder import StudyFolder

SPACE = 'tune.space={"train.epochs" = [1, 2]}'


@pytest.fixture
def study(tmp_path):
    folder = StudyFolder(tmp_path / "study")
    folder.open(load_config(settings=[SPACE]), "name\na\n")
    return folder


def test_more_trials_are_the_same_study_and_another_seed_is_not(study):
    study.refuse_misuse(load_config(settings=[SPACE, "tune.trials=9"]), None)
    with pytest.raises(TrainingError, match="study: "):
        study.refuse_misuse(load_config(settings=[SPACE, "train.seed=9"]), None)


def test_other_recordings_are_another_study(study):
    study.refuse_other_data("name\na\n", ())
    with pytest.raises(TrainingError, match="study: "):
        study.refuse_other_data("name\nb\n", ())


def test_a_study_does_not_lie_in_its_data(tmp_path):
    with pytest.raises(TrainingError, match="data/study: "):
        StudyFolder(tmp_path / "data" / "study").refuse_misuse(load_config(), tmp_path / "data")


def test_best_settings_need_a_complete_trial(study):
    with pytest.raises(ConfigError, match="study: "):
        study.best_settings()
    study.best.write_text("")
    assert study.best_settings() == study.best


def test_runs_of_trials_sort_by_their_number(study):
    assert study.run(7).name == "0007"
