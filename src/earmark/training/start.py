"""The earlier run that a training starts from: its settings, its splits and its weights."""

import csv
import io
import logging
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from earmark.config import Config, with_settings
from earmark.config.layers import complete, flatten
from earmark.data.names.spelling import normalize
from earmark.data.tables.columns import STORED_COLUMNS
from earmark.errors import CheckpointError, ConfigError
from earmark.evaluation.provenance import digest_weights
from earmark.models.architectures.registry import AudioModel
from earmark.models.checkpoint import Checkpoint, load_checkpoint, new_network
from earmark.models.run_folder import RunFolder, find_run
from earmark.models.spec import ModelSpec
from earmark.models.work_folder import source_weights
from earmark.system.files import csv_lines, path_from
from earmark.tasks.task import BINARY, MULTI_LABEL, Task

logger = logging.getLogger(__name__)

SETTING = "train.start_from"
_OWN = ("recipe.minutes", SETTING, "train.teachers", "train.teacher_weight", "train.num_threads")
"""Settings that are not taken from the earlier run: they are about how it was trained."""
_FREE = ("dropout",)
"""Settings of ``model`` that may differ: no weight depends on them."""
_COLUMNS = tuple(column for column in STORED_COLUMNS if column != "path")


@dataclass(frozen=True)
class LabelChanges:
    """The labels of a network beside those of the one that it starts from.

    Args:
        kept: Labels of both.
        added: Labels that are new.
        removed: Labels that are no longer there.
    """

    kept: tuple[str, ...]
    added: tuple[str, ...]
    removed: tuple[str, ...]


@dataclass(frozen=True)
class Start:
    """An earlier run that a training starts from.

    Args:
        name: As the settings name it.
        run: Its run folder.
        checkpoint: Its model.
    """

    name: str
    run: RunFolder
    checkpoint: Checkpoint

    @cached_property
    def weights_digest(self) -> str:
        """Digest of its weights and their names, as in the report of its test."""
        return digest_weights(self.checkpoint.model)

    def compare_labels(self, labels: Iterable[str]) -> LabelChanges:
        """The labels of a new network beside its own.

        Args:
            labels: Of the new network; another spelling is the same label.
        """
        new, old = tuple(labels), self.checkpoint.spec.labels
        known, wanted = set(map(normalize, old)), set(map(normalize, new))
        return LabelChanges(
            tuple(one for one in new if normalize(one) in known),
            tuple(one for one in new if normalize(one) not in known),
            tuple(one for one in old if normalize(one) not in wanted),
        )

    def describe(self, labels: Iterable[str]) -> dict[str, Any]:
        """Where the weights of a model come from, for its file.

        Args:
            labels: Of the model.
        """
        changes = self.compare_labels(labels)
        return {
            "model": self.name,
            "weights_digest": self.weights_digest,
            "kept": list(changes.kept),
            "added": list(changes.added),
            "removed": list(changes.removed),
        }

    def copy_weights(self, network: AudioModel, spec: ModelSpec) -> None:
        """Gives a new network the weights; rows of its classifier go by the name of the label.

        The rows of new labels stay as they are.

        Args:
            network: The new network.
            spec: Its specification.

        Raises:
            ConfigError: Another weight depends on the length of the windows, which differs.
        """
        earlier, state = self.checkpoint.spec, dict(self.checkpoint.model)
        own = network.state_dict()
        if (earlier.labels, earlier.task) != (spec.labels, spec.task):
            for name in ("classifier.weight", "classifier.bias"):
                state[name] = _match_rows(state[name], earlier, own[name], spec)
        other = [name for name in own if name not in state or own[name].shape != state[name].shape]
        if other:
            raise ConfigError(
                f"{SETTING}: {self.name} has another length of windows than this run, and its "
                f"{other[0]} depends on it; use the same train.crop_seconds"
            )
        network.load_state_dict(state)

    def list_earlier(self, table: str, folder: Path) -> str:
        """The text of ``earlier.csv``: recordings that only this run and those before it have seen.

        Args:
            table: Text of ``recordings.csv`` of the new run.
            folder: Its run folder.

        Returns:
            A table like ``recordings.csv``; empty if there are none.
        """
        own = csv.DictReader(io.StringIO(table, newline=""))
        known = {row["key"] for row in own if row["split"] != "test"}
        rows = [
            (path_from(folder, self.run.path / row["path"]), *(row[one] for one in _COLUMNS))
            for row in self.run.read_seen()
            if row["key"] and row["key"] not in known
        ]
        return "".join(csv_lines([("path", *_COLUMNS), *rows])) if rows else ""


def open_start(config: Config) -> Start | None:
    """The run that the settings name as the start; None if they name none.

    Args:
        config: All settings.

    Raises:
        ConfigError: It is missing, is no model, or has no record of what it was trained on.
    """
    name = config.train.start_from
    if name is None:
        return None
    file = source_weights(name, SETTING)
    try:
        checkpoint = load_checkpoint(file)
    except CheckpointError as error:
        raise ConfigError(f"{SETTING}: {error}") from None
    run = find_run(Path(name))
    if run is None:
        raise ConfigError(
            f"{SETTING}: {name} has no record of its training data, which a test must not meet; "
            "give its run folder"
        )
    return Start(name, run, checkpoint)


def continue_settings(config: Config, start: Start) -> Config:
    """The given settings on those of the earlier run, as if all of them were given.

    Args:
        config: All settings, of which those that are not given are taken from the run.
        start: The earlier run.

    Raises:
        ConfigError: The given settings do not fit the others, or name a recipe.
    """
    values = dict(flatten(start.checkpoint.spec.config.to_dict()))
    values = {setting: value for setting, value in values.items() if setting not in _OWN}
    given = dict(flatten(config.to_dict()))
    recipe = [
        one
        for one in sorted(config.given)
        if one.startswith("recipe.") and one != "recipe.rules" and given.get(one) != values.get(one)
    ]
    if recipe:
        raise ConfigError(
            f"{recipe[0]}: the settings are those of {start.name}, which {SETTING} names; leave "
            "it out, and change single settings"
        )
    return complete(with_settings(config, values))


def require_start(start: Start, spec: ModelSpec) -> None:
    """Checks, before anything is written, that a network can take the weights.

    Args:
        start: What they are of.
        spec: Of the new network.

    Raises:
        ConfigError: The front ends or the networks differ.
    """
    _refuse_mismatch(start.name, start.checkpoint.spec, spec)
    start.copy_weights(new_network(spec), spec)


def log_start(start: Start, labels: Iterable[str]) -> None:
    """Logs what a training starts from, and which labels are new.

    Args:
        start: The earlier run.
        labels: Of the new network.
    """
    changes = start.compare_labels(labels)
    parts = {
        "the same labels": changes.kept,
        "new": changes.added,
        "left out": changes.removed,
    }
    known = (f"{what}: {', '.join(names)}" for what, names in parts.items() if names)
    logger.info(f"starting from the weights of {start.name}; {'; '.join(known)}")


def held_out_start(config: Config) -> str | None:
    """What the first training before a refit starts from: that of the earlier run, if it has one.

    Args:
        config: All settings.
    """
    name = config.train.start_from
    run = None if name is None else find_run(Path(name))
    return str(run.held_out.path) if run and run.is_refit else name


def _refuse_mismatch(name: str, earlier: ModelSpec, new: ModelSpec) -> None:
    pairs = {
        "features": (earlier.config.features, new.config.features),
        "model": (earlier.config.model, new.config.model),
    }
    for section, (one, two) in pairs.items():
        for key in type(one).model_fields:
            values = getattr(one, key), getattr(two, key)
            if values[0] != values[1] and not (section == "model" and key in _FREE):
                raise ConfigError(
                    f"{SETTING}: {section}.{key} is not that of {name}, whose weights are of no "
                    "use with another; leave it out, or train without a start"
                )


def _match_rows(rows: Tensor, earlier: ModelSpec, own: Tensor, spec: ModelSpec) -> Tensor:
    """Weights or biases of a classifier for other labels, or another task.

    Args:
        rows: Those of the earlier classifier, a row an output.
        earlier: Its specification.
        own: Those of the new classifier, which new labels keep.
        spec: Its specification.
    """
    known = dict(
        zip(map(normalize, earlier.labels), _by_label(rows, earlier.task, spec.task), strict=True)
    )
    if spec.task is BINARY:
        first, second = (known.get(normalize(label)) for label in spec.labels)
        first = torch.zeros_like(own[0]) if first is None else first
        return own if second is None else (second - first)[None]
    matched = [known.get(normalize(label)) for label in spec.labels]
    return torch.stack([own[row] if one is None else one for row, one in enumerate(matched)])


def _by_label(rows: Tensor, task: Task, new_task: Task) -> Tensor:
    """A row a label, from which the new task gets the probabilities that the old one gave."""
    if task is not BINARY:
        return rows
    # A softmax over both halves is the sigmoid of the whole.
    scale = 1.0 if new_task is MULTI_LABEL else 0.5
    return torch.cat([-scale * rows, scale * rows])
