"""Knowledge distillation: targets mixed with the predictions of trained networks."""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor, nn

from earmark.config import config_from_dict
from earmark.data.dataset import Batch
from earmark.data.names.spelling import normalize
from earmark.data.recording import SPLIT_TITLES
from earmark.errors import CheckpointError, ConfigError
from earmark.models.checkpoint import load_checkpoint, require_short_windows
from earmark.models.run_folder import RunFolder, find_run
from earmark.models.spec import ModelSpec
from earmark.models.work_folder import source_weights
from earmark.system.runtime import Runtime, pick_precision, place
from earmark.system.shapes import Float
from earmark.tasks.task import Task
from earmark.training.losses import label_probabilities


@dataclass(frozen=True)
class Teachers:
    """Mixes the mean probabilities of trained networks into the targets of a batch.

    Mixing targets is the same as mixing losses, because the cross-entropy is linear in the targets.

    Args:
        networks: In evaluation mode, on the device of the windows.
        task: What their outputs mean.
        weight: Weight of the mean of their probabilities; the labels have the rest.
        precision: Type of the numbers in their layers.

    Source:
        Hinton et al. (2015), Distilling the knowledge in a neural network, arXiv:1503.02531,
        section 2, at a temperature of 1.
    """

    networks: Sequence[nn.Module]
    task: Task
    weight: float
    precision: torch.dtype = torch.float32

    def __call__(self, batch: Batch) -> Batch:
        """The same windows with soft targets."""
        each = torch.stack([self._predict(one, batch.log_mel) for one in self.networks])
        targets = torch.lerp(batch.targets, each.mean(dim=0), self.weight)
        return batch._replace(targets=targets)

    @torch.no_grad()
    def _predict(
        self, network: nn.Module, log_mel: Float[Tensor, "batch 1 mels frames"]
    ) -> Float[Tensor, "batch labels"]:
        is_narrow = self.precision is not torch.float32
        with torch.autocast(log_mel.device.type, self.precision, enabled=is_narrow):
            logits = network(log_mel)
        return label_probabilities(logits.float(), self.task)


def require_teachers(names: Sequence[str]) -> None:
    """Checks that every teacher can be opened, before any work.

    Args:
        names: Run folders, or files with weights.

    Raises:
        ConfigError: One is missing, or is not a model.
    """
    for name in names:
        file = source_weights(name)
        try:
            load_checkpoint(file)
        except CheckpointError as error:
            raise ConfigError(f"train.teachers: {error}") from None


def held_out_teachers(names: Sequence[str]) -> tuple[str, ...]:
    """The teachers of a first training: instead of a refit, the training that came before it.

    Args:
        names: Run folders.
    """
    runs = ((name, RunFolder(Path(name))) for name in names)
    return tuple(str(run.held_out.path) if run.is_refit else name for name, run in runs)


def load_teachers(spec: ModelSpec, table: str, runtime: Runtime) -> Teachers | None:
    """The teachers that the settings name; None when they name none.

    A student learns from what its teacher was trained on, so these recordings must be among its own
    training recordings: otherwise its validation or test data would leak into it.

    Args:
        spec: Of the student.
        table: Text of the student's ``recordings.csv``.
        runtime: Where to compute.

    Raises:
        CheckpointError: A teacher cannot be opened.
        ConfigError: A teacher is no run folder, has other features, windows, labels or another
            task, or was trained on what the student is validated or tested on.
    """
    config = spec.config.train
    if not config.teachers:
        return None
    own = list(csv.DictReader(io.StringIO(table)))
    networks = []
    for name in config.teachers:
        checkpoint = load_checkpoint(Path(name))
        _refuse_mismatch(name, checkpoint.spec, spec)
        _refuse_leaks(name, own)
        networks.append(place(checkpoint.build(), runtime.device).eval())
    precision = pick_precision(config.precision, runtime.device)
    return Teachers(networks, spec.task, config.teacher_weight, precision)


def _refuse_mismatch(name: str, teacher: ModelSpec, student: ModelSpec) -> None:
    pairs = {
        "front-end settings": (teacher.config.features, student.config.features),
        "labels": tuple(tuple(map(normalize, one.labels)) for one in (teacher, student)),
        "task": (teacher.task, student.task),
        "length of windows": (teacher.window_frames, student.window_frames),
    }
    other = next((what for what, (one, two) in pairs.items() if one != two), None)
    if other is not None:
        raise ConfigError(
            f"train.teachers: {name} has another {other} than this run; train the teacher with the "
            "same"
        )
    # The teacher gets the windows as the student's augmentation leaves them.
    table = {**teacher.config.to_dict(), "augment": student.config.to_dict()["augment"]}
    augmented = config_from_dict(table, source=f"train.teachers: {name}")
    try:
        require_short_windows(replace(teacher, config=augmented))
    except ConfigError as error:
        raise ConfigError(f"train.teachers: {name}: {error}") from None


def _refuse_leaks(name: str, own: Sequence[dict[str, str]]) -> None:
    run = find_run(Path(name))
    if run is None:
        raise ConfigError(
            f"train.teachers: {name} has no record of its training data; give its run folder"
        )
    keys = {
        split: {row["key"] for row in own if row["split"] in ("train", split)}
        for split in ("train", "validation")
    }
    remedy = (
        f"give its first training, {run.held_out.path}"
        if run.is_refit
        else "train the teacher on the same splits"
    )
    for row in run.read_seen():
        if row["key"] and row["key"] not in keys[row["split"]]:
            raise ConfigError(
                f"train.teachers: {name} has {row['name']} in its {SPLIT_TITLES[row['split']]} "
                f"split, which this run does not train on; {remedy}"
            )
