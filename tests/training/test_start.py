"""Training from the weights of an earlier run."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from earmark.config import load_config
from earmark.data.manifest import read_manifest
from earmark.errors import ConfigError, DataError, TrainingError
from earmark.evaluation.held_out import read_seen_data
from earmark.evaluation.provenance import digest_weights
from earmark.models.checkpoint import Checkpoint, load_checkpoint, new_network
from earmark.models.run_folder import RunFolder
from earmark.models.spec import ModelSpec
from earmark.system.runtime import Runtime
from earmark.tasks.task import TASKS
from earmark.training.start import Start, continue_settings, open_start
from earmark.training.train import train

CPU = Runtime(torch.device("cpu"))
SMALL = (
    "recipe.name=classic",
    *(f"model.blocks.{one}.channels=4" for one in range(4)),
    "train.crop_seconds=0.5",
    "train.batch_size=8",
    "train.epochs=1",
    "evaluate.baseline=false",
)


@pytest.fixture
def run_training(tmp_path):
    def run(name, data, *settings, **options):
        config = load_config(settings=settings)
        return train(data, tmp_path / name, config, device=CPU, store=tmp_path / "store", **options)

    return run


@pytest.fixture
def first(write_run, sound_folder):
    """The run folder of a network with random weights."""
    settings = ("train.epochs=1", "train.batch_size=8", "evaluate.baseline=false")
    return write_run(sound_folder, settings=settings)


def make_start(labels, task, seed=0, config=None):
    spec = ModelSpec(config or load_config(), tuple(labels), 51, TASKS[task])
    torch.manual_seed(seed)
    network = new_network(spec).eval()
    checkpoint = Checkpoint(spec, {name: one.clone() for name, one in network.state_dict().items()})
    return Start("run", RunFolder(Path("run")), checkpoint), network


def probabilities(network, spec, windows):
    with torch.no_grad():
        return spec.task.probabilities(network(windows).numpy())


@pytest.mark.parametrize(
    ("old", "old_task", "new", "new_task"),
    [
        ("ab", "binary", "ba", "binary"),
        ("abc", "multi_class", "cab", "multi_class"),
        ("ab", "binary", "ab", "multi_class"),
        ("ab", "multi_class", "ab", "binary"),
        ("ab", "binary", "ab", "multi_label"),
        ("abc", "multi_label", "cba", "multi_label"),
    ],
)
def test_the_same_labels_get_the_same_probabilities_in_any_order_and_task(
    old, old_task, new, new_task
):
    start, network = make_start(old, old_task)
    spec = replace(start.checkpoint.spec, labels=tuple(new), task=TASKS[new_task])
    torch.manual_seed(1)
    copy = new_network(spec).eval()
    start.copy_weights(copy, spec)
    windows = -40.0 + 10.0 * torch.randn(3, 1, spec.config.features.n_mels, 51)
    before = probabilities(network, start.checkpoint.spec, windows)
    order = [old.index(label) for label in new]
    assert probabilities(copy, spec, windows) == pytest.approx(before[:, order], abs=1e-6)


def test_rows_go_by_label_and_those_of_new_labels_stay_new():
    start, network = make_start("abc", "multi_class")
    spec = replace(start.checkpoint.spec, labels=("a", "c", "d"))
    torch.manual_seed(1)
    copy = new_network(spec)
    new = copy.classifier.weight[2].clone()
    start.copy_weights(copy, spec)
    old = network.state_dict()
    for name, tensor in copy.state_dict().items():
        if not name.startswith("classifier"):
            assert torch.equal(tensor, old[name])
    assert torch.equal(copy.classifier.weight[:2], network.classifier.weight[[0, 2]])
    assert torch.equal(copy.classifier.weight[2], new)
    changes = start.compare_labels(spec.labels)
    assert (changes.kept, changes.added, changes.removed) == (("a", "c"), ("d",), ("b",))


def test_a_label_that_gets_company_keeps_its_logits():
    start, network = make_start("ab", "binary")
    spec = replace(start.checkpoint.spec, labels=("a", "b", "c"), task=TASKS["multi_class"])
    copy = new_network(spec).eval()
    start.copy_weights(copy, spec)
    windows = torch.randn(3, 1, spec.config.features.n_mels, 51)
    with torch.no_grad():
        logits, before = copy(windows), network(windows)[:, 0]
    assert torch.allclose(logits[:, 1] - logits[:, 0], before, atol=1e-6)


def test_given_settings_stand_and_the_others_are_those_of_the_run(first, tmp_path):
    start = open_start(load_config(settings=[f"train.start_from={first}"]))
    given = load_config(settings=[f"train.start_from={first}", "train.learning_rate=0.1"])
    config = continue_settings(given, start)
    assert config.train.learning_rate == 0.1
    assert config.train.epochs == 1
    assert config.model == start.checkpoint.spec.config.model
    assert config.recipe.rules is False
    for setting in ("recipe.name=tiny", "recipe.minutes=9"):
        with pytest.raises(ConfigError, match=setting.partition("=")[0]):
            continue_settings(load_config(settings=[setting]), start)


def test_a_training_starts_from_the_weights_and_says_so(run_training, first, sound_folder):
    frozen = ("train.learning_rate=1e-12", "train.ema_decay=0")
    result = run_training("run2", sound_folder, f"train.start_from={first}", *frozen)
    before, after = load_checkpoint(first), load_checkpoint(result.run)
    for name, tensor in before.model.items():
        if "running" not in name and "num_batches" not in name:
            assert torch.allclose(tensor, after.model[name], atol=1e-6), name
    expected = {
        "model": str(first),
        "weights_digest": digest_weights(before.model),
        "kept": ["music", "speech"],
        "added": [],
        "removed": [],
    }
    assert after.progress["start"] == result.to_dict()["start"] == expected
    assert after.spec.config.train.start_from == str(first)
    assert not RunFolder(result.run).earlier.exists()


def test_the_same_command_resumes_unless_the_start_has_changed(run_training, first, sound_folder):
    command = ("run2", sound_folder, f"train.start_from={first}")
    once = run_training(*command)
    assert run_training(*command).epochs == once.epochs
    torch.manual_seed(5)
    checkpoint = load_checkpoint(first)
    model = {
        name: one + 1 if "classifier" in name else one for name, one in checkpoint.model.items()
    }
    replace(checkpoint, model=model).save(RunFolder(first).best)
    with pytest.raises(TrainingError, match="run2"):
        run_training(*command)


def test_recordings_that_are_gone_may_still_not_be_tested_later(
    run_training, first, sound_folder, tmp_path
):
    manifest = read_manifest(sound_folder)
    gone = manifest.split("train")[0]
    left = replace(manifest, recordings=tuple(one for one in manifest.recordings if one != gone))
    second = run_training("run2", left, f"train.start_from={first}").run
    assert gone.name in read_seen_data(second).keys
    third = run_training("run3", left, f"train.start_from={second}").run
    assert gone.name in read_seen_data(third).keys
    rows = RunFolder(third).earlier.read_text().splitlines()
    assert len(rows) == 2
    assert (third / rows[1].split(",")[0]).resolve() == gone.path.resolve()
    RunFolder(third).earlier.write_text("\n".join(rows[:1]))
    with pytest.raises(DataError, match="earlier"):
        read_seen_data(third)


def test_a_clip_that_the_run_has_met_is_not_tested_or_validated(run_training, first, sound_folder):
    manifest = read_manifest(sound_folder)
    met = manifest.split("train")[0]
    for split in ("test", "validation"):
        recordings = tuple(
            replace(one, split=split) if one == met else one for one in manifest.recordings
        )
        with pytest.raises(DataError, match=met.name):
            run_training(
                "run2", replace(manifest, recordings=recordings), f"train.start_from={first}"
            )


def test_splits_go_on_where_those_of_the_run_ended(run_training, flat_folder, write_clip):
    first = run_training("run", flat_folder, *SMALL).run
    before = {row["name"]: row["split"] for row in RunFolder(first).read_recordings()}
    for index in range(100, 106):
        label = ("music", "speech")[index % 2]
        write_clip(flat_folder / label / f"new_{index}.wav", seed=index)
    second = run_training(
        "run2", flat_folder, f"train.start_from={first}", "train.split_seed=9"
    ).run
    after = {row["name"]: row["split"] for row in RunFolder(second).read_recordings()}
    assert {name: after[name] for name in before} == before
    assert len(after) == len(before) + 6


@pytest.mark.slow
def test_a_refit_starts_from_both_trainings_of_a_refit(run_training, sound_folder):
    first = run_training("run", sound_folder, *SMALL, "train.refit=true").run
    second = RunFolder(run_training("run2", sound_folder, f"train.start_from={first}").run)
    starts = [
        load_checkpoint(run.best).progress["start"]["model"] for run in (second, second.held_out)
    ]
    assert starts == [str(first), str(RunFolder(first).held_out.path)]
    with pytest.raises(DataError, match="held_out"):
        run_training("run3", sound_folder, f"train.start_from={first}", "train.refit=false")


@pytest.mark.parametrize(
    ("setting", "named"),
    [
        ("features.n_mels=32", "features.n_mels"),
        ("model.blocks.0.channels=5", "model.blocks"),
        ("model.name=bc_resnet", "model"),
    ],
)
def test_another_front_end_or_network_is_refused_before_anything_is_written(
    run_training, first, sound_folder, tmp_path, setting, named
):
    with pytest.raises(ConfigError, match=named):
        run_training("run2", sound_folder, f"train.start_from={first}", setting)
    assert not (tmp_path / "run2").exists()


def test_a_model_without_a_record_of_its_data_is_refused(first, tmp_path):
    alone = tmp_path / "alone.safetensors"
    alone.write_bytes(RunFolder(first).best.read_bytes())
    for name in (alone, tmp_path / "missing", tmp_path):
        with pytest.raises(ConfigError, match="start_from"):
            open_start(load_config(settings=[f"train.start_from={name}"]))


def test_a_run_cannot_start_from_itself(run_training, first, sound_folder):
    with pytest.raises(TrainingError, match="run"):
        run_training("run", sound_folder, f"train.start_from={first}", overwrite=True)
