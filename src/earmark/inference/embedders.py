"""Embedders: a model of earmark's, or any ONNX file that takes a waveform or log-mel values."""

import math
from collections.abc import Iterable, Iterator
from functools import cached_property
from pathlib import Path

import numpy as np

from earmark.audio.downmix import Downmix
from earmark.audio.isolation import DecoderPool, Job
from earmark.audio.sound_pool import sound_job, sound_parts, sound_pool
from earmark.config import FeatureConfig
from earmark.errors import CheckpointError, ConfigError
from earmark.features.embedder import EmbedderSession
from earmark.features.extraction import extraction_job, extraction_pool
from earmark.features.log_mel import stream_features
from earmark.features.vectors import make_front_end
from earmark.features.windows import evaluation_batch
from earmark.inference.backend import Backend, run_backend
from earmark.inference.embedding import Embedder, Framing, Part, Windows
from earmark.models.spec import TESTED_DB, ModelSpec
from earmark.system.shapes import Float32


class _FrameEmbedder(Embedder):
    """An embedder of windows of frames."""

    def __init__(self, name: str, features: FeatureConfig, framing: Framing) -> None:
        super().__init__(name, framing)
        self._front_end = make_front_end(features)

    @property
    def window_seconds(self) -> float:
        start, end = self.seconds(range(self.framing.window_frames), math.inf)
        return end - start

    def pool(self) -> DecoderPool:
        return extraction_pool(self._front_end.config)

    def job(self, path: Path, *, pipelined: bool) -> Job:
        return extraction_job(path, pipelined=pipelined)

    def parts(self, blocks: Iterable[np.ndarray], downmix: Downmix) -> Iterator[Part]:
        return stream_features(blocks, self._front_end, downmix)

    def seconds(self, span: range, duration_seconds: float) -> tuple[float, float]:
        # As for predictions.
        return self._front_end.config.span_seconds(span, duration_seconds)


class ModelEmbedder(_FrameEmbedder):
    """The embeddings of a model of earmark's: what the last layer of its network gets.

    Args:
        spec: The specification of the model.
        backend: Its network.
        name: Of the model, for messages.
        hop_seconds: From the start of one window to the start of the next; ``predict.overlap``
            sets it if None.
    """

    def __init__(
        self, spec: ModelSpec, backend: Backend, name: str, hop_seconds: float | None = None
    ) -> None:
        features = spec.config.features
        framing = Framing(
            features.sample_rate,
            features.channel,
            features.hop_length,
            spec.window_frames,
            spec.step_frames(hop_seconds),
            evaluation_batch(features.n_mels, spec.window_frames),
        )
        super().__init__(name, features, framing)
        self.backend = backend

    @property
    def window_samples(self) -> int:
        """Fewest samples that fill a window."""
        embedder = self._front_end.config.embedder
        beyond = 0 if embedder is None else embedder.window_samples - 1
        return super().window_samples + beyond

    @cached_property
    def dimensions(self) -> int:
        """Length of a vector, found by running a window."""
        shape = (1, self._front_end.config.n_mels, self.framing.window_frames)
        return self.run(np.full(shape, TESTED_DB, np.float32)).shape[1]

    def run(self, windows: Windows) -> Float32[np.ndarray, "windows dimensions"]:
        """The embeddings of windows.

        Raises:
            CheckpointError: The backend gives none, or they are not finite.
        """
        found = run_backend(self.backend, windows).embeddings
        if found is None:
            raise CheckpointError(
                f"{self.name}: gives no embeddings; export it again with this version of earmark"
            )
        if not np.isfinite(found).all():
            raise CheckpointError(f"{self.name}: its embeddings are not finite numbers")
        return found


class FileEmbedder(_FrameEmbedder):
    """An ONNX file that takes log-mel values."""

    def __init__(self, session: EmbedderSession, hop_seconds: float | None = None) -> None:
        config, features = session.config, session.config.front_end
        assert features is not None
        step = _step(hop_seconds, features.frame_seconds, config.window_length)
        framing = Framing(
            config.sample_rate,
            features.channel,
            *(features.hop_length, config.window_length, step, session.batch),
        )
        super().__init__(config.file, features, framing)
        self._session = session

    @property
    def dimensions(self) -> int:
        """Length of a vector."""
        return self._session.config.dimensions

    def run(self, windows: Windows) -> Float32[np.ndarray, "windows dimensions"]:
        """The vectors that the file gives."""
        return self._session(windows)


class WaveformEmbedder(Embedder):
    """An ONNX file that takes a waveform."""

    def __init__(self, session: EmbedderSession, hop_seconds: float | None = None) -> None:
        config = session.config
        step = _step(hop_seconds, 1 / config.sample_rate, config.window_length)
        framing = Framing(config.sample_rate, None, 1, config.window_length, step, session.batch)
        super().__init__(config.file, framing)
        self._session = session

    @property
    def window_seconds(self) -> float:
        """Length of a window."""
        return self._session.config.window_seconds

    @property
    def dimensions(self) -> int:
        """Length of a vector."""
        return self._session.config.dimensions

    def run(self, windows: Windows) -> Float32[np.ndarray, "windows dimensions"]:
        """The vectors that the file gives."""
        return self._session(windows)

    def pool(self) -> DecoderPool:
        """Workers that decode."""
        return sound_pool(self.framing.sample_rate)

    def job(self, path: Path, *, pipelined: bool) -> Job:
        """The decoding of a file."""
        return sound_job(path, pipelined=pipelined)

    def parts(self, blocks: Iterable[np.ndarray], downmix: Downmix) -> Iterator[Part]:
        """The samples."""
        return sound_parts(blocks, self.framing.sample_rate, downmix)

    def seconds(self, span: range, duration_seconds: float) -> tuple[float, float]:
        """Where the first sample starts and the last one ends."""
        return span.start / self.framing.sample_rate, span.stop / self.framing.sample_rate


def open_file_embedder(session: EmbedderSession, hop_seconds: float | None = None) -> Embedder:
    """An embedder that is an ONNX file.

    Args:
        session: The file.
        hop_seconds: From the start of one window to the start of the next; the length of a window
            if None.

    Raises:
        ConfigError: ``hop_seconds`` is not a positive number.
    """
    kind = WaveformEmbedder if session.config.takes == "waveform" else FileEmbedder
    return kind(session, hop_seconds)


def _step(hop_seconds: float | None, frame_seconds: float, window_frames: int) -> int:
    if hop_seconds is None:
        return window_frames
    # Not "<= 0", which is false for NaN.
    if not 0 < hop_seconds < math.inf:
        raise ConfigError(f"hop_seconds = {hop_seconds}: give a positive number of seconds")
    return max(1, round(hop_seconds / frame_seconds))
