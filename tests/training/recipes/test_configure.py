"""Settings from data: what is given stands, and work that goes on keeps what it began with."""

import json
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from earmark.config import load_config, with_recipe
from earmark.config.layers import complete
from earmark.data.manifest import read_manifest
from earmark.errors import TrainingError
from earmark.features.windows import crop_frames
from earmark.models.checkpoint import require_network
from earmark.models.run_folder import RunFolder
from earmark.models.spec import ModelSpec
from earmark.system.runtime import Runtime
from earmark.tasks.task import BINARY
from earmark.training.recipes import configure as module
from earmark.training.recipes.configure import (
    apply_choices,
    configure,
    configure_work,
    describe,
    write_choices,
)
from earmark.training.recipes.draft import Choice, Draft
from earmark.training.recipes.rules import choose

CPU = Runtime(torch.device("cpu"))
GIVEN = st.lists(
    st.sampled_from(
        [
            *("features.n_fft=256", "features.n_fft=4096", "features.win_length=200"),
            *("features.hop_length=64", "features.hop_length=800", "features.f_max=7000.0"),
            "features.f_min=5000.0",
            *("features.sample_rate=16000", "features.n_mels=40", "features.n_mels=128"),
            *("model.blocks=[{channels=4, pool_size=[16, 2]}]", "model.head=flatten"),
            *("train.crop_seconds=0.3", "augment.shortest=1.0", "train.batch_size=4"),
        ]
    ),
    unique_by=lambda one: one.partition("=")[0],
)


def test_settings_that_make_no_network_by_themselves_do_not_stop_the_choices():
    config = load_config(settings=["features.n_mels=10"])
    choice = Choice("features.hop_length", 160, "10 ms.")
    assert apply_choices(config, [choice])[1] == (choice,)


@pytest.fixture
def looked_at(monkeypatch, make_fingerprint):
    """Names of the recordings that a fingerprint was taken of, in place of measuring them."""
    names = []

    def fingerprint(manifest, task, root, reporter):
        names.append([one.name for one in manifest.recordings])
        return make_fingerprint()

    monkeypatch.setattr("earmark.data.fingerprint.fingerprint_data", fingerprint)
    return names


@settings(max_examples=40)
@given(given_settings=GIVEN, rate=st.sampled_from([4_000, 8_000, 16_000, 44_100, 96_000]))
def test_whatever_is_given_stands_and_the_choices_fit_it(make_fingerprint, given_settings, rate):
    config = with_recipe(load_config(settings=given_settings))
    draft = Draft(config, config.given)
    choose(make_fingerprint(sample_rates={rate: 80}), draft)
    found, kept = apply_choices(config, draft.choices)
    assert not config.given & {one.setting for one in kept}
    for setting in config.given:
        section, _, key = setting.partition(".")
        assert getattr(getattr(found, section), key) == getattr(getattr(config, section), key)
    features = found.features
    assert features.hop_length <= features.win_length or "features.hop_length" in config.given
    require_network(ModelSpec(found, ("a", "b"), crop_frames(found), BINARY))


def test_choices_that_do_not_fit_are_left_out_by_group(caplog):
    caplog.set_level("INFO")
    config = load_config(
        settings=["model.blocks=[{channels=4, pool_size=[64, 2]}]", "features.n_mels=64"]
    )
    wrong = Choice("train.crop_seconds", 0.001, "Too short for the blocks.")
    fine = Choice("augment.noise", 0.1, "Fine.")
    found, kept = apply_choices(config, [wrong, fine])
    assert kept == (fine,)
    assert (found.train.crop_seconds, found.augment.noise) == (1.0, 0.1)
    assert "train.crop_seconds" in caplog.text


def test_test_recordings_are_never_looked_at(sound_folder, looked_at):
    manifest = read_manifest(sound_folder)
    configured = configure(manifest, load_config())
    seen = {one.name for one in manifest.recordings if one.split != "test"}
    assert [set(names) for names in looked_at] == [seen]
    assert configured.choices
    assert not configured.config.recipe.rules
    assert complete(configured.config) == configured.config


def test_blocks_are_not_chosen_for_another_architecture(sound_folder, looked_at, monkeypatch):
    def choose_blocks(data, draft):
        draft.choose("model.blocks", [{"channels": 8}], "Small.")
        draft.choose("model.head", "mean_max", "Short sounds.")

    monkeypatch.setattr(module, "choose", choose_blocks)
    manifest = read_manifest(sound_folder)
    assert len(configure(manifest, load_config()).choices) == 2
    other = load_config(settings=["model.name=bc_resnet"])
    assert configure(manifest, other).choices == ()


@pytest.mark.parametrize("setting", ["recipe.name=classic", "recipe.rules=false"])
def test_without_rules_nothing_is_measured(sound_folder, looked_at, setting):
    configured = configure(read_manifest(sound_folder), load_config(settings=[setting]))
    assert (looked_at, configured.choices, configured.fingerprint) == ([], (), None)


def test_data_without_training_recordings_leave_the_recipe(sound_folder, looked_at):
    manifest = read_manifest(sound_folder)
    tested = tuple(one for one in manifest.recordings if one.split == "test")
    assert configure(replace(manifest, recordings=tested), load_config()).choices == ()


@pytest.fixture
def begun(tmp_path, sound_folder, looked_at):
    """A folder in which a training has begun, with n_mels given."""
    run = RunFolder(tmp_path / "run")
    run.path.mkdir()
    config = load_config(settings=["features.n_mels=8"])
    configured = configure(read_manifest(sound_folder), config)
    run.open(configured.config, "name\n", overwrite=False)
    write_choices(configured, run)
    run.last.touch()
    looked_at.clear()
    return run, configured


def test_a_run_keeps_what_was_chosen_and_why(begun):
    run, configured = begun
    document = json.loads(run.choices.read_text())
    assert document["name"] == "auto"
    assert document["given"] == ["features.n_mels"]
    assert document["choices"] == [one.to_dict() for one in configured.choices]
    fingerprint = json.loads((run.path / "fingerprint.json").read_text())
    assert fingerprint["num_clips"] == 80


def go_on(begun, sound_folder, *settings, **options):
    config = load_config(settings=settings)
    return configure_work(read_manifest(sound_folder), config, begun[0], runtime=CPU, **options)


def test_work_goes_on_with_what_it_began_with_even_if_the_rules_have_changed(
    begun, sound_folder, looked_at, monkeypatch
):
    monkeypatch.setattr(
        module, "choose", lambda data, draft: draft.choose("train.epochs", 1, "New.")
    )
    again = go_on(begun, sound_folder, "features.n_mels=8")
    assert again.config == begun[1].config
    assert again.choices == begun[1].choices
    assert looked_at == []


@pytest.mark.parametrize(
    "given_settings",
    [(), ("features.n_mels=9",), ("features.n_mels=8", "features.hop_length=99")],
)
def test_other_settings_are_those_of_another_run(begun, sound_folder, given_settings):
    other = go_on(begun, sound_folder, *given_settings)
    with pytest.raises(TrainingError, match="settings differ"):
        begun[0].refuse_misuse(other.config, None, overwrite=False)


def test_a_given_setting_replaces_a_kept_choice(begun, sound_folder):
    again = go_on(begun, sound_folder, "features.n_mels=8", "train.crop_seconds=0.7")
    assert again.config.train.crop_seconds == 0.7
    assert "train.crop_seconds" not in {one.setting for one in again.choices}


def test_work_that_starts_again_chooses_again(begun, sound_folder, looked_at):
    go_on(begun, sound_folder, "features.n_mels=8", overwrite=True)
    assert len(looked_at) == 1


def test_damaged_choices_are_named(begun, sound_folder):
    begun[0].choices.write_text('{"given": 3}')
    with pytest.raises(TrainingError, match=r"choices\.json: damaged"):
        go_on(begun, sound_folder, "features.n_mels=8")


def test_a_folder_of_others_is_refused_before_anything_is_measured(
    tmp_path, sound_folder, looked_at
):
    (tmp_path / "foreign").mkdir()
    (tmp_path / "foreign" / "config.toml").write_text("x = 1\n")
    manifest = read_manifest(sound_folder)
    with pytest.raises(TrainingError):
        configure_work(manifest, load_config(), RunFolder(tmp_path / "foreign"), runtime=CPU)
    assert looked_at == []


def test_choices_are_described_by_group_and_reason():
    lines = describe(
        [
            Choice("train.epochs", 7, "Short."),
            Choice("features.n_fft", 512, "64 ms."),
            Choice("features.win_length", 512, "64 ms."),
        ]
    )
    assert lines == ["front end: n_fft 512, win_length 512 (64 ms)", "training: epochs 7 (Short)"]
