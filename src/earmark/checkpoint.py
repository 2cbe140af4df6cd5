"""One ``.safetensors`` file: weights, settings, labels and the state of training. No pickle.

No code runs when a model is opened, and the same model gives the same bytes.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any

import torch
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from earmark.config import MAX_WINDOW_FRAMES, Config, config_from_dict, override
from earmark.errors import CheckpointError, ConfigError
from earmark.files import write_whole
from earmark.models import AudioModel, InputShape, build_model
from earmark.runs import RunFolder

FORMAT = 1
ADJUSTABLE = ("evaluate", "predict")
_KEY = "earmark"
_MODEL = "model."
_OPTIMIZER = "optimizer."


@dataclass(frozen=True)
class ModelCard:
    """What a network needs beside its weights.

    Args:
        config: All settings that it was trained with.
        labels: The vocabulary; a binary network's logit speaks for the second.
        window_frames: Length of the windows that it was trained on.
        threshold: Probability from which the second label is chosen.
    """

    config: Config
    labels: tuple[str, ...]
    window_frames: int
    threshold: float = 0.5

    @property
    def num_outputs(self) -> int:
        """Logits a window."""
        return 1 if len(self.labels) == 2 else len(self.labels)

    def build(self) -> AudioModel:
        """The network, with fresh weights."""
        shape = InputShape(self.config.features.n_mels, self.window_frames)
        return build_model(self.config.model, shape, self.num_outputs)


@dataclass(frozen=True)
class Checkpoint:
    """A network with its card, and where training stands.

    Args:
        card: What the network needs beside its weights.
        model: Weights and buffers by name.
        optimizer: The optimizer's state by name; empty unless training goes on from here.
        progress: State of the training loop, as plain JSON values.
    """

    card: ModelCard
    model: Mapping[str, Tensor]
    optimizer: Mapping[str, Tensor] = field(default_factory=dict)
    progress: Mapping[str, Any] = field(default_factory=dict)

    def build(self) -> AudioModel:
        """The network with its weights, in evaluation mode, on the CPU.

        Raises:
            CheckpointError: The weights do not fit the settings.
        """
        weights = dict(self.model)
        try:
            # Sizes only, at first: a damaged file may ask for more memory than there is.
            with torch.device("meta"):
                self.card.build().load_state_dict(weights, assign=True)
            model = self.card.build()
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
        facts = {
            "format": FORMAT,
            "config": self.card.config.to_dict(),
            "labels": self.card.labels,
            "window_frames": self.card.window_frames,
            "threshold": self.card.threshold,
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
    return Checkpoint(card, _strip(tensors, _MODEL), _strip(tensors, _OPTIMIZER), progress)


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
    threshold: Annotated[float, Field(ge=0, le=1)]
    progress: dict[str, Any]


def _read_facts(path: Path, text: str) -> tuple[ModelCard, dict[str, Any]]:
    """The card and the state of training, from metadata that nobody vouches for."""
    try:
        table = json.loads(text)
        if _Format.model_validate(table).format > FORMAT:
            raise CheckpointError(f"{path}: written by a newer earmark; update this one")
        facts = _Facts.model_validate(table)
        config = config_from_dict(facts.config, source=str(path))
    except ValidationError as error:
        mistakes = "; ".join(_describe(item) for item in error.errors())
        raise CheckpointError(f"{path}: earmark's settings are damaged: {mistakes}") from None
    except ConfigError as error:
        raise CheckpointError(str(error)) from None
    except (ValueError, RecursionError) as error:
        raise CheckpointError(f"{path}: earmark's settings are not JSON: {error}") from None
    labels = tuple(facts.labels)
    return ModelCard(config, labels, facts.window_frames, facts.threshold), facts.progress


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
