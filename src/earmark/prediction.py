"""From a model and a sound file to a label."""

import functools
import itertools
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Float16, Float64

from earmark import audio
from earmark.card import ModelCard
from earmark.decisions import Decisions, Reason
from earmark.errors import AudioError, ConfigError
from earmark.features import Extracted, LogMel, extract, extract_blocks, round_frames
from earmark.levels import peak_level_db, window_levels_db
from earmark.parallel import map_in_order
from earmark.shipped import find_model
from earmark.tasks import BINARY, MULTI_LABEL, Task
from earmark.timeline import Segment
from earmark.windows import (
    EVALUATION_BATCH,
    WindowLogits,
    clip_logits,
    cut_window,
    stream_windows,
    window_starts,
    window_step,
)

NO_FILE = Path("-")
"""The path of sound that is in no file."""


@dataclass(frozen=True)
class Prediction:
    """What a model says about a file.

    Args:
        path: The file; ``-`` for samples that are in none.
        labels: The chosen labels: one, except in a multi-label task; none without a decision.
        probabilities: Label to probability, calibrated.
        duration_seconds: Length of the sound.
        task: What the labels mean.
        undecided: Why there is no decision; None where there is one.
        segments: The time line, where it was asked for.
    """

    path: Path
    labels: tuple[str, ...]
    probabilities: dict[str, float]
    duration_seconds: float
    task: Task = BINARY
    undecided: Reason | None = None
    segments: tuple[Segment, ...] | None = None

    @property
    def label(self) -> str | None:
        """The chosen label; several are joined by semicolons, as in a manifest.

        None where there is no decision.
        """
        return None if self.undecided else ";".join(self.labels)

    def to_dict(self) -> dict[str, Any]:
        """What ``predict --json`` prints."""
        several = self.task is MULTI_LABEL
        document: dict[str, Any] = {
            "path": str(self.path),
            **({"labels": list(self.labels)} if several else {"label": self.label}),
            **({"undecided": self.undecided} if self.undecided else {}),
            "probabilities": self.probabilities,
            "duration_seconds": self.duration_seconds,
        }
        if self.segments is not None:
            document["segments"] = [one.to_dict() for one in self.segments]
        return document


@dataclass(frozen=True)
class Failure:
    """A file that could not be judged, and why."""

    path: Path
    error: str

    def to_dict(self) -> dict[str, Any]:
        """What ``predict --json`` prints."""
        return {"path": str(self.path), "error": self.error}


class JudgedWindow(NamedTuple):
    """What a model says about one window of a sound.

    Args:
        start_seconds: Where its first frame is centred.
        end_seconds: Where its last frame is centred; the sound around it is heard, too.
        probabilities: Of each label, in the order of `Classifier.labels`, calibrated.
        labels: The chosen labels, as for a `Prediction`.
        undecided: Why there is no decision; None where there is one.
    """

    start_seconds: float
    end_seconds: float
    probabilities: Float64[np.ndarray, " labels"]
    labels: tuple[str, ...]
    undecided: Reason | None


class Classifier:
    """A trained model, ready for new sound. It owns the front end, labels and thresholds.

    Threads may share it.

    Args:
        card: What the network needs beside its weights.
        window_logits: The network.

    Example:
        >>> import numpy as np
        >>> from earmark.card import ModelCard
        >>> from earmark.config import Config
        >>> card = ModelCard(Config(), ("music", "speech"), window_frames=51)
        >>> classifier = Classifier(card, lambda windows: np.ones((len(windows), 1)))
        >>> classifier.predict(np.sin(np.arange(44_100.0)), sample_rate=44_100).label
        'speech'
    """

    def __init__(self, card: ModelCard, window_logits: WindowLogits) -> None:
        self.card = card
        self._window_logits = window_logits
        self._log_mel = LogMel(card.config.features)

    @classmethod
    def load(
        cls, model: Path | str, *, device: str = "auto", settings: Sequence[str] = ()
    ) -> "Classifier":
        """Opens a model; PyTorch is loaded for one in PyTorch only.

        Args:
            model: A run folder, a ``.safetensors`` or ``.onnx`` file, or the name of a model inside
                the package.
            device: ``auto``, ``cpu``, ``cuda`` or ``mps``.
            settings: Changes to the section ``predict``, such as ``predict.overlap=0.8``.

        Raises:
            CheckpointError: It cannot be opened.
            ConfigError: The device is not at hand, or a setting is wrong.
        """
        path = find_model(model)
        if path.suffix.lower() == ".onnx":
            from earmark.onnx_model import open_onnx as open_model
        else:
            from earmark.torch_model import open_checkpoint as open_model
        card, window_logits = open_model(path, device)
        return cls(card.adjust(settings), window_logits)

    @property
    def labels(self) -> tuple[str, ...]:
        """The vocabulary."""
        return self.card.labels

    @property
    def sample_rate(self) -> int:
        """Rate of the sound that the model hears, in Hz; any other is resampled to it."""
        return self.card.config.features.sample_rate

    def predict(
        self, sound: Path | str | np.ndarray, *, sample_rate: int | None = None
    ) -> Prediction:
        """Judges a whole sound by the mean over its windows, as validation and testing do.

        Args:
            sound: Any sound file; or samples in [-1, 1], (time,) or (time, channels).
            sample_rate: Rate of samples in Hz, the model's own when it is not given. A file knows
                its own.

        Raises:
            AudioError: The sound cannot be judged.
            ConfigError: A rate is given for a file.
        """
        if isinstance(sound, np.ndarray):
            rate = self.sample_rate
            blocks = audio.from_arrays([sound], sample_rate or rate, rate)
            return self._judge(NO_FILE, extract_blocks(blocks, self._log_mel))
        if sample_rate is not None:
            raise ConfigError(f"{sound}: a file knows its sample rate; leave sample_rate out")
        path = Path(sound)
        return self._judge(path, extract(path, self._log_mel, pipelined=True))

    def predict_long(self, path: Path | str) -> Prediction:
        """As `predict`, digit for digit, in a fixed amount of memory; a short file takes longer.

        Args:
            path: Any sound file.

        Raises:
            AudioError: The file cannot be judged.
        """
        path, num_samples = Path(path), 0

        def counted() -> Iterator[audio.Samples]:
            nonlocal num_samples
            for block in audio.stream(path, self.sample_rate, pipelined=True):
                num_samples += len(block)
                yield block

        groups = round_frames(self._log_mel.stream(counted()))
        found = stream_windows(groups, self.card.window_frames, self._step_frames(None))
        windows = (window for _, some in found for window in some)
        logits, levels_db = [], []
        while batch := list(itertools.islice(windows, EVALUATION_BATCH)):
            together = np.stack(batch)
            logits.append(self._window_logits(together))
            levels_db.append(window_levels_db(together, self.card.config.features).max())
        seconds = num_samples / self.sample_rate
        decided = self._decide(np.concatenate(logits), max(levels_db))
        return self._tell(path, decided, seconds)

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

    def windows(
        self, path: Path | str, *, hop_seconds: float | None = None
    ) -> Iterator[JudgedWindow]:
        """Judges the windows of a file one by one, in a fixed amount of memory.

        A window has the length that the model was trained with, about ``train.crop_seconds``. The
        windows start at 0 and then every ``hop_seconds``; a last one ends where the sound ends,
        unless one does already. Sound that is shorter than a window is repeated to fill one.

        Args:
            path: Any sound file.
            hop_seconds: From the start of one window to the start of the next, rounded to whole
                frames; by default as far as ``predict.overlap`` says.

        Raises:
            AudioError: The file cannot be judged, or ends before its time: the windows before that
                have come.
            ConfigError: ``hop_seconds`` is not a positive number.
        """
        blocks = audio.stream(Path(path), self.sample_rate, pipelined=True)
        return self._windows(blocks, self._step_frames(hop_seconds), eager=False)

    def stream(
        self,
        blocks: Iterable[np.ndarray],
        *,
        sample_rate: int | None = None,
        hop_seconds: float | None = None,
    ) -> Iterator[JudgedWindow]:
        """Judges the windows of sound that is still coming, each as soon as it has been heard.

        They are the windows of `windows`, whatever the sizes of the blocks.

        Args:
            blocks: Samples in [-1, 1], of any lengths: (time,), or (time, channels). They are
                asked for one by one, so they may wait for a microphone.
            sample_rate: Their rate in Hz; the model's own when it is not given.
            hop_seconds: As for `windows`.

        Raises:
            AudioError: As `earmark.audio.from_arrays`.
            ConfigError: ``hop_seconds`` is not a positive number.
        """
        mono = audio.from_arrays(blocks, sample_rate or self.sample_rate, self.sample_rate)
        return self._windows(mono, self._step_frames(hop_seconds), eager=True)

    def _step_frames(self, hop_seconds: float | None) -> int:
        if hop_seconds is None:
            return window_step(self.card.window_frames, self.card.config.predict.overlap)
        # Not "<= 0", which is false for what is not a number.
        if not 0 < hop_seconds < math.inf:
            raise ConfigError(f"hop_seconds = {hop_seconds}: give a positive number of seconds")
        return max(1, round(hop_seconds / self._frame_seconds))

    @property
    def _frame_seconds(self) -> float:
        return self.card.config.features.hop_length / self.sample_rate

    def _windows(
        self, blocks: Iterable[audio.Samples], step_frames: int, *, eager: bool
    ) -> Iterator[JudgedWindow]:
        groups = round_frames(self._log_mel.stream(blocks, eager=eager))
        length = self.card.window_frames
        for spans, windows in stream_windows(groups, length, step_frames):
            levels_db = window_levels_db(windows, self.card.config.features)
            said = self.card.rule.decide(self._window_logits(windows), levels_db)
            rows = zip(spans, said.probabilities, said.indices(), said.undecided, strict=True)
            for span, shares, chosen, undecided in rows:
                start, end = span[0] * self._frame_seconds, span[-1] * self._frame_seconds
                labels = tuple(self.labels[index] for index in chosen)
                yield JudgedWindow(start, end, shares, labels, undecided)

    def judge_frames(self, frames: Float16[np.ndarray, "frames mels"]) -> Decisions:
        """Judges a whole sound by its frames, which `earmark.features.extract` gives.

        Args:
            frames: Log-mel frames of the model's front end.

        Returns:
            One row.
        """
        length = self.card.window_frames
        starts = window_starts(len(frames), length, self.card.config.predict.overlap)
        logits = []
        for first in range(0, len(starts), EVALUATION_BATCH):
            chunk = starts[first : first + EVALUATION_BATCH]
            windows = np.stack([cut_window(frames, start, length) for start in chunk])
            logits.append(self._window_logits(windows))
        return self._decide(
            np.concatenate(logits), peak_level_db(frames, self.card.config.features)
        )

    def _judge(self, path: Path, extracted: Extracted) -> Prediction:
        return self._tell(path, self.judge_frames(extracted.frames), extracted.duration_seconds)

    def _decide(
        self, window_logits: Float[np.ndarray, "windows outputs"], level_db: float
    ) -> Decisions:
        """What the windows of one clip say together."""
        logits = clip_logits(
            window_logits,
            np.zeros(len(window_logits), np.int64),
            task=self.card.task,
            pooling=self.card.config.predict.pooling,
        )
        return self.card.rule.decide(logits, np.array([level_db]))

    def _tell(self, path: Path, decided: Decisions, duration_seconds: float) -> Prediction:
        """A decision on one clip, with names."""
        (chosen,), (undecided,) = decided.indices(), decided.undecided
        shares = dict(zip(self.labels, map(float, decided.probabilities[0]), strict=True))
        labels = tuple(self.labels[index] for index in chosen)
        return Prediction(path, labels, shares, duration_seconds, self.card.task, undecided)
