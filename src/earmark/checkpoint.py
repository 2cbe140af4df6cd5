"""One ``.safetensors`` file: weights, settings, labels and the state of training. No pickle.

No code runs when a model is opened, and the same model gives the same bytes.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any, Literal

import torch
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from earmark.config import MAX_WINDOW_FRAMES, Config, config_from_dict, override
from earmark.decisions import DecisionRule
from earmark.errors import CheckpointError, ConfigError
from earmark.files import write_whole
from earmark.models import AudioModel, InputShape, build_model, refuse_unread
from earmark.runs import RunFolder
from earmark.tasks import BINARY, TASKS, Task

FORMAT = 3
OLDEST_FORMAT = 2
"""Without a temperature, which is then 1."""
ADJUSTABLE = ("evaluate", "predict")
_KEY = "earmark"
_MODEL = "model."
_OPTIMIZER = "optimizer."
_AVERAGE = "average."


@dataclass(frozen=True)
class ModelCard:
    """What a network needs beside its weights.

    Args:
        config: All settings that it was trained with.
        labels: The vocabulary; a binary network's logit speaks for the second.
        window_frames: Length of the windows that it was trained on.
        task: What the labels mean.
        chosen_thresholds: Probabilities from which labels are chosen; the task's own when empty.
        temperature: What the logits of clips are divided by to calibrate them; 1 leaves them.
    """

    config: Config
    labels: tuple[str, ...]
    window_frames: int
    task: Task = BINARY
    chosen_thresholds: tuple[float, ...] = ()
    temperature: float = 1.0

    @property
    def thresholds(self) -> tuple[float, ...]:
        """Probabilities from which labels are chosen, in the form that the task takes."""
        return self.chosen_thresholds or self.task.default_thresholds(len(self.labels))

    @property
    def rule(self) -> DecisionRule:
        """How the logits of clips become labels."""
        predict = self.config.predict
        return DecisionRule(
            self.task,
            self.thresholds,
            self.temperature,
            min_probability=predict.min_probability,
            silence_db=predict.silence_db,
        )

    def build(self) -> AudioModel:
        """The network, with fresh weights, to be trained.

        Raises:
            ConfigError: A setting does not fit it.
        """
        refuse_unread(self.config.model)
        return self.network()

    def network(self) -> AudioModel:
        """The network, for weights that are there."""
        shape = InputShape(self.config.features.n_mels, self.window_frames)
        return build_model(self.config.model, shape, self.task.num_outputs(len(self.labels)))


@dataclass(frozen=True)
class Checkpoint:
    """A network with its card, and where training stands.

    Args:
        card: What the network needs beside its weights.
        model: Weights and buffers by name.
        optimizer: The optimizer's state by name; empty unless training goes on from here.
        progress: State of the training loop, as plain JSON values.
        average: Moving average of the weights by name; empty unless training goes on from here.
    """

    card: ModelCard
    model: Mapping[str, Tensor]
    optimizer: Mapping[str, Tensor] = field(default_factory=dict)
    progress: Mapping[str, Any] = field(default_factory=dict)
    average: Mapping[str, Tensor] = field(default_factory=dict)

    def build(self) -> AudioModel:
        """The network with its weights, in evaluation mode, on the CPU.

        Raises:
            CheckpointError: The weights do not fit the settings.
        """
        weights = dict(self.model)
        try:
            # Sizes only, at first: a damaged file may ask for more memory than there is.
            with torch.device("meta"):
                self.card.network().load_state_dict(weights, assign=True)
            model = self.card.network()
            model.load_state_dict(weights)
        except (RuntimeError, ConfigError) as error:
            reason = str(error).replace("\n", " ")
            raise CheckpointError(f"the weights do not fit the settings: {reason}") from None
        return model.eval()

    def adjust(self, settings: Sequence[str]) -> "Checkpoint":
        """The same weights with other settings of the sections that may change after training.

        Args:
            settings: Each ``section.key=value`` of ``evaluate`` or ``predict``.

        Raises:
            ConfigError: Another section, or a wrong setting.
        """
        for setting in settings:
            if setting.partition(".")[0].strip() not in ADJUSTABLE:
                raise ConfigError(
                    f"--set {setting}: a trained model keeps its other settings; only "
                    f"{' and '.join(ADJUSTABLE)} may change"
                )
        card = replace(self.card, config=override(self.card.config, settings))
        return replace(self, card=card)

    def save(self, path: Path) -> None:
        """Writes the file whole."""
        tensors = {_MODEL + name: one for name, one in self.model.items()}
        tensors |= {_OPTIMIZER + name: one for name, one in self.optimizer.items()}
        tensors |= {_AVERAGE + name: one for name, one in self.average.items()}
        facts = {
            "format": FORMAT,
            "config": self.card.config.to_dict(),
            "labels": self.card.labels,
            "window_frames": self.card.window_frames,
            "task": self.card.task.name,
            "thresholds": self.card.thresholds,
            "temperature": self.card.temperature,
            "progress": dict(self.progress),
        }
        on_cpu = {name: one.detach().cpu().contiguous() for name, one in tensors.items()}
        # One metadata key: the library does not keep the order of several.
        write_whole(path, save(on_cpu, {_KEY: json.dumps(facts, sort_keys=True)}))


def load_checkpoint(path: Path) -> Checkpoint:
    """Opens a ``.safetensors`` file that earmark wrote, or a run folder's best weights.

    Raises:
        CheckpointError: It is missing, damaged, not earmark's, or holds values that are not finite.
    """
    if path.is_dir():
        path = RunFolder(path).best
    if not path.is_file():
        raise CheckpointError(f"{path}: no such model; give a run folder or a .safetensors file")
    try:
        with safe_open(path, "pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - no mapping
    except (SafetensorError, OSError) as error:
        raise CheckpointError(f"{path}: not a whole .safetensors file: {error}") from None
    if _KEY not in metadata:
        raise CheckpointError(f"{path}: weights without earmark's settings; train it with earmark")
    card, progress = _read_facts(path, metadata[_KEY])
    for name, tensor in tensors.items():
        if not torch.isfinite(tensor).all():
            raise CheckpointError(f"{path}: {name} holds values that are not finite; train again")
    return Checkpoint(
        card,
        _strip(tensors, _MODEL),
        _strip(tensors, _OPTIMIZER),
        progress,
        _strip(tensors, _AVERAGE),
    )


def _distinct(labels: list[str]) -> list[str]:
    if len(labels) < 2 or len(set(labels)) < len(labels) or "" in labels:
        raise ValueError("at least two distinct labels are needed, none of them empty")
    return labels


class _Format(BaseModel):
    model_config = ConfigDict(strict=True)

    format: Annotated[int, Field(ge=1)]


class _Facts(_Format):
    """What the metadata of a model file say."""

    model_config = ConfigDict(extra="forbid")

    config: dict[str, Any]
    labels: Annotated[list[str], AfterValidator(_distinct)]
    window_frames: Annotated[int, Field(ge=1, le=MAX_WINDOW_FRAMES)]
    task: Literal["binary", "multi_class", "multi_label"]
    thresholds: list[Annotated[float, Field(ge=0, le=1)]]
    temperature: Annotated[float, Field(ge=1e-3, le=1e3)] = 1.0
    progress: dict[str, Any]

    @model_validator(mode="after")
    def _check(self) -> "_Facts":
        if self.task == BINARY.name and len(self.labels) != 2:
            raise ValueError(f"a binary task has two labels, not {len(self.labels)}")
        needed = len(TASKS[self.task].default_thresholds(len(self.labels)))
        if len(self.thresholds) != needed:
            raise ValueError(f"thresholds: {needed} are needed, not {len(self.thresholds)}")
        return self


def _read_facts(path: Path, text: str) -> tuple[ModelCard, dict[str, Any]]:
    """The card and the state of training, from metadata that nobody vouches for."""
    try:
        table = json.loads(text)
        version = _Format.model_validate(table).format
        if not OLDEST_FORMAT <= version <= FORMAT:
            is_newer = version > FORMAT
            age, mend = ("a newer", "update this one") if is_newer else ("an older", "train again")
            raise CheckpointError(f"{path}: written by {age} earmark; {mend}")
        facts = _Facts.model_validate(table)
        config = config_from_dict(facts.config, source=str(path))
    except ValidationError as error:
        mistakes = "; ".join(_describe(item) for item in error.errors())
        raise CheckpointError(f"{path}: earmark's settings are damaged: {mistakes}") from None
    except ConfigError as error:
        raise CheckpointError(str(error)) from None
    except (ValueError, RecursionError) as error:
        raise CheckpointError(f"{path}: earmark's settings are not JSON: {error}") from None
    labels, thresholds = tuple(facts.labels), tuple(facts.thresholds)
    card = ModelCard(
        config, labels, facts.window_frames, TASKS[facts.task], thresholds, facts.temperature
    )
    return card, facts.progress


def _describe(mistake: Any) -> str:
    fact = ".".join(str(part) for part in mistake["loc"]) or "the whole"
    return f"{fact}: {mistake['msg'].removeprefix('Value error, ')}"


def _strip(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {
        name.removeprefix(prefix): one for name, one in tensors.items() if name.startswith(prefix)
    }


def flatten_optimizer(optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """The tensors of an optimizer's state, named ``index.key``."""
    return {
        f"{index}.{key}": value
        for index, state in optimizer.state_dict()["state"].items()
        for key, value in state.items()
    }


def restore_optimizer(optimizer: torch.optim.Optimizer, tensors: Mapping[str, Tensor]) -> None:
    """Puts the tensors of `flatten_optimizer` back."""
    state: dict[int, dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        index, key = name.split(".", 1)
        state.setdefault(int(index), {})[key] = tensor
    groups = optimizer.state_dict()["param_groups"]
    optimizer.load_state_dict({"state": state, "param_groups": groups})
