import pytest
import torch

from earmark.config import load_config
from earmark.data.manifest import read_manifest
from earmark.errors import ConfigError, TrainingError
from earmark.models.run_folder import RunFolder, find_run
from earmark.system.runtime import Runtime
from earmark.training.train import train

SMALL = ("model.blocks.0.channels=4", "train.crop_seconds=0.5", "train.epochs=2")


class Listener:
    def __init__(self):
        self.warnings = []

    def info(self, message):
        pass

    def warn(self, message):
        self.warnings.append(message)

    def track(self, title, total):
        from earmark.system.progress import SILENT

        return SILENT.track(title, total)


@pytest.fixture
def run_training(tmp_path, sound_folder):
    def run(path, *settings, listener=None, **options):
        runtime = Runtime(torch.device("cpu"), reporter=listener or Listener())
        config = load_config(settings=[*SMALL, *settings])
        store = tmp_path / "store"
        manifest = read_manifest(sound_folder)
        return train(manifest, path, config, runtime=runtime, store_root=store, **options)

    return run


def test_a_run_from_before_there_were_schedules_is_another_run(run_training, tmp_path):
    run_training(tmp_path / "run")
    file = tmp_path / "run" / "config.toml"
    lines = file.read_text().splitlines(keepends=True)
    file.write_text(
        "".join(one for one in lines if not one.startswith(("lr_schedule", "warmup_fraction")))
    )
    with pytest.raises(TrainingError, match="settings differ"):
        run_training(tmp_path / "run")


def test_a_run_folder_inside_the_data_is_refused(run_training, sound_folder):
    for path in (sound_folder, sound_folder / "training" / "run"):
        with pytest.raises(TrainingError, match="lies in the data folder"):
            run_training(path, overwrite=True)


@pytest.mark.parametrize(
    "name", ["config.toml", "recordings.csv", "teachers.csv", "log.jsonl", "report.html"]
)
@pytest.mark.parametrize("overwrite", [False, True])
def test_files_that_are_not_those_of_a_run_are_never_touched(
    run_training, tmp_path, name, overwrite
):
    mine = tmp_path / "project" / name
    mine.parent.mkdir()
    mine.write_text("mine")
    with pytest.raises(TrainingError, match="holds files that are not those of a run"):
        run_training(mine.parent, overwrite=overwrite)
    assert mine.read_text() == "mine"
    assert [path.name for path in mine.parent.iterdir()] == [name]


def test_a_run_that_never_trained_does_not_claim_its_folder(run_training, tmp_path):
    run = tmp_path / "run"
    with pytest.raises(ConfigError, match="nothing is left of a window"):
        run_training(run, "model.blocks.0.pool_size=[64,4]")
    with pytest.raises(TrainingError, match=r"lower train\.learning_rate"):
        run_training(run, "train.learning_rate=1e30")
    (run / "last.safetensors").unlink(missing_ok=True)
    assert run_training(run).epochs == 2


@pytest.mark.parametrize(
    "settings",
    [
        (),
        ("train.lr_schedule=constant",),
        ("train.lr_schedule=cosine", "train.warmup_fraction=0.0"),
    ],
)
def test_a_schedule_spans_its_epochs_and_cannot_be_given_more(run_training, tmp_path, settings):
    run_training(tmp_path / "run", *settings)
    with pytest.raises(TrainingError, match="settings differ"):
        run_training(tmp_path / "run", *settings, "train.epochs=4")
    run_training(tmp_path / "run", *settings, "train.patience=9")


def test_a_finished_run_can_be_given_more_epochs(run_training, tmp_path):
    steady = ("train.lr_schedule=constant", "train.warmup_fraction=0.0", "train.patience=9")
    run_training(tmp_path / "run", *steady)
    longer = run_training(tmp_path / "run", *steady, "train.epochs=4")
    at_once = run_training(tmp_path / "whole", *steady, "train.epochs=4")
    assert longer.epochs == 4
    one, two = ((tmp_path / name / "last.safetensors") for name in ("run", "whole"))
    assert load_weights(one) == load_weights(two)
    assert at_once.best_epoch == longer.best_epoch


def load_weights(path):
    from earmark.models.checkpoint import load_checkpoint

    return {name: one.tolist() for name, one in load_checkpoint(path).model.items()}


def test_overwriting_removes_what_the_other_run_left(run_training, tmp_path):
    run_training(tmp_path / "run")
    (tmp_path / "run" / "report.html").write_text("of the old run")
    run_training(tmp_path / "run", "train.seed=3", overwrite=True)
    assert not (tmp_path / "run" / "report.html").exists()
    assert load_config(tmp_path / "run" / "config.toml").train.seed == 3


def test_validation_clips_that_are_trained_on_are_left_out(run_training, tmp_path, sound_folder):
    known = sound_folder / "training" / "music" / "music_0.wav"
    (sound_folder / "validation" / "music" / "copy.wav").write_bytes(known.read_bytes())
    listener = Listener()
    result = run_training(tmp_path / "run", listener=listener)
    assert result.validation["num_clips"] == 6
    (warning,) = listener.warnings
    assert "left out of validation: validation/music/copy.wav" in warning


def test_a_damaged_log_is_as_good_as_none(tmp_path):
    run = RunFolder(tmp_path)
    assert run.read_log() == []
    run.write_log([{"epoch": 1}])
    assert run.read_log() == [{"epoch": 1}]
    run.log.write_text("{not json")
    assert run.read_log() == []


def test_a_run_is_found_from_its_folder_and_from_its_models(run_training, tmp_path):
    run = tmp_path / "run"
    run_training(run)
    assert find_run(run) == find_run(run / "best.safetensors") == RunFolder(run)
    assert find_run(tmp_path) is None


def test_a_model_beside_a_foreign_table_is_not_in_a_run(tmp_path):
    (tmp_path / "recordings.csv").write_text("path,label\n")
    (tmp_path / "manifest.csv").write_text("path,label\n")
    assert find_run(tmp_path / "model.safetensors") is None
