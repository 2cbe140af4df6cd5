"""Learning from trained networks: whose word counts for how much, and who may teach."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from earmark.config import load_config
from earmark.data.manifest import read_manifest
from earmark.errors import CheckpointError, ConfigError, TrainingError
from earmark.models.checkpoint import load_checkpoint
from earmark.models.run_folder import RunFolder
from earmark.system.runtime import Runtime
from earmark.tasks.task import BINARY, MULTI_LABEL, TASKS
from earmark.training.augment.base import Windows
from earmark.training.distillation import Teachers
from earmark.training.losses import label_shares, make_loss
from earmark.training.train import train

CPU = Runtime(torch.device("cpu"))
SMALL = (
    "model.blocks.0.channels=4",
    "model.blocks.1.channels=4",
    "train.crop_seconds=0.5",
    "train.batch_size=8",
    "train.epochs=3",
)
NO_MORE_POOLING = tuple(f"model.blocks.{one}.pool_size=1" for one in (1, 2, 3))


class Says(torch.nn.Module):
    """A network that gives the same logits for every window."""

    def __init__(self, *logits):
        super().__init__()
        self.logits = torch.tensor(logits)

    def forward(self, log_mel):
        return self.logits.expand(len(log_mel), -1)


@pytest.fixture
def run_training(tmp_path, sound_folder):
    """Trains on the folder, or on its recordings as a function changes them."""

    def run(name, *settings, change=lambda one: one):
        manifest = read_manifest(sound_folder)
        changed = replace(manifest, recordings=tuple(map(change, manifest.recordings)))
        config = load_config(settings=[*SMALL, *settings])
        folder = tmp_path / name
        train(changed, folder, config, runtime=CPU, store_root=tmp_path / "store")
        return folder

    return run


def taught_by(*teachers, share=0.8):
    names = ", ".join(f'"{one}"' for one in teachers)
    return (f"train.teachers=[{names}]", f"train.teacher_weight={share}")


def swap_labels(recording):
    return replace(recording, labels=("music",) if recording.labels == ("speech",) else ("speech",))


@pytest.mark.parametrize("task", TASKS.values(), ids=list(TASKS))
def test_shares_of_labels_are_the_probabilities_of_the_task(task, rng):
    logits = rng.normal(0, 3, (20, task.num_outputs(2 if task is BINARY else 5))).astype(np.float32)
    shares = label_shares(torch.from_numpy(logits), task)
    np.testing.assert_allclose(shares.numpy(), task.probabilities(logits), atol=1e-6)


def test_targets_are_mixed_with_the_mean_of_what_the_teachers_say():
    windows = Windows(torch.zeros(3, 1, 4, 5), torch.tensor([[1.0, 0.0]] * 3))
    teachers = Teachers([Says(0.0, 40.0), Says(40.0, 40.0)], MULTI_LABEL, share=0.4)
    targets = teachers(windows).targets
    torch.testing.assert_close(targets, torch.tensor([[0.6 + 0.4 * 0.75, 0.4]] * 3))


@pytest.mark.parametrize("task", TASKS.values(), ids=list(TASKS))
def test_a_loss_with_mixed_targets_is_the_mixture_of_both_losses(task, rng):
    num_labels = 2 if task is BINARY else 3
    logits = torch.from_numpy(rng.normal(0, 2, (7, task.num_outputs(num_labels)))).float()
    targets = torch.eye(num_labels)[torch.arange(7) % num_labels]
    teachers = Teachers([Says(*rng.normal(0, 2, logits.shape[1]).tolist())], task, share=0.7)
    windows = Windows(torch.zeros(7, 1, 4, 5), targets)
    said = label_shares(teachers.networks[0](windows.log_mel), task)
    loss = make_loss(task)
    mixed = 0.3 * loss(logits, targets) + 0.7 * loss(logits, said)
    torch.testing.assert_close(loss(logits, teachers(windows).targets), mixed)


def test_who_learns_from_teachers_alone_does_not_read_the_labels(run_training):
    teacher = run_training("teacher", "train.hold_out_validation=false")
    weights = []
    for name, change in (("as they are", lambda one: one), ("swapped", swap_labels)):
        alone = ("train.hold_out_validation=false", *taught_by(teacher, share=1.0))
        weights.append(load_checkpoint(run_training(name, *alone, change=change)).model)
    for name, one in weights[0].items():
        torch.testing.assert_close(one, weights[1][name], rtol=0, atol=0)


def test_a_teacher_changes_what_is_learnt_and_none_does_not(run_training):
    teacher = run_training("teacher")
    plain, unheard, taught = (
        load_checkpoint(run_training(name, *settings)).model["classifier.weight"]
        for name, settings in (
            ("plain", ("train.seed=1",)),
            ("unheard", ("train.seed=1", *taught_by(teacher, share=0.0))),
            ("taught", ("train.seed=1", *taught_by(teacher))),
        )
    )
    assert torch.equal(plain, unheard)
    assert not torch.equal(plain, taught)


@pytest.mark.parametrize(
    ("setting", "what"),
    [
        ("features.n_mels=32", "front-end settings"),
        ("train.crop_seconds=0.4", "length of windows"),
        ("train.task=multi_label", "task"),
    ],
)
def test_a_teacher_that_judges_something_else_is_refused(run_training, tmp_path, setting, what):
    teacher = run_training("teacher", setting)
    with pytest.raises(ConfigError, match=f"teacher has another {what} than this run"):
        run_training("student", *taught_by(teacher))
    assert not (tmp_path / "student").exists()


@pytest.mark.parametrize(
    ("setting", "why"),
    [
        ("model.head=flatten", "model.head = flatten takes windows of one length only"),
        ("model.blocks.0.pool_size=[2, 16]", "is too short: model.blocks"),
    ],
)
def test_a_teacher_that_cannot_hear_shortened_windows_is_refused(run_training, setting, why):
    teacher = run_training("teacher", setting, *NO_MORE_POOLING)
    shorter = ("augment.shortest=0.6", *NO_MORE_POOLING)
    with pytest.raises(
        ConfigError, match=rf"train\.teachers: .*teacher: .*augment.shortest = 0.6.*{why}"
    ):
        run_training("student", *shorter, *taught_by(teacher))


@pytest.mark.parametrize("split", ["validation", "test"])
def test_a_teacher_that_trained_on_what_judges_its_student_is_refused(
    run_training, tmp_path, split
):
    def train_on_it(one):
        return (
            replace(one, split="train")
            if one.split == split and one.name.endswith("_0.wav")
            else one
        )

    teacher = run_training("teacher", change=train_on_it)
    with pytest.raises(ConfigError, match=r"teacher saw .*_0\.wav in its training split"):
        run_training("student", *taught_by(teacher))
    assert not (tmp_path / "student").exists()


def test_a_teacher_that_was_validated_on_what_tests_its_student_is_refused(run_training):
    def validate_on_it(one):
        return replace(one, split="validation") if one.split == "test" else one

    teacher = run_training("teacher", change=validate_on_it)
    with pytest.raises(ConfigError, match="in its validation split"):
        run_training("student", *taught_by(teacher))


def test_a_teacher_may_have_seen_less_than_its_student(run_training):
    def leave_out(one):
        return replace(one, split="test") if one.name.endswith("_1.wav") else one

    teacher = run_training("teacher", change=leave_out)
    run_training("student", *taught_by(teacher))


def test_a_run_does_not_go_on_with_a_teacher_that_has_changed(run_training):
    teacher = run_training("teacher")
    run_training("student", *taught_by(teacher))
    run_training("student", *taught_by(teacher))
    run_training("other", "train.seed=1")
    RunFolder(teacher).best.write_bytes(RunFolder(teacher.parent / "other").best.read_bytes())
    with pytest.raises(TrainingError, match=r"student: .* another run \(the teachers have changed"):
        run_training("student", *taught_by(teacher))


def test_a_run_does_not_teach_itself(run_training, tmp_path):
    teacher = run_training("teacher")
    with pytest.raises(TrainingError, match="teacher: holds the teacher"):
        run_training("teacher", *taught_by(teacher))
    with pytest.raises(TrainingError, match=f"{tmp_path}: holds the teacher"):
        run_training(tmp_path, *taught_by(teacher))


def test_a_teacher_without_its_run_folder_is_refused(run_training, tmp_path):
    alone = tmp_path / "alone" / "teacher.safetensors"
    alone.parent.mkdir()
    alone.write_bytes(RunFolder(run_training("teacher")).best.read_bytes())
    with pytest.raises(ConfigError, match="does not know what it was trained on"):
        run_training("student", *taught_by(alone))


def test_a_teacher_that_is_not_there_is_named(run_training):
    with pytest.raises(CheckpointError, match="nobody: no such model"):
        run_training("student", *taught_by("nobody"))
