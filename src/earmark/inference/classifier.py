"""From a model and a sound file to a label."""

import functools
import itertools
import math
import threading
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np

from earmark.audio.reading import SampleCounter, Samples, from_arrays, stream_audio
from earmark.errors import AudioError, ConfigError, FailedFile
from earmark.features.levels import peak_level_db, window_levels_db
from earmark.features.log_mel import Features, LogMel, extract_blocks, round_frames
from earmark.features.windows import (
    EVALUATION_BATCH,
    WindowLogits,
    cut_window,
    stream_windows,
    window_starts,
    window_step,
)
from earmark.inference.predictions import NO_FILE, Prediction, WindowPrediction
from earmark.inference.segmentation.boundaries import BoundaryRefiner
from earmark.inference.segmentation.segments import Segment, Windows, find_segments, lane_scores
from earmark.models.pretrained import find_model
from earmark.models.spec import ModelSpec
from earmark.system.parallel import map_in_order
from earmark.system.shapes import Float, Float16, Float32
from earmark.tasks.decision_rule import Decisions
from earmark.tasks.pooling import clip_logits

LONG_GROUPS = 160
"""Groups of frames, ten minutes by default, beyond which the frames of a file are not held."""


class Classifier:
    """A trained model, ready for new sound. It owns the front end, labels and thresholds.

    Threads may share it.

    Args:
        spec: What the network needs beside its weights.
        window_logits: The network.

    Example:
        >>> import numpy as np
        >>> from earmark.models.spec import ModelSpec
        >>> from earmark.config import Config
        >>> spec = ModelSpec(Config(), ("music", "speech"), window_frames=51)
        >>> classifier = Classifier(spec, lambda windows: np.ones((len(windows), 1)))
        >>> classifier.predict(np.sin(np.arange(44_100.0)), sample_rate=44_100).label
        'speech'
    """

    def __init__(self, spec: ModelSpec, window_logits: WindowLogits) -> None:
        self.spec = spec
        self._window_logits = window_logits
        self._log_mel = LogMel(spec.config.features)

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
            from earmark.inference.onnx_backend import open_onnx as open_model
        else:
            from earmark.inference.torch_backend import open_checkpoint as open_model
        spec, window_logits = open_model(path, device)
        return cls(spec.adjust(settings), window_logits)

    @property
    def labels(self) -> tuple[str, ...]:
        """The vocabulary."""
        return self.spec.labels

    @property
    def sample_rate(self) -> int:
        """Rate of the sound that the model hears, in Hz; any other is resampled to it."""
        return self.spec.config.features.sample_rate

    def predict(
        self, sound: Path | str | np.ndarray, *, sample_rate: int | None = None
    ) -> Prediction:
        """Judges a whole sound by the mean over its windows, as validation and testing do.

        A file of any length is judged in a fixed amount of memory.

        Args:
            sound: Any sound file; or samples in [-1, 1], (time,) or (time, channels).
            sample_rate: Rate of samples in Hz, the model's own when it is not given. A file knows
                its own.

        Raises:
            AudioError: The sound cannot be judged.
            ConfigError: A rate is given for a file.
        """
        if isinstance(sound, np.ndarray):
            blocks = self._from_arrays([sound], sample_rate)
            return self._judge(NO_FILE, extract_blocks(blocks, self._log_mel))
        if sample_rate is not None:
            raise ConfigError(f"{sound}: a file knows its sample rate; leave sample_rate out")
        path = Path(sound)
        return self._judge(path, self._hear(path, pipelined=True))

    def predict_many(self, paths: Iterable[Path | str]) -> Iterator[Prediction | FailedFile]:
        """Judges files in order; one that fails is named and the others go on.

        The sound of the next files is decoded meanwhile, in threads.
        """
        remaining = map(Path, paths)
        first = list(itertools.islice(remaining, 2))
        cancel = threading.Event()
        work = functools.partial(self._hear, pipelined=len(first) == 1, cancel=cancel)
        for path, heard in map_in_order(work, itertools.chain(first, remaining), cancel=cancel):
            try:
                yield self._judge(path, heard.result())
            except AudioError as error:
                yield FailedFile(path, str(error))

    def windows(
        self, path: Path | str, *, hop_seconds: float | None = None
    ) -> Iterator[WindowPrediction]:
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
        blocks = stream_audio(Path(path), self.sample_rate, pipelined=True)
        return self._windows(blocks, self._step_frames(hop_seconds), eager=False)

    def segments(self, path: Path | str) -> tuple[Segment, ...]:
        """When each label is heard in a file; memory holds a few bytes a window.

        The section ``predict`` says how far windows are apart, and how they are smoothed.

        Args:
            path: Any sound file.

        Returns:
            As `earmark.inference.segmentation.segments.find_segments`.

        Raises:
            AudioError: The file cannot be judged.
        """
        config = self.spec.config.predict
        sound = SampleCounter(stream_audio(Path(path), self.sample_rate, pipelined=True))
        step_frames = self._step_frames(config.hop_seconds)
        middles = BoundaryRefiner(
            config.boundary_fraction,
            self.spec.window_frames // step_frames,
            say=self._say,
            choose=self._states,
        )
        places, wholes = [], []
        for spans, windows in self._cut(sound, step_frames, eager=False):
            places.append(np.array([(span[0], span[-1]) for span in spans], np.float64))
            wholes.append(self._say(windows))
            if config.moves_boundaries:
                middles.add(windows, wholes[-1])
        seconds = np.concatenate(places) * self._frame_seconds
        said = Windows(
            seconds[:, 0],
            seconds[:, 1],
            np.concatenate(wholes),
            middles.finish(),
        )
        return find_segments(
            said,
            sound.num_samples / self.sample_rate,
            self.labels,
            task=self.spec.task,
            thresholds=self.spec.rule.lane_thresholds,
            config=config,
        )

    def stream(
        self,
        blocks: Iterable[np.ndarray],
        *,
        sample_rate: int | None = None,
        hop_seconds: float | None = None,
    ) -> Iterator[WindowPrediction]:
        """Judges the windows of sound that is still coming, each as soon as it has been heard.

        They are the windows of `windows`, whatever the sizes of the blocks.

        Args:
            blocks: Samples in [-1, 1], of any lengths: (time,), or (time, channels). They are
                asked for one by one, so they may wait for a microphone.
            sample_rate: Their rate in Hz; the model's own when it is not given.
            hop_seconds: As for `windows`.

        Raises:
            AudioError: As `earmark.audio.reading.from_arrays`.
            ConfigError: ``hop_seconds`` is not a positive number.
        """
        mono = self._from_arrays(blocks, sample_rate)
        return self._windows(mono, self._step_frames(hop_seconds), eager=True)

    def _from_arrays(
        self, blocks: Iterable[np.ndarray], sample_rate: int | None
    ) -> Iterator[Samples]:
        rate = self.sample_rate if sample_rate is None else sample_rate
        return from_arrays(blocks, rate, self.sample_rate)

    def _step_frames(self, hop_seconds: float | None) -> int:
        if hop_seconds is None:
            return window_step(self.spec.window_frames, self.spec.config.predict.overlap)
        # Not "<= 0", which is false for what is not a number.
        num_frames = hop_seconds / self._frame_seconds
        if not 0 < num_frames < math.inf:
            raise ConfigError(f"hop_seconds = {hop_seconds}: give a positive number of seconds")
        return max(1, round(num_frames))

    @property
    def _frame_seconds(self) -> float:
        return self.spec.config.features.hop_length / self.sample_rate

    def _windows(
        self, blocks: Iterable[Samples], step_frames: int, *, eager: bool
    ) -> Iterator[WindowPrediction]:
        for spans, windows in self._cut(blocks, step_frames, eager=eager):
            said = self._decide_each(windows)
            rows = zip(spans, said.probabilities, said.indices(), said.abstained, strict=True)
            for span, shares, chosen, abstained in rows:
                start, end = span[0] * self._frame_seconds, span[-1] * self._frame_seconds
                labels = tuple(self.labels[index] for index in chosen)
                yield WindowPrediction(start, end, shares, labels, abstained)

    def _cut(
        self, blocks: Iterable[Samples], step_frames: int, *, eager: bool
    ) -> Iterator[tuple[list[range], Float32[np.ndarray, "windows mels frames"]]]:
        groups = round_frames(self._log_mel.stream(blocks, eager=eager))
        return stream_windows(groups, self.spec.window_frames, step_frames)

    def _decide_each(self, windows: Float32[np.ndarray, "windows mels frames"]) -> Decisions:
        levels_db = window_levels_db(windows, self.spec.config.features)
        return self.spec.rule.decide(self._window_logits(windows), levels_db)

    def _say(
        self, windows: Float32[np.ndarray, "windows mels frames"]
    ) -> Float32[np.ndarray, "windows labels"]:
        """Probabilities; values that are not numbers where there is no decision."""
        said = self._decide_each(windows)
        return np.where(said.is_decided[:, None], said.probabilities, np.nan).astype(np.float32)

    def _states(self, said: Float32[np.ndarray, "windows labels"]) -> np.ndarray:
        return lane_scores(said, self.spec.task, self.spec.rule.lane_thresholds).argmax(axis=2)

    def judge_frames(self, frames: Float16[np.ndarray, "frames mels"]) -> Decisions:
        """Judges a whole sound by its frames, which `earmark.features.log_mel.extract` gives.

        Args:
            frames: Log-mel frames of the model's front end.

        Returns:
            One row.
        """
        length = self.spec.window_frames
        starts = window_starts(len(frames), length, self.spec.config.predict.overlap)
        logits = []
        for first in range(0, len(starts), EVALUATION_BATCH):
            chunk = starts[first : first + EVALUATION_BATCH]
            windows = np.stack([cut_window(frames, start, length) for start in chunk])
            logits.append(self._window_logits(windows))
        return self._decide(
            np.concatenate(logits), peak_level_db(frames, self.spec.config.features)
        )

    def _hear(
        self, path: Path, *, pipelined: bool, cancel: threading.Event | None = None
    ) -> Features | Prediction:
        """The frames of a file; of a long one, whose frames are not held, what is said of it."""
        blocks = stream_audio(path, self.sample_rate, pipelined=pipelined, cancel=cancel)
        sound = SampleCounter(blocks)
        groups = round_frames(self._log_mel.stream(sound))
        first = list(itertools.islice(groups, LONG_GROUPS))
        if len(first) < LONG_GROUPS:
            return Features(np.concatenate(first), sound.num_samples / self.sample_rate)
        decided = self._judge_groups(itertools.chain(first, groups))
        return self._tell(path, decided, sound.num_samples / self.sample_rate)

    def _judge_groups(self, groups: Iterable[Float16[np.ndarray, "frames mels"]]) -> Decisions:
        """As `judge_frames`, digit for digit, in a fixed amount of memory."""
        found = stream_windows(groups, self.spec.window_frames, self._step_frames(None))
        windows = (window for _, some in found for window in some)
        logits, levels_db = [], []
        while batch := list(itertools.islice(windows, EVALUATION_BATCH)):
            together = np.stack(batch)
            logits.append(self._window_logits(together))
            levels_db.append(window_levels_db(together, self.spec.config.features).max())
        return self._decide(np.concatenate(logits), max(levels_db))

    def _judge(self, path: Path, heard: Features | Prediction) -> Prediction:
        if isinstance(heard, Prediction):
            return heard
        return self._tell(path, self.judge_frames(heard.frames), heard.duration_seconds)

    def _decide(
        self, window_logits: Float[np.ndarray, "windows outputs"], level_db: float
    ) -> Decisions:
        """What the windows of one clip say together."""
        logits = clip_logits(
            window_logits,
            np.zeros(len(window_logits), np.int64),
            task=self.spec.task,
            pooling=self.spec.config.predict.pooling,
        )
        return self.spec.rule.decide(logits, np.array([level_db]))

    def _tell(self, path: Path, decided: Decisions, duration_seconds: float) -> Prediction:
        """A decision on one clip, with names."""
        (chosen,), (abstained,) = decided.indices(), decided.abstained
        shares = dict(zip(self.labels, map(float, decided.probabilities[0]), strict=True))
        labels = tuple(self.labels[index] for index in chosen)
        return Prediction(path, labels, shares, duration_seconds, self.spec.task, abstained)
