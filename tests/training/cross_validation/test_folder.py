"""The folder of a cross-validation: results of folds, and teachers from it."""

import pytest

from earmark.config import Config
from earmark.errors import TrainingError
from earmark.training.cross_validation.folder import FoldFolder, teachers_of_fold


@pytest.fixture
def folder(tmp_path):
    one = FoldFolder(tmp_path / "cv")
    one.open(Config(), "name\na\n", (), overwrite=False)
    return one


def keep(folder, seed, number):
    run = folder.run(seed, number)
    run.path.mkdir(parents=True)
    run.best.write_bytes(b"weights")
    folder.fold_file(seed, number).write_text('{"fold": "1"}')


def test_a_fold_that_was_not_tested_has_no_result(folder):
    assert folder.read_fold(0, 1) is None
    keep(folder, 0, 1)
    assert folder.read_fold(0, 1) == {"fold": "1"}


def test_the_teachers_of_a_fold_are_its_models_of_all_seeds(folder):
    keep(folder, 0, 1)
    keep(folder, 10, 1)
    keep(folder, 9, 1)
    expected = tuple(str(folder.run(seed, 1).path) for seed in (0, 9, 10))
    assert teachers_of_fold([str(folder.path)], 1) == expected


def test_a_run_is_the_teacher_of_every_fold():
    assert teachers_of_fold(["run"], 1) == teachers_of_fold(["run"], 2) == ("run",)


def test_a_model_that_was_not_kept_is_no_teacher(folder):
    with pytest.raises(TrainingError, match=r"seed 0 .*fold 1"):
        teachers_of_fold([str(folder.path)], 1)
    keep(folder, 0, 1)
    with pytest.raises(TrainingError, match=r"seed 0 .*fold 2"):
        teachers_of_fold([str(folder.path)], 2)


def test_results_of_others_are_removed_only_with_overwrite(folder):
    keep(folder, 0, 1)
    with pytest.raises(TrainingError, match="cv: "):
        folder.open(Config(), "name\nb\n", (), overwrite=False)
    folder.open(Config(), "name\nb\n", (), overwrite=True)
    assert folder.read_fold(0, 1) is None


def test_a_fold_is_held_by_one_process(folder):
    with folder.claim(0, 1) as first, folder.claim(0, 1) as second, folder.claim(0, 2) as other:
        assert (first, second, other) == (True, False, True)
        assert folder.is_held(0, 1)
    assert not folder.is_held(0, 1)


def test_folds_in_work_are_not_removed(folder):
    keep(folder, 0, 1)
    with folder.claim(0, 2), pytest.raises(TrainingError, match="cv: "):
        folder.open(Config(), "name\na\n", (), overwrite=True)
    assert folder.read_fold(0, 1) is not None
    folder.open(Config(), "name\na\n", (), overwrite=True)
    assert folder.read_fold(0, 1) is None
