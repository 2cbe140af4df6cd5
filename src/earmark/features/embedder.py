"""Vectors from a local ONNX file, which takes windows of a waveform or of log-mel values."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from earmark.config import EmbedderConfig, FeatureConfig
from earmark.errors import CheckpointError, ConfigError
from earmark.features.embedder_file import read_embedder
from earmark.features.windows import EVALUATION_BATCH, EVALUATION_VALUES
from earmark.system.hashing import content_hash
from earmark.system.onnx_session import one_line, start_session
from earmark.system.shapes import Float32

SAMPLE_RATE, WINDOW_SECONDS, LICENCE = "sample_rate", "window_seconds", "licence"
"""Keys of the metadata of a file that are understood."""
NOT_STATED = "not stated"
EMBEDDING_NAMES = ("embedding", "embeddings")
BATCH_TOLERANCE = 1e-3
"""Of the vector of a window alone and among others, as a fraction of the largest value."""
DEFAULT_FEATURES = FeatureConfig()
_TYPES = {"tensor(float)": np.float32, "tensor(float16)": np.float16, "tensor(double)": np.float64}


@dataclass(frozen=True)
class EmbedderRequest:
    """An ONNX file as an embedder, and what its metadata do not state.

    Args:
        file: The ``.onnx`` file.
        sample_rate: Rate of the sound that it takes, in Hz.
        window_seconds: Length of its windows; not needed where the shape of its input is fixed.
        output: Name of the output with the vectors; not needed where it is called ``embedding`` or
            is the only one.
        licence: Licence of its weights.
        features: Settings of the log-mel values that it takes; not used for a waveform.
    """

    file: Path
    sample_rate: int | None = None
    window_seconds: float | None = None
    output: str | None = None
    licence: str | None = None
    features: FeatureConfig = DEFAULT_FEATURES


def inspect_embedder(request: EmbedderRequest) -> EmbedderConfig:
    """Finds out what a file takes and gives, and tries it.

    Args:
        request: The file, and what it may not state itself.

    Raises:
        CheckpointError: The file cannot be run, its input is neither a waveform nor log-mel
            values, or its output is not a finite vector for each window.
        ConfigError: Something is to be stated, or what was stated is not what the file states.
    """
    path = request.file
    session = _open(path)
    metadata = session.get_modelmeta().custom_metadata_map
    given = _only_input(session, path)
    takes = "waveform" if _is_waveform(given.shape) else "log_mel"
    front_end = request.features if takes == "log_mel" else None
    rate = _agreed(path, "sample rate", request.sample_rate, metadata.get(SAMPLE_RATE), int)
    if front_end is not None:
        rate = front_end.sample_rate if rate is None else rate
    if rate is None:
        raise ConfigError(
            f"{path}: does not state the sample rate of its waveform; give --embedder-rate"
        )
    if front_end is not None and front_end.sample_rate != rate:
        raise ConfigError(
            f"{path}: takes sound at {rate} Hz, but features.sample_rate = "
            f"{front_end.sample_rate}; set it to {rate}"
        )
    length = _window_length(request, given.shape, metadata, rate)
    found = EmbedderConfig(
        file=str(path.absolute()),
        digest=content_hash(path),
        licence=request.licence or metadata.get(LICENCE) or NOT_STATED,
        sample_rate=rate,
        takes=takes,
        input=given.name,
        output=_chosen_output(session, request),
        window_length=length,
        dimensions=1,
        front_end=front_end,
    )
    return found.model_copy(update={"dimensions": EmbedderSession(found, session).try_out()})


def _open(path: Path) -> Any:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise CheckpointError(f"{path}: embedder: cannot be read: {error.strerror}") from None
    return start_session(content, str(path))


class EmbedderSession:
    """An embedder that is ready to run. Threads may share it.

    Args:
        config: What it takes and gives.
        session: Of ONNX Runtime.

    Attributes:
        dtype: Type of its input.
        fixed_batch: Windows that it takes at a time; None if any number, or if it takes a single
            waveform.
        has_frames_first: Whether its input has the frames of log-mel values before the bands.
    """

    def __init__(self, config: EmbedderConfig, session: Any) -> None:
        self.config = config
        self._session = session
        (given,) = (one for one in session.get_inputs() if one.name == config.input)
        self._rank, self.dtype = len(given.shape), np.dtype(_TYPES[given.type])
        first = given.shape[0]
        self.fixed_batch = first if isinstance(first, int) and self._rank > 1 else None
        self.has_frames_first = config.front_end is not None and _has_frames_first(
            given.shape, config, config.front_end
        )

    @classmethod
    def open(cls, config: EmbedderConfig, num_threads: int | None = None) -> "EmbedderSession":
        """Opens the file of an embedder that was inspected before.

        Args:
            config: What it takes and gives.
            num_threads: As for `earmark.system.onnx_session.start_session`.

        Raises:
            CheckpointError: It is missing, or is not the same file any more.
        """
        file = read_embedder(config)
        return cls(file.config, start_session(file.content, config.file, num_threads))

    @property
    def takes_one(self) -> bool:
        """Whether it takes one window at a time."""
        return self._rank == 1 or self.fixed_batch == 1

    @property
    def window_shape(self) -> tuple[int, ...]:
        """Shape of a window in its input."""
        config = self.config
        if config.front_end is None:
            return (1,) * (self._rank - 2) + (config.window_length,)
        shape = config.front_end.n_mels, config.window_length
        return (1,) * (self._rank - 3) + (shape[::-1] if self.has_frames_first else shape)

    @property
    def batch(self) -> int:
        """Windows that are run at once."""
        bands = 1 if self.config.front_end is None else self.config.front_end.n_mels
        values = bands * self.config.window_length
        return max(1, min(EVALUATION_BATCH, EVALUATION_VALUES // values))

    def __call__(
        self, windows: Float32[np.ndarray, "windows bands length"]
    ) -> Float32[np.ndarray, "windows dimensions"]:
        """Vectors of windows.

        Args:
            windows: Of one band, the samples; or of log-mel values, as
                `earmark.features.windows.cut_window` gives them.

        Raises:
            CheckpointError: ONNX Runtime cannot run them, or the vectors are not finite or not of
                the length that the embedder gave before.
        """
        size = 1 if self._rank == 1 else self.fixed_batch or max(1, len(windows))
        rows = [self._run(windows[at : at + size]) for at in range(0, len(windows), size)]
        found = np.concatenate(rows)
        if not np.isfinite(found).all():
            raise CheckpointError(f"{self.config.file}: its vectors are not finite numbers")
        return found

    def _run(self, windows: np.ndarray) -> np.ndarray:
        config, count = self.config, len(windows)
        if self.fixed_batch and count < self.fixed_batch:
            windows = np.resize(windows, (self.fixed_batch, *windows.shape[1:]))
        values = self._arrange(windows).astype(self.dtype, copy=False)
        try:
            (found,) = self._session.run([config.output], {config.input: values})
        except Exception as error:  # noqa: BLE001 - its errors have no common base
            raise CheckpointError(f"{config.file}: cannot be run: {one_line(error)}") from None
        found = np.asarray(found, np.float32)
        if self._rank == 1:
            # Some give a row for each of several parts of the waveform.
            found = found[None] if found.ndim == 1 else found.mean(axis=0, keepdims=True)
        found = found[:count]
        if found.ndim != 2 or len(found) != count or config.dimensions not in (1, found.shape[1]):
            raise CheckpointError(
                f"{config.file}: its output {config.output} has the shape {list(found.shape)} for "
                f"{count} windows, not a vector for each; give another with --embedder-output"
            )
        return found

    def _arrange(self, windows: np.ndarray) -> np.ndarray:
        """Windows in the shape of the input."""
        if self._rank == 1:
            return windows[0, 0]
        values = windows.transpose(0, 2, 1) if self.has_frames_first else windows
        return values.reshape(-1, *self.window_shape)

    def try_out(self) -> int:
        """Runs two windows of noise, each alone and both at once.

        Returns:
            The length of a vector.

        Raises:
            CheckpointError: As a call does; or the vector of a window depends on the other.
        """
        config = self.config
        rng = np.random.default_rng(0)
        bands = 1 if config.front_end is None else config.front_end.n_mels
        windows = rng.normal(0.0, 0.1, (2, bands, config.window_length)).astype(np.float32)
        if config.front_end is not None:
            windows = windows * 100.0 - 40.0
        both, alone = self(windows), np.concatenate([self(one[None]) for one in windows])
        limit = BATCH_TOLERANCE * max(1e-6, float(np.abs(alone).max()))
        if float(np.abs(both - alone).max()) > limit:
            raise CheckpointError(
                f"{config.file}: the vector of a window depends on the others in its batch"
            )
        return both.shape[1]


def _only_input(session: Any, path: Path) -> Any:
    given = session.get_inputs()
    if len(given) != 1 or given[0].type not in _TYPES or not 1 <= len(given[0].shape) <= 4:
        found = ", ".join(f"{one.name} {one.type} {one.shape}" for one in given)
        raise CheckpointError(
            f"{path}: takes {found or 'nothing'}; an embedder takes one input of floating-point "
            "numbers: a waveform (batch, samples) or log-mel values (batch, mels, frames)"
        )
    return given[0]


def _is_waveform(shape: Sequence[Any]) -> bool:
    return len(shape) <= 2 or (len(shape) == 3 and shape[1] == 1)


def _has_frames_first(
    shape: Sequence[Any], config: EmbedderConfig, front_end: FeatureConfig
) -> bool:
    """Whether an input of log-mel values has its frames before its bands.

    Raises:
        ConfigError: Neither order fits the settings.
    """
    bands, frames = front_end.n_mels, config.window_length
    orders = ((bands, frames), (frames, bands))
    fits = [
        all(
            one == size or not isinstance(one, int)
            for one, size in zip(shape[-2:], order, strict=True)
        )
        for order in orders
    ]
    if not any(fits) or (
        len(shape) == 4 and shape[1] not in (1, None) and isinstance(shape[1], int)
    ):
        raise ConfigError(
            f"{config.file}: takes log-mel values of the shape {list(shape)}, but the settings "
            f"give {bands} bands and {frames} frames; set features.n_mels and --embedder-window"
        )
    return not fits[0]


def _window_length(
    request: EmbedderRequest, shape: Sequence[Any], metadata: dict[str, str], rate: int
) -> int:
    """Samples of a window, or frames of log-mel values."""
    path, front_end = request.file, request.features
    seconds = _agreed(
        path, "length of windows", request.window_seconds, metadata.get(WINDOW_SECONDS), float
    )
    if seconds is not None and not 0 < seconds < math.inf:
        raise ConfigError(f"--embedder-window {seconds:g}: give a positive number of seconds")
    if _is_waveform(shape):
        fixed = shape[-1] if isinstance(shape[-1], int) else None
        length = None if seconds is None else max(1, round(seconds * rate))
    else:
        known = [one for one in shape[-2:] if isinstance(one, int)]
        sizes = [one for one in known if one != front_end.n_mels]
        fixed = sizes[0] if sizes else None
        if len(known) == 1 and sizes and seconds is None:
            raise ConfigError(
                f"{path}: takes log-mel values of the shape {list(shape)}, of which {fixed} may be "
                f"bands or frames; set features.n_mels={fixed}, or give --embedder-window"
            )
        length = None if seconds is None else 1 + round(seconds * rate / front_end.hop_length)
    if fixed is not None and length is not None and fixed != length:
        raise ConfigError(
            f"{path}: takes windows of {fixed} values, but {seconds:g} s are {length}; leave "
            "--embedder-window out, or correct the sample rate"
        )
    if fixed is None and length is None:
        raise ConfigError(f"{path}: takes windows of any length; give --embedder-window in seconds")
    found = fixed if fixed is not None else length
    assert found is not None
    return found


def _chosen_output(session: Any, request: EmbedderRequest) -> str:
    outputs = [one for one in session.get_outputs() if one.type in _TYPES]
    names = [one.name for one in outputs]
    if request.output is not None:
        if request.output not in names:
            raise ConfigError(
                f"--embedder-output {request.output}: {request.file} has {', '.join(names)}"
            )
        return request.output
    named = [name for name in names if name.lower().split(":")[0] in EMBEDDING_NAMES]
    if len(named) == 1 or len(names) == 1:
        return (named or names)[0]
    raise ConfigError(
        f"{request.file}: which output holds the vectors is not clear; give --embedder-output, one "
        f"of {', '.join(f'{one.name} {one.shape}' for one in outputs)}"
    )


def _agreed(path: Path, what: str, given: Any, stated: str | None, kind: type) -> Any:
    """What was given, or what the file states; they must not differ."""
    if stated is None:
        return given
    try:
        value = kind(stated)
    except ValueError:
        raise CheckpointError(f"{path}: its metadata state {stated!r} as {what}") from None
    if given is not None and given != value:
        raise ConfigError(f"{path}: its {what} is {value:g}, not {given:g}; leave the option out")
    return value
