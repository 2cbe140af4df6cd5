"""Which split each recording has in a training that starts from an earlier run."""

from dataclasses import replace

import pytest

from earmark.config import load_config
from earmark.data.manifest import read_manifest
from earmark.errors import ConfigError, DataError
from earmark.features.store import default_root
from earmark.system.progress import SILENT
from earmark.training.cross_validation.run import Plan, cross_validate
from earmark.training.start import open_start
from earmark.training.start_splits import SplitKeeper
from earmark.training.tuning.search import tune


@pytest.fixture
def keep(write_run, flat_folder):
    """A function that makes the keeper of a manifest, after a run on the flat folder."""
    start = open_start(load_config(settings=[f"train.start_from={write_run(flat_folder)}"]))
    return lambda manifest: SplitKeeper(start, manifest, default_root(), SILENT)


def splits_of(keeper, manifest):
    return {one.name: keeper.placed.get(one.group) for one in manifest.recordings}


def test_every_recording_of_the_run_keeps_its_split_under_any_name(keep, flat_folder, tmp_path):
    manifest = read_manifest(flat_folder)
    placed = splits_of(keep(manifest), manifest)
    assert set(placed.values()) == {"train", "validation", "test"}
    renamed = tuple(
        replace(one, name=f"x/{one.name}", group=f"x/{one.group}") for one in manifest.recordings
    )
    moved = replace(manifest, recordings=renamed)
    assert splits_of(keep(moved), moved) == {f"x/{name}": split for name, split in placed.items()}


def test_a_group_goes_where_it_was_trained_first(keep, flat_folder):
    manifest = read_manifest(flat_folder)
    placed = splits_of(keep(manifest), manifest)
    one_group = replace(
        manifest, recordings=tuple(replace(one, group="all") for one in manifest.recordings)
    )
    assert keep(one_group).placed == {"all": "train"}
    assert "test" in placed.values()


def test_what_was_trained_or_validated_is_not_tested(keep, flat_folder):
    manifest = read_manifest(flat_folder)
    keeper = keep(manifest)
    placed = splits_of(keeper, manifest)
    keeper.refuse_leaks(
        replace(
            manifest,
            recordings=tuple(replace(one, split=placed[one.name]) for one in manifest.recordings),
        )
    )
    for was, becomes in (("train", "test"), ("validation", "test"), ("train", "validation")):
        name = next(name for name, split in placed.items() if split == was)
        recordings = tuple(
            replace(one, split=becomes if one.name == name else placed[one.name])
            for one in manifest.recordings
        )
        with pytest.raises(DataError, match=name):
            keeper.refuse_leaks(replace(manifest, recordings=recordings))


def test_tests_of_what_a_start_has_met_are_refused_before_any_work(
    write_run, flat_folder, tmp_path, monkeypatch
):
    def fail(*_, **__):
        raise AssertionError("work has begun")

    monkeypatch.setattr("earmark.training.cross_validation.run.configure_folds", fail)
    monkeypatch.setattr("earmark.training.tuning.search._configure", fail)
    first, store = write_run(flat_folder), tmp_path / "store"
    config = load_config(settings=[f"train.start_from={first}", "train.split_seed=9"])
    with pytest.raises(DataError, match=str(first)):
        cross_validate(flat_folder, Plan(3, num_workers=1), config, device="cpu", store=store)
    with pytest.raises(DataError, match=str(first)):
        tune(flat_folder, tmp_path / "study", config, device="cpu", store=store)
    assert not (tmp_path / "study" / "config.toml").exists()
    missing = load_config(settings=["train.start_from=nowhere"])
    with pytest.raises(ConfigError, match="nowhere"):
        cross_validate(flat_folder, Plan(3, num_workers=1), missing, device="cpu", store=store)
