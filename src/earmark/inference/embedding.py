"""From sound to the vectors of its windows: what a network knows of each before its classifier."""

import functools
import itertools
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Protocol, runtime_checkable

import numpy as np

from earmark.audio.downmix import Downmix
from earmark.audio.isolation import DecoderPool, Job
from earmark.audio.reading import from_arrays, stream_audio
from earmark.audio.source import Excerpt, Note
from earmark.errors import AudioError, CheckpointError, ConfigError, FailedFile
from earmark.features.windows import batch_windows, stream_windows
from earmark.inference.watching import Watch, ignore, watched
from earmark.system.shapes import Float32, Float64

Windows = Float32[np.ndarray, "windows bands length"]


class Embeddings(NamedTuple):
    """The vectors of the windows of a sound, in order.

    Args:
        start_seconds: Where each window starts.
        end_seconds: Where it ends; not after the end of the sound.
        vectors: A row for each.
    """

    start_seconds: Float64[np.ndarray, " windows"]
    end_seconds: Float64[np.ndarray, " windows"]
    vectors: Float32[np.ndarray, "windows dimensions"]


@dataclass(frozen=True)
class EmbeddedFile:
    """The vectors of a file.

    Args:
        path: The file.
        embeddings: Of its windows.
        duration_seconds: Length of the sound.
        notes: What was noticed in the file.
    """

    path: Path
    embeddings: Embeddings
    duration_seconds: float
    notes: tuple[Note, ...] = ()


@runtime_checkable
class Part(Protocol):
    """Some frames of a sound, as `earmark.features.log_mel.Features` or samples."""

    @property
    def frames(self) -> np.ndarray:
        """The frames."""
        ...

    @property
    def duration_seconds(self) -> float:
        """Length of the sound up to their end."""
        ...

    @property
    def notes(self) -> tuple[Note, ...]:
        """What was noticed in the sound so far."""
        ...


@dataclass(frozen=True)
class Framing:
    """How sound becomes windows.

    Args:
        sample_rate: Rate of the sound in Hz.
        channel: Number of the channel that is used; the mean of all if None.
        hop_length: Samples from one frame to the next.
        window_frames: Length of a window.
        step_frames: Frames from the start of one window to the start of the next.
        batch: Windows that are run at once.
    """

    sample_rate: int
    channel: int | None
    hop_length: int
    window_frames: int
    step_frames: int
    batch: int


class Embedder(ABC):
    """Turns sound into the vectors of its windows. Threads may share one.

    Args:
        name: Of the model, for messages.
        framing: How sound becomes windows.
    """

    def __init__(self, name: str, framing: Framing) -> None:
        self.name, self.framing = name, framing

    @property
    @abstractmethod
    def window_seconds(self) -> float:
        """Length of a window."""

    @property
    def window_samples(self) -> int:
        """Fewest samples that fill a window."""
        return (self.framing.window_frames - 1) * self.framing.hop_length + 1

    @property
    @abstractmethod
    def dimensions(self) -> int:
        """Length of a vector.

        Raises:
            CheckpointError: The model gives none.
        """

    @abstractmethod
    def run(self, windows: Windows) -> Float32[np.ndarray, "windows dimensions"]:
        """The vectors of windows.

        Raises:
            CheckpointError: The model cannot give them.
        """

    @abstractmethod
    def pool(self) -> DecoderPool:
        """Workers that send the parts of files."""

    @abstractmethod
    def job(self, path: Path, *, pipelined: bool) -> Job:
        """The work for a file."""

    @abstractmethod
    def parts(self, blocks: Iterable[np.ndarray], downmix: Downmix) -> Iterator[Part]:
        """The parts of sound that comes in blocks of samples, at the rate of the framing."""

    @abstractmethod
    def seconds(self, span: range, duration_seconds: float) -> tuple[float, float]:
        """Start and end of the window that is made of some frames of a sound of that length."""

    def embed(
        self, sound: Path | str | np.ndarray, *, sample_rate: int | None = None
    ) -> Embeddings:
        """The vectors of a sound; see `earmark.inference.classifier.Classifier.embed`."""
        if isinstance(sound, np.ndarray):
            rate, downmix = self.framing.sample_rate, Downmix(self.framing.channel)
            blocks = from_arrays([sound], sample_rate or rate, rate, downmix=downmix)
            return self._embed_parts(self.parts(blocks, downmix))[0]
        if sample_rate is not None:
            raise ConfigError(f"{sound}: a file has its own sample rate; leave sample_rate out")
        return self._embed_file(Path(sound)).embeddings

    def embed_window(self, path: Path, start_seconds: float) -> Embeddings:
        """The vector of the window of a file that starts at a time.

        Args:
            path: The file.
            start_seconds: Where the window starts. It ends where the sound ends, if that is
                earlier, and is repeated to fill a window then.

        Raises:
            AudioError: The file cannot be decoded, or ends before that time.
        """
        framing, num_samples = self.framing, self.window_samples
        downmix = Downmix(framing.channel)
        blocks = stream_audio(
            path, framing.sample_rate, Excerpt(start_seconds, None), downmix=downmix
        )
        samples: list[np.ndarray] = []
        for block in blocks:
            samples.append(block)
            if sum(map(len, samples)) >= num_samples:
                break
        return self.embed(np.concatenate(samples)[:num_samples])

    def embed_many(
        self, paths: Iterable[Path | str], *, isolated: bool = False, watch: Watch = ignore
    ) -> Iterator[EmbeddedFile | FailedFile]:
        """The vectors of files, in parallel; a file that fails is reported and the others go on.

        Args:
            paths: As for `earmark.inference.classifier.Classifier.predict_many`.
            isolated: As for `earmark.inference.classifier.Classifier.predict_many`.
            watch: As for `earmark.inference.classifier.Classifier.predict_many`.

        Yields:
            The vectors or a failure for each file, in order.
        """
        remaining = map(Path, paths)
        first = list(itertools.islice(remaining, 2))
        if len(first) == 1 and not isolated:
            yield self._try_to_embed(first[0], watch=watch)
            return
        # Threads within a file help a single one; among several files they would compete.
        job = functools.partial(self.job, pipelined=len(first) == 1)
        files = itertools.chain(first, remaining)
        work = functools.partial(self._try_to_embed, watch=watch)
        with self.pool() as pool:
            for _, embedded in pool.map_in_order(work, files, job):
                yield embedded.result()

    def _try_to_embed(
        self, path: Path, parts: Iterable[Part] | None = None, *, watch: Watch = ignore
    ) -> EmbeddedFile | FailedFile:
        try:
            return self._embed_file(path, parts, watch)
        except AudioError as error:
            return FailedFile(path, str(error), error.fault)

    def _embed_file(
        self, path: Path, parts: Iterable[Part] | None = None, watch: Watch = ignore
    ) -> EmbeddedFile:
        if parts is None:
            framing = self.framing
            downmix = Downmix(framing.channel)
            blocks = stream_audio(path, framing.sample_rate, downmix=downmix, pipelined=True)
            parts = self.parts(blocks, downmix)
        try:
            embeddings, last = self._embed_parts(parts, watch)
        except CheckpointError as error:
            # The model was fine with other sound, so this file alone fails.
            raise AudioError(f"{path}: {error}", "not_finite") from None
        return EmbeddedFile(path, embeddings, last.duration_seconds, tuple(last.notes))

    def _embed_parts(self, parts: Iterable[Part], watch: Watch = ignore) -> tuple[Embeddings, Part]:
        framing, followed = self.framing, _Followed(watched(parts, watch))
        stream = stream_windows(followed, framing.window_frames, framing.step_frames)
        spans: list[range] = []
        rows: list[np.ndarray] = []
        for some, windows in batch_windows(stream, framing.batch):
            spans += some
            rows.append(self.run(windows))
        last = followed.last
        assert last is not None
        times = [self.seconds(one, last.duration_seconds) for one in spans]
        starts, ends = np.array(times, np.float64).T
        return Embeddings(starts, ends, np.concatenate(rows)), last


class _Followed:
    """The frames of parts, one after another; keeps the last part."""

    def __init__(self, parts: Iterable[Part]) -> None:
        self._parts = parts
        self.last: Part | None = None

    def __iter__(self) -> Iterator[np.ndarray]:
        for part in self._parts:
            yield part.frames
            self.last = part
