"""The vectors of an embedder as the frames of a model, in place of log-mel values."""

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

import numpy as np

from earmark.config import EmbedderConfig, FeatureConfig
from earmark.errors import CheckpointError
from earmark.features.front_end import FrontEnd
from earmark.features.log_mel import LogMel, round_frames
from earmark.features.windows import batch_windows, stream_windows
from earmark.system.shapes import Float, Float32

if TYPE_CHECKING:
    from earmark.features.embedder import EmbedderSession

LARGEST = float(np.finfo(np.float16).max)


def make_front_end(config: FeatureConfig, num_threads: int | None = None) -> FrontEnd:
    """The front end that the settings describe.

    Args:
        config: Front-end settings.
        num_threads: Of an embedder; by default one for each processor.

    Raises:
        ConfigError: As `LogMel`.

    Example:
        >>> make_front_end(FeatureConfig())(np.zeros(16_000, np.float32)).shape
        (40, 51)
    """
    if config.embedder is None:
        return LogMel(config)
    return VectorFrontEnd(config, config.embedder, num_threads)


def require_embedder(front_end: FrontEnd) -> None:
    """Opens the embedder of a front end that has one, before any sound is read.

    Args:
        front_end: Any.

    Raises:
        CheckpointError: Its embedder is missing, or is another one.
    """
    if isinstance(front_end, VectorFrontEnd):
        _ = front_end.session


class VectorFrontEnd:
    """A front end whose frames are the vectors of an embedder, one for each window of the sound.

    Windows lie end to end; the last one ends where the sound ends, and sound that is shorter than
    one is repeated to fill it. The file of the embedder is opened when it is first used, in each
    process anew.

    Args:
        config: Front-end settings.
        embedder: Those of the embedder.
        num_threads: As for `make_front_end`.
    """

    def __init__(
        self, config: FeatureConfig, embedder: EmbedderConfig, num_threads: int | None = None
    ) -> None:
        self._config, self._embedder, self._num_threads = config, embedder, num_threads
        self._log_mel = None if embedder.front_end is None else LogMel(embedder.front_end)
        self._session: EmbedderSession | None = None

    def __reduce__(self) -> tuple[object, ...]:
        return type(self), (self._config, self._embedder, self._num_threads)

    @property
    def config(self) -> FeatureConfig:
        """Its settings."""
        return self._config

    @property
    def session(self) -> "EmbedderSession":
        """The embedder, ready to run.

        Raises:
            CheckpointError: Its file is missing, or is another one.
        """
        if self._session is None:
            # It imports ONNX Runtime, which log-mel values do without.
            from earmark.features.embedder import EmbedderSession

            self._session = EmbedderSession.open(self._embedder, self._num_threads)
        return self._session

    def __call__(
        self, waveform: Float[np.ndarray, " time"]
    ) -> Float32[np.ndarray, "dimensions windows"]:
        """The vectors of a whole clip.

        Args:
            waveform: Samples in [-1, 1] at the rate of the embedder.

        Raises:
            CheckpointError: As `stream`.
        """
        return np.concatenate(list(self.stream([waveform]))).T

    def stream(
        self, blocks: Iterable[Float[np.ndarray, " _"]], *, eager: bool = False
    ) -> Iterator[Float32[np.ndarray, "windows dimensions"]]:
        """The vectors of a clip that comes in blocks of any sizes.

        Args:
            blocks: Samples in [-1, 1] at the rate of the embedder.
            eager: Yield each vector as soon as its window is there, for live sound.

        Raises:
            CheckpointError: The embedder cannot be opened or run, or its vectors are not finite
                numbers that float16 holds.
        """
        session, length = self.session, self._embedder.window_length
        windows = stream_windows(self._values(blocks, eager=eager), length, length)
        for _, batch in windows if eager else batch_windows(windows, session.batch):
            vectors = session(batch)
            if np.abs(vectors).max() > LARGEST:
                raise CheckpointError(
                    f"{self._embedder.file}: its vectors have values beyond {LARGEST:g}"
                )
            yield vectors

    def _values(
        self, blocks: Iterable[Float[np.ndarray, " _"]], *, eager: bool
    ) -> Iterator[Float[np.ndarray, "length bands"]]:
        """What windows are cut from: samples, or log-mel frames as they are predicted from."""
        if self._log_mel is not None:
            return round_frames(self._log_mel.stream(blocks, eager=eager))
        return (block.astype(np.float32, copy=False)[:, None] for block in blocks)
