"""What a model needs besides its weights, as values and as the metadata of its file.

Weights in PyTorch and models in ONNX carry the same specification, so both are used the same way.
"""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from earmark.config import (
    MAX_WINDOW_FRAMES,
    MAX_WINDOW_VALUES,
    Config,
    config_from_dict,
    override,
    rename_settings,
)
from earmark.config.renamed import BEFORE_RECIPES
from earmark.errors import CheckpointError, ConfigError
from earmark.features.windows import window_step
from earmark.system.hashing import content_hash
from earmark.tasks.decision_rule import DecisionRule
from earmark.tasks.false_alarms import MAX_SCORES, NO_SCORES, KnownScores, alarm_threshold
from earmark.tasks.task import BINARY, MULTI_LABEL, TASKS, Task

METADATA_KEY = "earmark"
"""Key of the specification in the metadata of a model file."""
FORMAT = 5
RENAMED_FORMAT = 4
"""The first with the settings' names of today; those of older files are translated."""
RECIPE_FORMAT = 5
"""The first with a recipe; older files are of `classic`."""
BACKGROUND_FORMAT = 5
"""The first with a background label; all labels of older files are predicted."""
OLDEST_FORMAT = 2
"""Without a temperature, which is then 1."""
TESTED_DB = -40.0
"""Value of the window on which a model is tried when it is opened."""
ADJUSTABLE = ("evaluate", "predict")


@dataclass(frozen=True)
class ModelSpec:
    """What a network needs besides its weights.

    Args:
        config: All settings that it was trained with.
        labels: The vocabulary; a binary network's logit is that of the second.
        window_frames: Length of the windows that it was trained on.
        task: What the labels mean.
        chosen_thresholds: Probabilities from which labels are chosen; the task's own when empty.
        temperature: What the logits of clips are divided by to calibrate them; 1 leaves them.
        silence_label: The label that silent clips had in training; None if they had no label of
            their own.
        known_scores: Scores of novelty of sound like that of training; empty where none was
            measured, so that the model never abstains for it.
    """

    config: Config
    labels: tuple[str, ...]
    window_frames: int
    task: Task = BINARY
    chosen_thresholds: tuple[float, ...] = ()
    temperature: float = 1.0
    silence_label: str | None = None
    known_scores: KnownScores = NO_SCORES

    @property
    def thresholds(self) -> tuple[float, ...]:
        """Probabilities from which labels are chosen, in the form that the task takes."""
        return self.chosen_thresholds or self.task.default_thresholds(len(self.labels))

    @property
    def background_label(self) -> str | None:
        """The label that is trained against and never predicted; None if there is none.

        In a multi-label task recordings of the background have no label, so it is not in the
        vocabulary.
        """
        label = self.config.train.background_label
        return label if label in self.labels and self.task is not MULTI_LABEL else None

    @property
    def answers(self) -> tuple[str, ...]:
        """The labels that may be predicted: all but that of the background."""
        return tuple(label for label in self.labels if label != self.background_label)

    @property
    def window_seconds(self) -> float:
        """Length of the windows, from the centre of the first frame to that of the last.

        With an embedder, that of its windows, end to end.
        """
        features = self.config.features
        return (self.window_frames - 1 + features.frames_beyond) * features.frame_seconds

    @property
    def rule(self) -> DecisionRule:
        """How the logits of clips become labels."""
        predict, silence = self.config.predict, self.silence_label
        background = self.background_label
        return DecisionRule(
            self.task,
            self.thresholds,
            self.temperature,
            min_probability=predict.min_probability,
            silence_db=predict.silence_db,
            pooling=predict.pooling,
            silence_label=None if silence is None else self.labels.index(silence),
            background=None if background is None else self.labels.index(background),
            max_novelty=alarm_threshold(self.known_scores.clips, predict.false_alarm_rate),
        )

    @property
    def window_rule(self) -> DecisionRule:
        """How the logits of single windows become labels, in time lines and streams."""
        rate = self.config.predict.false_alarm_rate
        max_novelty = alarm_threshold(self.known_scores.windows, rate)
        return replace(self.rule, max_novelty=max_novelty)

    @property
    def num_outputs(self) -> int:
        """Logits a window."""
        return self.task.num_outputs(len(self.labels))

    def step_frames(self, hop_seconds: float | None = None) -> int:
        """Frames from the start of one window to the start of the next.

        Args:
            hop_seconds: The same in seconds, rounded to whole frames; by default
                ``predict.overlap`` sets it.

        Raises:
            ConfigError: ``hop_seconds`` is not a positive number.
        """
        if hop_seconds is None:
            return window_step(self.window_frames, self.config.predict.overlap)
        features = self.config.features
        num_frames = hop_seconds / features.frame_seconds
        # Not "<= 0", which is false for NaN.
        if not 0 < num_frames < math.inf:
            raise ConfigError(f"hop_seconds = {hop_seconds}: give a positive number of seconds")
        return max(1, round(num_frames))

    def find_embedder(self, model: Path) -> "ModelSpec":
        """The specification with the place of its embedder's file as it is now, by its digest.

        Args:
            model: File of the model, beside which the embedder is looked for if it has moved.
        """
        embedder = self.config.features.embedder
        if embedder is None:
            return self
        stated = Path(embedder.file)
        places = [one for one in (stated, model.parent / stated.name) if one.is_file()]
        # An exported model holds its embedder, whatever lies in these places.
        otherwise = model if model.suffix.lower() == ".onnx" else stated
        same = (one for one in places if content_hash(one) == embedder.digest)
        found = next(same, otherwise)
        moved = embedder.model_copy(update={"file": str(found)})
        features = self.config.features.model_copy(update={"embedder": moved})
        return replace(self, config=self.config.model_copy(update={"features": features}))

    def adjust(self, settings: Sequence[str]) -> "ModelSpec":
        """The specification with other settings, in the sections that may change after training.

        Args:
            settings: Each ``section.key=value`` of ``evaluate`` or ``predict``.

        Raises:
            ConfigError: Another section, or an invalid setting.
        """
        # First of all, so that an unknown or renamed setting is called that.
        config = override(self.config, settings)
        for setting in settings:
            if setting.partition(".")[0].strip() not in ADJUSTABLE:
                raise ConfigError(
                    f"--set {setting}: only settings of {' and '.join(ADJUSTABLE)} may "
                    "change after training"
                )
        return replace(self, config=config)

    def to_text(self, **more: Any) -> str:
        """The specification as JSON that `read_spec` reads; equal ones give the same text.

        Args:
            more: Other plain values that the file keeps with it.
        """
        facts = {
            "format": FORMAT,
            "config": self.config.to_dict(),
            "labels": self.labels,
            "window_frames": self.window_frames,
            "task": self.task.name,
            "thresholds": self.thresholds,
            "temperature": self.temperature,
        }
        if self.silence_label is not None:
            facts["silence_label"] = self.silence_label
        if self.known_scores.clips:
            facts["known_scores"] = asdict(self.known_scores)
        return json.dumps({**facts, **more}, sort_keys=True)


def _distinct(labels: list[str]) -> list[str]:
    if len(labels) < 2 or len(set(labels)) < len(labels) or "" in labels:
        raise ValueError("at least two distinct labels are needed, none of them empty")
    return labels


class _Format(BaseModel):
    model_config = ConfigDict(strict=True)

    format: Annotated[int, Field(ge=1)]


def _rising(scores: list[float]) -> list[float]:
    if any(later < earlier for earlier, later in pairwise(scores)):
        raise ValueError("the scores do not rise")
    return scores


_Scores = Annotated[
    list[Annotated[float, Field(allow_inf_nan=False)]],
    Field(max_length=MAX_SCORES),
    AfterValidator(_rising),
]


class _KnownScores(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid")

    clips: _Scores = []
    windows: _Scores = []


class _Metadata(_Format):
    """The metadata of a model file."""

    model_config = ConfigDict(extra="forbid")

    config: dict[str, Any]
    labels: Annotated[list[str], AfterValidator(_distinct)]
    window_frames: Annotated[int, Field(ge=1, le=MAX_WINDOW_FRAMES)]
    task: Literal["binary", "multi_class", "multi_label"]
    thresholds: list[Annotated[float, Field(ge=0, le=1)]]
    temperature: Annotated[float, Field(ge=1e-3, le=1e3)] = 1.0
    silence_label: str | None = None
    known_scores: _KnownScores = _KnownScores()
    progress: dict[str, Any] = {}

    @model_validator(mode="after")
    def _check(self) -> "_Metadata":
        if self.task == BINARY.name and len(self.labels) != 2:
            raise ValueError(f"a binary task has two labels, not {len(self.labels)}")
        needed = len(TASKS[self.task].default_thresholds(len(self.labels)))
        if len(self.thresholds) != needed:
            raise ValueError(f"thresholds: {needed} are needed, not {len(self.thresholds)}")
        if self.silence_label not in (None, *self.labels):
            raise ValueError("silence_label is not one of the labels")
        return self


def read_spec(metadata: Mapping[str, str], source: str) -> tuple[ModelSpec, dict[str, Any]]:
    """The specification and the state of training, from untrusted metadata.

    Args:
        metadata: Of a model file.
        source: The file, for messages.

    Raises:
        CheckpointError: There is no specification, or it is damaged, or of another version.
    """
    if METADATA_KEY not in metadata:
        raise CheckpointError(
            f"{source}: no settings of earmark in it; use a model that earmark trained or exported"
        )
    try:
        table = json.loads(metadata[METADATA_KEY])
        version = _Format.model_validate(table).format
        if not OLDEST_FORMAT <= version <= FORMAT:
            is_newer = version > FORMAT
            age, fix = ("a newer", "update earmark") if is_newer else ("an older", "train again")
            raise CheckpointError(f"{source}: written by {age} version of earmark; {fix}")
        facts = _Metadata.model_validate(table)
        table = facts.config if version >= RENAMED_FORMAT else rename_settings(facts.config)
        if version < RECIPE_FORMAT:
            table = {**BEFORE_RECIPES, **table}
        config = config_from_dict(table, source=source)
        if version < BACKGROUND_FORMAT and config.train.background_label in facts.labels:
            config = config.with_train(background_label="")
        require_small_windows(config.features.n_mels, facts.window_frames)
    except ValidationError as error:
        errors = "; ".join(_describe(item) for item in error.errors())
        raise CheckpointError(f"{source}: earmark's settings are damaged: {errors}") from None
    except ConfigError as error:
        raise CheckpointError(f"{source}: {str(error).removeprefix(f'{source}: ')}") from None
    except (ValueError, RecursionError) as error:
        raise CheckpointError(f"{source}: earmark's settings are not JSON: {error}") from None
    labels, thresholds = tuple(facts.labels), tuple(facts.thresholds)
    spec = ModelSpec(
        *(config, labels, facts.window_frames, TASKS[facts.task], thresholds, facts.temperature),
        silence_label=facts.silence_label,
        known_scores=KnownScores(
            tuple(facts.known_scores.clips), tuple(facts.known_scores.windows)
        ),
    )
    return spec, facts.progress


def require_small_windows(n_mels: int, window_frames: int) -> None:
    """Checks, before any is made, that windows fit in memory.

    Args:
        n_mels: Bands of a window.
        window_frames: Length of a window.

    Raises:
        ConfigError: They have too many values.
    """
    if n_mels * window_frames > MAX_WINDOW_VALUES:
        raise ConfigError(
            f"windows of {window_frames:,} frames and {n_mels} bands have more than "
            f"{MAX_WINDOW_VALUES:,} values; use shorter ones"
        )


def describe_not_finite(name: str) -> str:
    """What is wrong with a model whose logits are not finite.

    Args:
        name: The file of the model.
    """
    return f"{name}: its logits are not finite numbers; train again, or use another model"


def _describe(error: Any) -> str:
    # Keys come from the file and may contain anything; a message is one line.
    fact = " ".join(".".join(map(str, error["loc"])).split()) or "the document"
    return f"{fact}: {error['msg'].removeprefix('Value error, ')}"
