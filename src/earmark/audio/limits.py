"""How much sound of a file is decoded, for files of strangers."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from earmark.audio.downmix import Downmix, Samples
from earmark.errors import AudioError

BYTES_PER_VALUE = 4


class SoundLimits(NamedTuple):
    """What a file may hold. A small file may declare, and decode to, hours.

    Args:
        seconds: Longest sound.
        num_bytes: Most bytes of decoded samples, of all channels at the file's own rate.
    """

    seconds: float
    num_bytes: int


def within(
    limits: SoundLimits, path: Path, blocks: Iterable[Samples], sample_rate: int, downmix: Downmix
) -> Iterator[Samples]:
    """The same blocks, as long as they keep to the limits.

    Args:
        limits: What the file may hold.
        path: The file, for messages.
        blocks: From `earmark.audio.reading.stream_audio`.
        sample_rate: Their rate, in Hz.
        downmix: What the blocks come through.

    Raises:
        AudioError: The file holds more, with the fault ``limit``.
    """
    num_samples = 0
    for block in blocks:
        num_samples += len(block)
        if num_samples > limits.seconds * sample_rate:
            raise AudioError(f"{path}: longer than {limits.seconds:g} s; split it", "limit")
        if downmix.num_values * BYTES_PER_VALUE > limits.num_bytes:
            raise AudioError(
                f"{path}: more than {limits.num_bytes:,} bytes when decoded; split it, or save it "
                "with fewer channels or a lower sample rate",
                "limit",
            )
        yield block
