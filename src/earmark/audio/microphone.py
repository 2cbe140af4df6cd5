"""Sound that is still coming: from a microphone, or raw samples from another program."""

import queue
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Any

import numpy as np

from earmark.errors import ConfigError, DataError

RAW_TYPES = {"s16le": np.dtype("<i2"), "f32le": np.dtype("<f4")}
"""As FFmpeg names them."""
RAW_BYTES = 1 << 16
BLOCK_SECONDS = 0.05
QUEUED_BLOCKS = 200
"""Ten seconds: what comes while the computer cannot keep up is dropped, and counted."""
PATIENCE_SECONDS = 5
"""A microphone in a quiet room gives blocks too: without any for so long, it is gone."""


def raw_blocks(read: Callable[[int], bytes], kind: str) -> Iterator[np.ndarray]:
    """Mono samples in [-1, 1] of a stream of bytes, as soon as they come.

    Args:
        read: Gives as many bytes as there are, so many at most, and none at the end; such as
            ``sys.stdin.buffer.read1``.
        kind: One of `RAW_TYPES`. A part of a sample at the very end is dropped.
    """
    dtype = RAW_TYPES[kind]
    rest = b""
    while data := read(RAW_BYTES):
        data = rest + data
        whole = len(data) - len(data) % dtype.itemsize
        rest = data[whole:]
        samples = np.frombuffer(data[:whole], dtype).astype(np.float32)
        yield samples * np.float32(2.0**-15) if dtype.kind == "i" else samples


class Microphone:
    """The sound of a microphone, while the context lasts.

    Args:
        sample_rate: In Hz; the system resamples.
        device: Number or part of the name of an input, as ``python -m sounddevice`` lists them; the
            system's choice when it is not given.

    Raises:
        ConfigError: The package sounddevice or its library is missing, or there is no such input.
    """

    def __init__(self, sample_rate: int, device: int | str | None = None) -> None:
        try:
            import sounddevice
        except (ImportError, OSError) as error:  # OSError: PortAudio is not there.
            raise ConfigError(
                f"a microphone needs sounddevice and PortAudio ({error}); install them: "
                "pip install 'earmark[mic]', and on Linux the system's package libportaudio2"
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
                callback=self._take,
            )
        except (sounddevice.PortAudioError, ValueError) as error:
            raise _no_microphone(error) from None
        self._failure = sounddevice.PortAudioError

    @property
    def latency_seconds(self) -> float:
        """From the sound to its samples, as the system tells it."""
        return float(np.max(self._stream.latency))

    def blocks(self) -> Iterator[np.ndarray]:
        """Samples, as they come, without end.

        Raises:
            DataError: No sound has come for `PATIENCE_SECONDS`, or the system has ended the stream.
        """
        while True:
            yield self._next_block()

    def __enter__(self) -> "Microphone":
        try:
            self._stream.start()
        except self._failure as error:
            self._stream.close()
            raise _no_microphone(error) from None
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stream.close()

    def _next_block(self) -> np.ndarray:
        for _ in range(PATIENCE_SECONDS):
            try:
                return self._blocks.get(timeout=1.0)
            except queue.Empty:
                if not self._stream.active:
                    break
        raise DataError(
            "the microphone gives no sound any more; plug it in again, or choose another: "
            "python -m sounddevice lists the inputs"
        )

    def _take(self, samples: np.ndarray, num_frames: int, time: Any, status: Any) -> None:
        """Called by the system, in a thread of its own that must not wait."""
        self.num_dropped += bool(status)
        try:
            # A copy: the system uses its memory again.
            self._blocks.put_nowait(samples[:, 0].copy())
        except queue.Full:
            self.num_dropped += 1


def _no_microphone(error: Exception) -> ConfigError:
    return ConfigError(
        f"no microphone can be opened ({error}); python -m sounddevice lists the inputs"
    )
