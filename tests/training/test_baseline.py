"""The classical baseline beside the validation metrics of a training."""

import pytest
import torch

from earmark.config import load_config
from earmark.data.manifest import read_manifest
from earmark.evaluation.baselines import read_predictions
from earmark.models.run_folder import RunFolder
from earmark.system.runtime import Runtime
from earmark.training.baseline import with_baseline
from earmark.training.seeds import train_seeds
from earmark.training.train import train

CPU = Runtime(torch.device("cpu"))
SMALL = (
    "recipe.name=classic",
    *(f"model.blocks.{one}.channels=2" for one in range(4)),
    "train.crop_seconds=0.5",
    "train.epochs=1",
    "evaluate.resamples=100",
)


@pytest.fixture
def trained(tmp_path, sound_folder):
    def run(*settings, **options):
        config = load_config(settings=[*SMALL, *settings])
        store = tmp_path / "store"
        return train(sound_folder, tmp_path / "run", config, device=CPU, store=store, **options)

    return run


def test_a_training_has_the_classical_model_beside_its_validation_metrics(trained, tmp_path):
    result = trained()
    rows = read_predictions(RunFolder(result.run).validation).rows
    assert sum(one.correct for one in rows.values()) == result.validation["num_correct"]
    paired = result.classical.paired
    assert paired.num_clips == len(rows) == result.validation["num_clips"] == 6
    assert paired.num_correct[0] == result.validation["num_correct"]
    assert result.classical.num_train_clips == 12
    assert result.to_dict()["classical"] == result.classical.to_dict()
    again = trained()
    assert again.classical == result.classical


def test_the_background_counts_as_in_the_validation_metrics(trained):
    result = trained("train.background_label=music")
    assert result.classical.paired.num_correct[0] == result.validation["num_correct"]


def test_nothing_is_fitted_when_it_is_not_wanted_or_nothing_is_held_out(trained):
    off = trained("evaluate.baseline=false")
    assert off.classical is None
    assert "classical" not in off.to_dict()
    assert trained("train.hold_out_validation=false", overwrite=True).classical is None


def test_only_the_first_process_fits_it(trained, tmp_path):
    result = trained("evaluate.baseline=false")
    other = Runtime(torch.device("cpu"), rank=1, world_size=2)
    assert with_baseline(result, other, tmp_path / "store") is result


def test_every_seed_is_compared(tmp_path, sound_folder):
    config = load_config(settings=SMALL)
    manifest = read_manifest(sound_folder)
    found = train_seeds(
        manifest, tmp_path / "runs", 2, config, device=CPU, store=tmp_path / "store"
    )
    first, second = (one.classical.paired.num_correct[1] for one in found.runs)
    assert first == second
