"""Distillation: targets mixed with predictions of teachers, and which teachers are refused."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from earmark.config import load_config
from earmark.data.dataset import Batch
from earmark.data.manifest import read_manifest
from earmark.errors import ConfigError, TrainingError
from earmark.models.checkpoint import load_checkpoint
from earmark.models.run_folder import RunFolder
from earmark.system.runtime import Runtime
from earmark.tasks.task import BINARY, MULTI_LABEL, TASKS
from earmark.training.distillation import Teachers, require_teachers
from earmark.training.losses import label_probabilities, make_loss
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
NO_MORE_POOLING = tuple(f"model.blocks.{one}.pool_size=1" for one in (1, 2, 3))


class Constant(torch.nn.Module):
    """A network with the same logits for every window."""

    def __init__(self, *logits):
        super().__init__()
        self.logits = torch.tensor(logits)

    def forward(self, log_mel):
        return self.logits.expand(len(log_mel), -1)


def batch_of(targets):
    return Batch(torch.zeros(len(targets), 1, 4, 5), targets, torch.arange(len(targets)))


@pytest.fixture
def run_training(tmp_path, sound_folder):
    """Trains on the folder, or on its recordings as a function changes them."""

    def run(name, *settings, change=lambda one: one):
        manifest = read_manifest(sound_folder)
        changed = replace(manifest, recordings=tuple(map(change, manifest.recordings)))
        config = load_config(settings=[*SMALL, *settings])
        folder = tmp_path / name
        train(changed, folder, config, device=CPU, store=tmp_path / "store")
        return folder

    return run


def taught_by(*teachers, weight=0.8):
    names = ", ".join(f'"{one}"' for one in teachers)
    return (f"train.teachers=[{names}]", f"train.teacher_weight={weight}")


def swap_labels(recording):
    return replace(recording, labels=("music",) if recording.labels == ("speech",) else ("speech",))


@pytest.mark.parametrize("task", TASKS.values(), ids=list(TASKS))
def test_probabilities_of_tensors_are_those_of_the_task(task, rng):
    logits = rng.normal(0, 3, (20, task.num_outputs(2 if task is BINARY else 5))).astype(np.float32)
    found = label_probabilities(torch.from_numpy(logits), task)
    np.testing.assert_allclose(found.numpy(), task.probabilities(logits), atol=1e-6)


def test_targets_are_mixed_with_the_mean_of_the_teachers():
    batch = batch_of(torch.tensor([[1.0, 0.0]] * 3))
    teachers = Teachers([Constant(0.0, 40.0), Constant(40.0, 40.0)], MULTI_LABEL, weight=0.4)
    targets = teachers(batch).targets
    torch.testing.assert_close(targets, torch.tensor([[0.6 + 0.4 * 0.75, 0.4]] * 3))


@pytest.mark.parametrize("task", TASKS.values(), ids=list(TASKS))
def test_a_loss_with_mixed_targets_is_the_mixture_of_both_losses(task, rng):
    num_labels = 2 if task is BINARY else 3
    logits = torch.from_numpy(rng.normal(0, 2, (7, task.num_outputs(num_labels)))).float()
    targets = torch.eye(num_labels)[torch.arange(7) % num_labels]
    teachers = Teachers([Constant(*rng.normal(0, 2, logits.shape[1]).tolist())], task, weight=0.7)
    batch = batch_of(targets)
    probabilities = label_probabilities(teachers.networks[0](batch.log_mel), task)
    loss = make_loss(task)
    mixed = 0.3 * loss(logits, targets) + 0.7 * loss(logits, probabilities)
    torch.testing.assert_close(loss(logits, teachers(batch).targets), mixed)


def test_with_a_teacher_weight_of_1_the_labels_have_no_effect(run_training):
    teacher = run_training("teacher", "train.hold_out_validation=false")
    weights = []
    for name, change in (("as they are", lambda one: one), ("swapped", swap_labels)):
        alone = ("train.hold_out_validation=false", *taught_by(teacher, weight=1.0))
        weights.append(load_checkpoint(run_training(name, *alone, change=change)).model)
    for name, one in weights[0].items():
        torch.testing.assert_close(one, weights[1][name], rtol=0, atol=0)


def test_a_teacher_changes_the_weights_unless_its_weight_is_0(run_training):
    teacher = run_training("teacher")
    plain, ignored, taught = (
        load_checkpoint(run_training(name, *settings)).model["classifier.weight"]
        for name, settings in (
            ("plain", ("train.seed=1",)),
            ("ignored", ("train.seed=1", *taught_by(teacher, weight=0.0))),
            ("taught", ("train.seed=1", *taught_by(teacher))),
        )
    )
    assert torch.equal(plain, ignored)
    assert not torch.equal(plain, taught)


@pytest.mark.parametrize(
    ("setting", "what"),
    [
        ("features.n_mels=32", "front-end settings"),
        ("train.crop_seconds=0.4", "length of windows"),
        ("train.task=multi_label", "task"),
    ],
)
def test_a_teacher_of_other_features_windows_or_task_is_refused(
    run_training, tmp_path, setting, what
):
    teacher = run_training("teacher", setting)
    with pytest.raises(ConfigError, match=rf"train\.teachers: .*teacher .*{what}"):
        run_training("student", *taught_by(teacher))
    assert not (tmp_path / "student").exists()


@pytest.mark.parametrize(
    ("setting", "path"),
    [
        ("model.head=flatten", r"model\.head"),
        ("model.blocks.0.pool_size=[2, 16]", r"model\.blocks"),
    ],
)
def test_a_teacher_that_cannot_take_shortened_windows_is_refused(run_training, setting, path):
    teacher = run_training("teacher", setting, *NO_MORE_POOLING)
    shorter = ("augment.shortest=0.6", *NO_MORE_POOLING)
    with pytest.raises(
        ConfigError, match=rf"train\.teachers: .*teacher: .*augment\.shortest = 0\.6.*{path}"
    ):
        run_training("student", *shorter, *taught_by(teacher))


@pytest.mark.parametrize("split", ["validation", "test"])
def test_a_teacher_that_was_trained_on_held_out_data_of_its_student_is_refused(
    run_training, tmp_path, split
):
    def train_on_it(one):
        return (
            replace(one, split="train")
            if one.split == split and one.name.endswith("_0.wav")
            else one
        )

    teacher = run_training("teacher", change=train_on_it)
    with pytest.raises(ConfigError, match=r"train\.teachers: .*teacher .*_0\.wav"):
        run_training("student", *taught_by(teacher))
    assert not (tmp_path / "student").exists()


def test_a_teacher_that_was_validated_on_test_data_of_its_student_is_refused(run_training):
    def validate_on_it(one):
        return replace(one, split="validation") if one.split == "test" else one

    teacher = run_training("teacher", change=validate_on_it)
    with pytest.raises(ConfigError, match=r"train\.teachers: .*teacher .*validation"):
        run_training("student", *taught_by(teacher))


def test_a_teacher_may_be_trained_on_fewer_recordings_than_its_student(run_training):
    def leave_out(one):
        return replace(one, split="test") if one.name.endswith("_1.wav") else one

    teacher = run_training("teacher", change=leave_out)
    student = RunFolder(run_training("student", "train.epochs=2", *taught_by(teacher)))
    trained = [
        {row["name"] for row in one.read_recordings() if row["split"] == "train"}
        for one in (RunFolder(teacher), student)
    ]
    assert trained[0] < trained[1]
    assert str(teacher) in student.teachers.read_text()
    untaught = RunFolder(run_training("untaught", "train.epochs=2"))
    assert student.best.read_bytes() != untaught.best.read_bytes()
    assert [one["epoch"] for one in student.read_log()] == [1, 2]


def test_a_run_is_not_resumed_with_a_changed_teacher(run_training):
    teacher = run_training("teacher")
    run_training("student", *taught_by(teacher))
    run_training("student", *taught_by(teacher))
    run_training("other", "train.seed=1")
    RunFolder(teacher).best.write_bytes(RunFolder(teacher.parent / "other").best.read_bytes())
    with pytest.raises(TrainingError, match=r"student: "):
        run_training("student", *taught_by(teacher))


def test_a_run_cannot_be_its_own_teacher(run_training, tmp_path):
    teacher = run_training("teacher")
    with pytest.raises(TrainingError, match=r"teacher: .*teacher"):
        run_training("teacher", *taught_by(teacher))
    with pytest.raises(TrainingError, match=f"{tmp_path}: .*teacher"):
        run_training(tmp_path, *taught_by(teacher))


def test_a_teacher_without_its_run_folder_is_refused(run_training, tmp_path):
    alone = tmp_path / "alone" / "teacher.safetensors"
    alone.parent.mkdir()
    alone.write_bytes(RunFolder(run_training("teacher")).best.read_bytes())
    with pytest.raises(ConfigError, match=r"train\.teachers: .*teacher\.safetensors"):
        run_training("student", *taught_by(alone))


@pytest.mark.parametrize("exists", [False, True])
def test_a_missing_teacher_fails_before_features_are_computed(run_training, tmp_path, exists):
    nowhere = tmp_path / "nowhere"
    if exists:
        nowhere.mkdir()
    with pytest.raises(ConfigError, match=r"train\.teachers: .*nowhere"):
        run_training("student", *taught_by(nowhere))
    assert not (tmp_path / "store").exists()
    assert not (tmp_path / "student").exists()


def test_a_teacher_that_is_no_model_is_refused_before_any_work(tmp_path):
    (tmp_path / "teacher.safetensors").write_text("text")
    with pytest.raises(ConfigError, match=r"train\.teachers: .*teacher\.safetensors"):
        require_teachers([str(tmp_path / "teacher.safetensors")])
