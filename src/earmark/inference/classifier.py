"""From a model and a sound to its labels."""

import functools
import itertools
import logging
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np

from earmark.audio.downmix import Downmix, Samples
from earmark.audio.reading import SampleCounter, from_arrays, stream_audio
from earmark.errors import AudioError, CheckpointError, ConfigError, FailedFile
from earmark.features.band import describe_band
from earmark.features.extraction import extraction_job, extraction_pool, split_groups
from earmark.features.log_mel import Features, round_frames, stream_features
from earmark.features.vectors import make_front_end, require_embedder
from earmark.inference.backend import Backend, FiniteBackend
from earmark.inference.clip import ClipPredictor
from earmark.inference.embedders import ModelEmbedder
from earmark.inference.embedding import Embeddings
from earmark.inference.file_predictor import FilePredictor
from earmark.inference.origin import ModelOrigin
from earmark.inference.predictions import NO_FILE, Prediction, WindowPrediction
from earmark.inference.watching import Watch, ignore, watched
from earmark.inference.window_predictions import predict_windows
from earmark.models.pretrained import find_model
from earmark.models.spec import ModelSpec
from earmark.system.remote.path import to_path
from earmark.system.shapes import Float16
from earmark.tasks.decision_rule import Decisions

logger = logging.getLogger(__name__)


class Classifier:
    """A trained model, ready for new sound. It owns the front end, labels and thresholds.

    Threads may share it. Sound of any length is predicted in a fixed amount of memory, apart from
    a few bytes a window for segments.

    Args:
        spec: What the network needs besides its weights.
        backend: The network.
        name: Of the model, for messages.

    Example:
        >>> import numpy as np
        >>> from earmark.models.spec import ModelSpec
        >>> from earmark.config import Config
        >>> spec = ModelSpec(Config(), ("music", "speech"), window_frames=51)
        >>> classifier = Classifier(spec, lambda windows: np.ones((len(windows), 1)))
        >>> classifier.predict(np.sin(np.arange(44_100.0)), sample_rate=44_100).label
        'speech'
    """

    def __init__(self, spec: ModelSpec, backend: Backend, name: str = "the model") -> None:
        self.spec = spec
        self._name = name
        self._backend = FiniteBackend(backend, name)
        self._front_end = make_front_end(spec.config.features)
        self._has_noted_band = False
        self.origin: ModelOrigin | None = None

    @classmethod
    def load(
        cls, model: Path | str, *, device: str = "auto", settings: Sequence[str] = ()
    ) -> "Classifier":
        """Opens a model; see `load_model`, which is the same."""
        path = find_model(model)
        spec, backend = open_network(path, device)
        classifier = cls(spec.adjust(settings), backend, str(path))
        require_embedder(classifier._front_end)
        classifier.origin = ModelOrigin(path, device, tuple(settings))
        return classifier

    def __repr__(self) -> str:
        name = type(self).__name__
        return (
            f"{name}(labels={self.labels!r}, task={self.spec.task.name!r}, "
            f"sample_rate={self.sample_rate}, window_seconds={self.spec.window_seconds:g})"
        )

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels with a probability; that of the background is never predicted."""
        return self.spec.labels

    @property
    def sample_rate(self) -> int:
        """Rate of the sound that the model takes, in Hz; any other is resampled to it."""
        return self.spec.config.features.sample_rate

    def predict(
        self,
        sound: Path | str | np.ndarray,
        *,
        sample_rate: int | None = None,
        segments: bool = False,
    ) -> Prediction:
        """Predicts the label of a whole sound from all of its windows, as testing does.

        Args:
            sound: Any sound file; or samples in [-1, 1], (time,) or (time, channels).
            sample_rate: Rate of samples in Hz, by default the model's own. A file has its own.
            segments: Whether to find out when each label is heard, too.

        Raises:
            AudioError: The sound cannot be decoded.
            ConfigError: ``sample_rate`` is given for a file.
        """
        if isinstance(sound, np.ndarray):
            downmix = self._downmix()
            samples = self._from_arrays([sound], sample_rate, downmix)
            features = stream_features(samples, self._front_end, downmix)
            return self._predict_features(NO_FILE, features, segments=segments)
        if sample_rate is not None:
            raise ConfigError(f"{sound}: a file has its own sample rate; leave sample_rate out")
        return self._predict_file(to_path(sound), segments=segments)

    def predict_many(
        self,
        paths: Iterable[Path | str],
        *,
        segments: bool = False,
        isolated: bool = False,
        num_workers: int | None = None,
        watch: Watch = ignore,
    ) -> Iterator[Prediction | FailedFile]:
        """Predicts files in parallel; a file that fails is reported and the others go on.

        Several files are decoded in processes of their own, so that one that crashes a decoder
        fails like any other. A single file is decoded here, which takes less time to start.

        Args:
            paths: Sound files; they are asked for as the work goes on.
            segments: As for `predict`.
            isolated: Decode a single file in a process of its own, too.
            num_workers: Such processes; by default one for each processor.
            watch: Called with the seconds of each part of a file that is predicted, from several
                threads.

        Yields:
            A prediction or a failure for each file, in order.
        """
        remaining = map(to_path, paths)
        first = list(itertools.islice(remaining, 2))
        if len(first) == 1 and not isolated:
            yield self._try_to_predict(first[0], segments=segments, watch=watch)
            return
        # Threads within a file help a single one; among several files they would compete.
        pipelined, files = len(first) == 1, itertools.chain(first, remaining)
        job = functools.partial(extraction_job, pipelined=pipelined)
        predict = functools.partial(self._try_to_predict, segments=segments, watch=watch)
        with extraction_pool(self.spec.config.features) as pool:
            for _, prediction in pool.map_in_order(predict, files, job, num_workers):
                yield prediction.result()

    def windows(
        self, path: Path | str, *, hop_seconds: float | None = None
    ) -> Iterator[WindowPrediction]:
        """Predicts the windows of a file one by one.

        A window has the length that the model was trained with, about ``train.crop_seconds``. The
        windows start at 0 and then every ``hop_seconds``; a last one ends where the sound ends,
        unless one does already. Sound that is shorter than a window is repeated to fill one.

        Args:
            path: Any sound file.
            hop_seconds: From the start of one window to the start of the next, rounded to whole
                frames; by default ``predict.overlap`` sets it.

        Raises:
            AudioError: The file cannot be decoded, or is truncated: the windows before the end
                have been yielded then.
            ConfigError: ``hop_seconds`` is not a positive number.
        """
        blocks = stream_audio(path, self.sample_rate, downmix=self._downmix(), pipelined=True)
        return self._predict_windows(blocks, self.spec.step_frames(hop_seconds), eager=False)

    def stream(
        self,
        blocks: Iterable[np.ndarray],
        *,
        sample_rate: int | None = None,
        hop_seconds: float | None = None,
    ) -> Iterator[WindowPrediction]:
        """Predicts the windows of live sound, each as soon as its samples are there.

        They are the windows of `windows`, whatever the sizes of the blocks.

        Args:
            blocks: Samples in [-1, 1], of any lengths: (time,), or (time, channels). They are
                asked for one by one, so they may wait for a microphone.
            sample_rate: Their rate in Hz; by default the model's own.
            hop_seconds: As for `windows`.

        Raises:
            AudioError: As `earmark.audio.reading.from_arrays`.
            ConfigError: ``hop_seconds`` is not a positive number.
        """
        mono = self._from_arrays(blocks, sample_rate, self._downmix())
        return self._predict_windows(mono, self.spec.step_frames(hop_seconds), eager=True)

    def predict_frames(self, frames: Float16[np.ndarray, "frames mels"]) -> Decisions:
        """One row: a whole sound, from frames as `earmark.features.log_mel.extract` gives them.

        Args:
            frames: Of the model's front end.
        """
        return ClipPredictor(self.spec, self._backend).add(frames).finish()

    def file_predictor(self, *, segments: bool = False) -> FilePredictor:
        """Predicts one sound whose features, by this model's front end, come in parts.

        Args:
            segments: As for `predict`.
        """
        return FilePredictor(self.spec, self._backend, self._note_band, segments=segments)

    def predict_features(
        self, path: Path, parts: Iterable[Features], *, segments: bool = False
    ) -> Prediction:
        """As `predict`, for a file whose features come from an `extraction_pool`."""
        return self._predict_file(path, parts, segments=segments)

    def embed(
        self, sound: Path | str | np.ndarray, *, sample_rate: int | None = None
    ) -> Embeddings:
        """The vectors of the windows of a sound: what the last layer of the network gets.

        Args:
            sound: As for `predict`; the windows are those of `predict`.
            sample_rate: As for `predict`.

        Raises:
            AudioError: The sound cannot be decoded.
            CheckpointError: The model gives no embeddings.
        """
        return self.embedder().embed(sound, sample_rate=sample_rate)

    def embedder(self, hop_seconds: float | None = None) -> ModelEmbedder:
        """What `embed` uses, also for many files.

        Args:
            hop_seconds: As for `windows`.
        """
        return ModelEmbedder(self.spec, self._backend, self._name, hop_seconds)

    def _downmix(self) -> Downmix:
        return Downmix(self.spec.config.features.channel)

    def _from_arrays(
        self, blocks: Iterable[np.ndarray], sample_rate: int | None, downmix: Downmix
    ) -> Iterator[Samples]:
        rate = self.sample_rate if sample_rate is None else sample_rate
        return from_arrays(blocks, rate, self.sample_rate, downmix=downmix)

    def _try_to_predict(
        self,
        path: Path,
        parts: Iterable[Features] | None = None,
        *,
        segments: bool,
        watch: Watch,
    ) -> Prediction | FailedFile:
        try:
            return self._predict_file(path, parts, segments=segments, watch=watch)
        except AudioError as error:
            return FailedFile(path, str(error), error.fault)

    def _predict_file(
        self,
        path: Path,
        parts: Iterable[Features] | None = None,
        *,
        segments: bool,
        watch: Watch = ignore,
    ) -> Prediction:
        """Predicts a file from the parts that a worker sends, or decodes it here."""
        if parts is not None:
            features = split_groups(parts)
        else:
            downmix = self._downmix()
            blocks = stream_audio(path, self.sample_rate, downmix=downmix, pipelined=True)
            features = stream_features(blocks, self._front_end, downmix)
        try:
            return self._predict_features(path, watched(features, watch), segments=segments)
        except CheckpointError as error:
            # The model was fine with other sound, so this file alone fails.
            raise AudioError(f"{path}: {error}", "not_finite") from None

    def _predict_features(
        self, path: Path, features: Iterable[Features], *, segments: bool
    ) -> Prediction:
        predictor = self.file_predictor(segments=segments)
        for part in features:
            predictor.add(part)
        return predictor.finish(path)

    def _note_band(self, source_rate: int | None) -> None:
        """Logs once how much of the band of a sound the features keep."""
        if self._has_noted_band or source_rate is None:
            return
        if band := describe_band(source_rate, self.spec.config.features):
            self._has_noted_band = True
            logger.info(f"note: {band}")

    def _predict_windows(
        self, blocks: Iterable[Samples], step_frames: int, *, eager: bool
    ) -> Iterator[WindowPrediction]:
        sound = SampleCounter(blocks)
        groups = round_frames(self._front_end.stream(sound, eager=eager))
        return predict_windows(
            *(self.spec, self._backend, groups, step_frames),
            duration_seconds=lambda: sound.num_samples / self.sample_rate,
        )


def open_network(path: Path, device: str = "auto") -> tuple[ModelSpec, Backend]:
    """The specification and the network of a file or folder; raises as `load_model` does."""
    if path.suffix.lower() == ".onnx":
        from earmark.inference.onnx_backend import open_onnx as open_model
    else:
        from earmark.inference.torch_backend import open_checkpoint as open_model
    return open_model(path, device)


def load_model(
    model: Path | str, *, device: str = "auto", settings: Sequence[str] = ()
) -> Classifier:
    """Opens a model for prediction. PyTorch is imported for weights in PyTorch only.

    Args:
        model: A run folder, a ``.safetensors`` or ``.onnx`` file, or the name of a model inside
            the package.
        device: ``auto``, ``cpu``, ``cuda`` or ``mps``.
        settings: Changes to the section ``predict``, such as ``predict.overlap=0.8``.

    Raises:
        CheckpointError: The model cannot be opened.
        ConfigError: The device is not available, or a setting is invalid.

    Example:
        >>> load_model("speech-music").labels
        ('music', 'speech')
    """
    return Classifier.load(model, device=device, settings=settings)
