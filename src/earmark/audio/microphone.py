"""Live sound: from a microphone, or raw samples from another program."""

import queue
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Any

import numpy as np

from earmark.errors import ConfigError, DataError, needs_extra

RAW_FORMATS = {"s16le": np.dtype("<i2"), "f32le": np.dtype("<f4")}
"""Sample formats, as FFmpeg names them."""
RAW_BYTES = 1 << 16
BLOCK_SECONDS = 0.05
QUEUED_BLOCKS = 200
"""Ten seconds. Blocks that arrive while the queue is full are dropped, and counted."""
TIMEOUT_SECONDS = 5
"""Without a block for this long, the microphone is gone; a quiet room still gives blocks."""


def raw_blocks(read: Callable[[int], bytes], sample_format: str) -> Iterator[np.ndarray]:
    """Converts a stream of bytes to mono samples in [-1, 1], without delay.

    Args:
        read: Returns the bytes available, at most as many as asked for, and none at the end;
            such as ``sys.stdin.buffer.read1``.
        sample_format: One of `RAW_FORMATS`. An incomplete sample at the end is dropped.
    """
    dtype = RAW_FORMATS[sample_format]
    rest = b""
    while data := read(RAW_BYTES):
        data = rest + data
        whole = len(data) - len(data) % dtype.itemsize
        rest = data[whole:]
        samples = np.frombuffer(data[:whole], dtype).astype(np.float32)
        yield samples * np.float32(2.0**-15) if dtype.kind == "i" else samples


class Microphone:
    """Records a microphone while the context is open.

    Args:
        sample_rate: In Hz; the system resamples.
        device: Number of an input or part of its name, as ``python -m sounddevice`` lists them;
            by default the system's choice.

    Raises:
        MissingExtraError: The package sounddevice is missing.
        ConfigError: The library PortAudio is missing, or there is no such input.
    """

    def __init__(self, sample_rate: int, device: int | str | None = None) -> None:
        try:
            with needs_extra("a microphone"):
                import sounddevice
        except OSError as error:
            raise ConfigError(
                f"a microphone needs PortAudio ({error}); on Linux, install the system's package "
                "libportaudio2"
            ) from None
        self.num_dropped = 0
        self._blocks: queue.Queue[np.ndarray] = queue.Queue(QUEUED_BLOCKS)
        try:
            self._stream = sounddevice.InputStream(
                samplerate=sample_rate,
                blocksize=round(BLOCK_SECONDS * sample_rate),
                device=device,
                channels=1,
                dtype="float32",
                callback=self._enqueue,
            )
        except (sounddevice.PortAudioError, ValueError) as error:
            raise _no_microphone(error) from None
        self._error_type = sounddevice.PortAudioError

    @property
    def latency_seconds(self) -> float:
        """Delay from the sound to its samples, as the system reports it."""
        return float(np.max(self._stream.latency))

    def blocks(self) -> Iterator[np.ndarray]:
        """Yields samples as they arrive, without end.

        Raises:
            DataError: No block arrived for `TIMEOUT_SECONDS`, or the system has ended the stream.
        """
        while True:
            yield self._next_block()

    def __enter__(self) -> "Microphone":
        try:
            self._stream.start()
        except self._error_type as error:
            self._stream.close()
            raise _no_microphone(error) from None
        return self

    def __exit__(
        self,
        error_type: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stream.close()

    def _next_block(self) -> np.ndarray:
        for _ in range(TIMEOUT_SECONDS):
            try:
                return self._blocks.get(timeout=1.0)
            except queue.Empty:
                if not self._stream.active:
                    break
        raise DataError(
            "no more input from the microphone; plug it in again, or choose another one (python -m "
            "sounddevice lists the inputs)"
        )

    def _enqueue(self, samples: np.ndarray, num_frames: int, time: Any, status: Any) -> None:
        """Called by the system in its own thread, which must not block."""
        self.num_dropped += bool(status)
        try:
            # A copy: the system reuses its buffer.
            self._blocks.put_nowait(samples[:, 0].copy())
        except queue.Full:
            self.num_dropped += 1


def _no_microphone(error: Exception) -> ConfigError:
    return ConfigError(
        f"cannot open a microphone ({error}); python -m sounddevice lists the inputs"
    )
