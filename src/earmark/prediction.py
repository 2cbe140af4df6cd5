"""From a model and a sound file to a label."""

import functools
import itertools
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float16, Float64
from torch import nn

from earmark import audio
from earmark.checkpoint import ModelCard, load_checkpoint
from earmark.data import EVALUATION_BATCH
from earmark.decisions import Reason
from earmark.errors import AudioError
from earmark.features import Extracted, LogMel, extract
from earmark.levels import peak_level_db
from earmark.parallel import map_in_order
from earmark.runtime import pick_device, place
from earmark.tasks import BINARY, MULTI_LABEL, Task
from earmark.windows import clip_logits, cut_window, window_starts


@dataclass(frozen=True)
class Prediction:
    """What a model says about a file.

    Args:
        path: The file.
        labels: The chosen labels: one, except in a multi-label task; none without a decision.
        probabilities: Label to probability, calibrated.
        duration_seconds: Length of the sound.
        task: What the labels mean.
        undecided: Why there is no decision; None where there is one.
    """

    path: Path
    labels: tuple[str, ...]
    probabilities: dict[str, float]
    duration_seconds: float
    task: Task = BINARY
    undecided: Reason | None = None

    @property
    def label(self) -> str | None:
        """The chosen label; several are joined by semicolons, as in a manifest.

        None where there is no decision.
        """
        return None if self.undecided else ";".join(self.labels)

    def to_dict(self) -> dict[str, Any]:
        """What ``predict --json`` prints."""
        several = self.task is MULTI_LABEL
        return {
            "path": str(self.path),
            **({"labels": list(self.labels)} if several else {"label": self.label}),
            **({"undecided": self.undecided} if self.undecided else {}),
            "probabilities": self.probabilities,
            "duration_seconds": self.duration_seconds,
        }


@dataclass(frozen=True)
class Failure:
    """A file that could not be judged, and why."""

    path: Path
    error: str

    def to_dict(self) -> dict[str, Any]:
        """What ``predict --json`` prints."""
        return {"path": str(self.path), "error": self.error}


class Classifier:
    """A trained model, ready for new sound. It owns the front end, labels and thresholds.

    Args:
        model: The network.
        card: What it needs beside its weights.
        device: Where to compute.
    """

    def __init__(self, model: nn.Module, card: ModelCard, device: torch.device) -> None:
        self.card = card
        self._model = place(model, device).eval()
        self._device = device
        self._log_mel = LogMel(card.config.features)

    @classmethod
    def load(
        cls, path: Path | str, *, device: str = "auto", settings: Sequence[str] = ()
    ) -> "Classifier":
        """Opens a run folder or a ``.safetensors`` file.

        Args:
            path: The model.
            device: ``auto``, ``cpu``, ``cuda`` or ``mps``.
            settings: Changes to the section ``predict``, such as ``predict.overlap=0.8``.

        Raises:
            CheckpointError: It cannot be opened.
        """
        checkpoint = load_checkpoint(Path(path)).adjust(settings)
        return cls(checkpoint.build(), checkpoint.card, pick_device(device))

    @property
    def labels(self) -> tuple[str, ...]:
        """The vocabulary."""
        return self.card.labels

    def predict(self, path: Path | str) -> Prediction:
        """Judges a whole file by the mean over its windows, as validation and testing do.

        Args:
            path: Any sound file.

        Raises:
            AudioError: The file cannot be judged.
        """
        path = Path(path)
        return self._judge(path, extract(path, self._log_mel, pipelined=True))

    def predict_many(self, paths: Iterable[Path | str]) -> Iterator[Prediction | Failure]:
        """Judges files in order; one that fails is named and the others go on.

        The sound of the next files is decoded meanwhile, in threads.
        """
        remaining = map(Path, paths)
        first = list(itertools.islice(remaining, 2))
        work = functools.partial(extract, log_mel=self._log_mel, pipelined=len(first) == 1)
        for path, extracted in map_in_order(work, itertools.chain(first, remaining)):
            try:
                yield self._judge(path, extracted.result())
            except AudioError as error:
                yield Failure(path, str(error))

    def _judge(self, path: Path, extracted: Extracted) -> Prediction:
        level_db = peak_level_db(extracted.frames, self.card.config.features)
        decided = self.card.rule.decide(self._logits(extracted.frames), np.array([level_db]))
        (chosen,), (undecided,) = decided.indices(), decided.undecided
        shares = dict(zip(self.labels, map(float, decided.probabilities[0]), strict=True))
        return Prediction(
            path,
            tuple(self.labels[index] for index in chosen),
            shares,
            extracted.duration_seconds,
            self.card.task,
            undecided,
        )

    def _logits(
        self, frames: Float16[np.ndarray, "frames mels"]
    ) -> Float64[np.ndarray, "1 outputs"]:
        """Logits of one clip."""
        length = self.card.window_frames
        starts = window_starts(len(frames), length, self.card.config.predict.overlap)
        outputs = []
        with torch.inference_mode():
            for first in range(0, len(starts), EVALUATION_BATCH):
                chunk = starts[first : first + EVALUATION_BATCH]
                windows = np.stack([cut_window(frames, start, length) for start in chunk])
                log_mel = torch.from_numpy(windows).unsqueeze(1).to(self._device)
                outputs.append(self._model(log_mel).cpu().double().numpy())
        return clip_logits(
            np.concatenate(outputs),
            np.zeros(len(starts), np.int64),
            task=self.card.task,
            pooling=self.card.config.predict.pooling,
        )


def find_audio(paths: Iterable[Path]) -> list[Path]:
    """Files as given, and every sound file below the folders that is not hidden; each once."""
    found: dict[str, Path] = {}
    for path in paths:
        for one in _search(path) if path.is_dir() else (path,):
            found.setdefault(os.path.normpath(one.absolute()), one)
    return list(found.values())


def _search(folder: Path) -> list[Path]:
    return sorted(
        path
        for path in folder.rglob("*")
        if audio.is_audio(path)
        and not any(part.startswith(".") for part in path.relative_to(folder).parts)
    )
