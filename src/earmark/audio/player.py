"""Sound for the players of a page: a few seconds of a file as a small MP3 file."""

from pathlib import Path

import numpy as np

from earmark.audio.downmix import Downmix
from earmark.audio.encoding import encode
from earmark.audio.reading import MIN_SECONDS, stream_audio
from earmark.audio.source import Excerpt

MAX_SECONDS = 8.0
BIT_RATE = 32_000


def encode_for_player(
    path: Path,
    start: float,
    end: float | None = None,
    sample_rate: int = 16_000,
    *,
    channel: int | None = None,
) -> bytes:
    """An excerpt of a file as an MP3 file, of at most `MAX_SECONDS`.

    Args:
        path: The file.
        start: Where the excerpt starts, in seconds.
        end: Where it ends, in seconds; by default at the end of the file.
        sample_rate: In Hz; the encoder takes the next higher one that it knows.
        channel: Number of the channel, from 1; by default the mean of all.

    Raises:
        AudioError: The excerpt cannot be read.

    Example:
        >>> import numpy as np, soundfile, tempfile
        >>> path = Path(tempfile.mkdtemp()) / "a.wav"
        >>> soundfile.write(path, np.zeros(480_000), 16_000)
        >>> len(encode_for_player(path, 0.0)) // 1000
        32
    """
    excerpt = Excerpt(start, None if end is None else max(end, start + MIN_SECONDS))
    left, parts = round(MAX_SECONDS * sample_rate), []
    # Read in blocks, since a recording may be long, and may end before its time.
    for block in stream_audio(path, sample_rate, excerpt, downmix=Downmix(channel)):
        parts.append(block[:left])
        left -= len(parts[-1])
        if not left:
            break
    return encode(np.concatenate(parts), sample_rate, "mp3", BIT_RATE)
