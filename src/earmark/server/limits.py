"""What the service takes from strangers."""

from dataclasses import dataclass, field

from earmark.audio.limits import SoundLimits
from earmark.system.parallel import default_num_workers


def default_workers() -> int:
    """One more than the processors: while one waits for the network, another decodes."""
    return default_num_workers() + 1


@dataclass(frozen=True)
class Limits:
    """Bounds on everything that a client can make large or slow.

    Args:
        body_bytes: Of the body of a request.
        files: In a request.
        sound_seconds: Of a file.
        decoded_bytes: Of the samples of a file, all channels at its own rate.
        request_seconds: From the first byte of a request to its answer; the queue included.
        queue: Requests that are uploaded, wait or are predicted at the same time.
        streams: Live streams at the same time.
        idle_seconds: How long a live stream may be silent.
        workers: Processes that decode, and files that are predicted at the same time.
        worker_bytes: Memory that each of them may take.
    """

    body_bytes: int = 100_000_000
    files: int = 32
    sound_seconds: float = 3600.0
    decoded_bytes: int = 4_000_000_000
    request_seconds: float = 60.0
    queue: int = 64
    streams: int = 16
    idle_seconds: float = 30.0
    workers: int = field(default_factory=default_workers)
    worker_bytes: int = 1 << 30

    @property
    def sound(self) -> SoundLimits:
        """Those that the decoder keeps to."""
        return SoundLimits(self.sound_seconds, self.decoded_bytes)
