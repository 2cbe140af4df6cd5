"""A work folder is written to only if it is earmark's, and only for the same work."""

import pytest

from earmark.config import Config, load_config
from earmark.errors import TrainingError
from earmark.models.run_folder import RunFolder

TABLE = "name,label\na.wav,x\n"


@pytest.fixture
def run(tmp_path):
    return RunFolder(tmp_path / "run")


def begin(run, table=TABLE, teachers=()):
    config = Config().with_train(teachers=tuple(map(str, teachers)))
    run.open(config, table, overwrite=False)
    run.last.touch()


def test_a_folder_is_ours_once_it_is_marked(run):
    assert not run.is_ours
    begin(run)
    assert run.is_ours
    assert load_config(run.config_file) == Config()
    run.config_file.write_bytes(b"\xff")
    assert not run.is_ours


@pytest.mark.parametrize("table", [TABLE, 'name,label\n"a\r.wav",x\n', "name\ncaf\udce9.wav\n"])
def test_the_same_recordings_are_the_same_work_however_files_are_named(run, table):
    begin(run, table)
    run.refuse_other_data(table, (), overwrite=False)
    with pytest.raises(TrainingError, match=str(run.path)):
        run.refuse_other_data(table + "b.wav\n", (), overwrite=False)
    run.refuse_other_data(table + "b.wav\n", (), overwrite=True)


def test_recordings_are_the_same_wherever_their_files_lie(run):
    table = "path,name,label\n../in/a.wav,a.wav,x\n"
    begin(run, table)
    run.refuse_other_data("path,name,label\n/far/a.wav,a.wav,x\n", (), overwrite=False)
    run.refuse_other_data(TABLE, (), overwrite=False)
    with pytest.raises(TrainingError):
        run.refuse_other_data(table.replace(",x", ",y"), (), overwrite=False)


def test_other_weights_of_a_teacher_are_other_work(run, tmp_path):
    teacher = tmp_path / "teacher"
    teacher.mkdir()
    (teacher / "best.safetensors").write_bytes(b"weights")
    begin(run, teachers=[teacher])
    run.refuse_other_data(TABLE, [str(teacher)], overwrite=False)
    (teacher / "best.safetensors").write_bytes(b"other weights")
    with pytest.raises(TrainingError, match="run: "):
        run.refuse_other_data(TABLE, [str(teacher)], overwrite=False)


def test_a_folder_that_holds_the_teacher_is_refused(run):
    config = Config().with_train(teachers=(str(run.path / "best.safetensors"),))
    with pytest.raises(TrainingError, match=r"run: .*best\.safetensors"):
        run.refuse_misuse(config, None, overwrite=True)


def test_work_without_teachers_has_no_table_of_them(run, tmp_path):
    weights = tmp_path / "teacher.safetensors"
    weights.write_bytes(b"weights")
    begin(run, teachers=[weights])
    assert run.teachers.exists()
    begin(run)
    assert not run.teachers.exists()
