"""Teachers: trained networks whose judgement a new one learns beside the labels."""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor, nn

from earmark.config import config_from_dict
from earmark.data.recording import SPLIT_TITLES
from earmark.errors import ConfigError
from earmark.models.checkpoint import load_checkpoint, require_short_windows
from earmark.models.run_folder import find_run
from earmark.models.spec import ModelSpec
from earmark.system.runtime import Runtime, pick_precision, place
from earmark.system.shapes import Float
from earmark.tasks.task import Task
from earmark.training.augment.base import Windows
from earmark.training.losses import label_shares


@dataclass(frozen=True)
class Teachers:
    """What trained networks say of the windows of a batch becomes a part of their targets.

    Targets are mixed instead of losses, which is the same: a cross-entropy is linear in them.

    Args:
        networks: In evaluation mode, on the device of the windows.
        task: What their outputs mean.
        share: What the mean of their probabilities weighs; the labels weigh the rest.
        precision: Type of the numbers in their layers.

    Source:
        Hinton et al. (2015), Distilling the knowledge in a neural network, arXiv:1503.02531,
        section 2, at a temperature of 1.
    """

    networks: Sequence[nn.Module]
    task: Task
    share: float
    precision: torch.dtype = torch.float32

    def __call__(self, windows: Windows) -> Windows:
        """The same windows with softer targets."""
        said = torch.stack([self._ask(one, windows.log_mel) for one in self.networks]).mean(dim=0)
        return windows._replace(targets=torch.lerp(windows.targets, said, self.share))

    @torch.no_grad()
    def _ask(
        self, network: nn.Module, log_mel: Float[Tensor, "batch 1 mels frames"]
    ) -> Float[Tensor, "batch labels"]:
        is_narrow = self.precision is not torch.float32
        with torch.autocast(log_mel.device.type, self.precision, enabled=is_narrow):
            logits = network(log_mel)
        return label_shares(logits.float(), self.task)


def load_teachers(spec: ModelSpec, table: str, runtime: Runtime) -> Teachers | None:
    """The teachers that the settings name; None when they name none.

    What a teacher has seen reaches its student, so it must be recordings that the student sees too:
    otherwise validation and test recordings would no longer be new to it.

    Args:
        spec: The student's.
        table: The recordings of its run, as ``recordings.csv``.
        runtime: Where to compute.

    Raises:
        CheckpointError: A teacher cannot be opened.
        ConfigError: A teacher is no run folder, judges other windows or knows other labels, or was
            trained on what the student is validated or tested on.
    """
    config = spec.config.train
    if not config.teachers:
        return None
    own = list(csv.DictReader(io.StringIO(table)))
    networks = []
    for name in config.teachers:
        checkpoint = load_checkpoint(Path(name))
        _refuse_others(name, checkpoint.spec, spec)
        _refuse_unknown_recordings(name, own)
        networks.append(place(checkpoint.build(), runtime.device).eval())
    precision = pick_precision(config.precision, runtime.device)
    return Teachers(networks, spec.task, config.teacher_weight, precision)


def _refuse_others(name: str, teacher: ModelSpec, student: ModelSpec) -> None:
    pairs = {
        "front-end settings": (teacher.config.features, student.config.features),
        "labels": (teacher.labels, student.labels),
        "task": (teacher.task, student.task),
        "length of windows": (teacher.window_frames, student.window_frames),
    }
    other = next((what for what, (one, two) in pairs.items() if one != two), None)
    if other is not None:
        raise ConfigError(
            f"train.teachers: {name} has another {other} than this run; train a teacher with what "
            "its student has"
        )
    # It will hear the windows as the augmentation of its student leaves them.
    table = {**teacher.config.to_dict(), "augment": student.config.to_dict()["augment"]}
    heard = config_from_dict(table, source=f"train.teachers: {name}")
    try:
        require_short_windows(replace(teacher, config=heard))
    except ConfigError as error:
        raise ConfigError(f"train.teachers: {name}: {error}") from None


def _refuse_unknown_recordings(name: str, own: Sequence[dict[str, str]]) -> None:
    run = find_run(Path(name))
    if run is None:
        raise ConfigError(
            f"train.teachers: {name} does not know what it was trained on; give its run folder"
        )
    keys = {
        split: {row["key"] for row in own if row["split"] in ("train", split)}
        for split in ("train", "validation")
    }
    for row in run.read_recordings():
        if row["split"] != "test" and row["key"] and row["key"] not in keys[row["split"]]:
            raise ConfigError(
                f"train.teachers: {name} saw {row['name']} in its {SPLIT_TITLES[row['split']]} "
                "split, which this run does not train on; train a teacher on the splits of its "
                "student"
            )
