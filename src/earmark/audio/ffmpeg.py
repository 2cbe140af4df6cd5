"""Sound decoded by FFmpeg, through PyAV."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from earmark.audio.source import BLOCK_SECONDS, Excerpt, Source
from earmark.errors import AudioError

if TYPE_CHECKING:
    import av  # Elsewhere for the files that need it: it takes a tenth of a command's start.

# A playlist or a network address inside a file must not make the decoder open other files.
_AV_OPTIONS = {
    "protocol_whitelist": "file",
    "format_whitelist": "mov,matroska,webm,asf,aac,mp3,ogg,wav,flac,aiff,au,caf",
}


@contextmanager
def ffmpeg_source(path: Path) -> Iterator[Source]:
    """Opens a file with PyAV.

    Raises:
        AudioError: It is not a sound file that FFmpeg knows, or contains no audio stream.
    """
    import av

    undecodable = AudioError(
        f"{path}: not a sound file that soundfile or PyAV can decode; convert it or leave it out"
    )
    try:
        # Absolute, because FFmpeg takes a name such as 12:30.m4a for a network address.
        container = av.open(str(path.absolute()), options=_AV_OPTIONS, metadata_errors="replace")
    except (av.error.FFmpegError, ValueError):
        raise undecodable from None
    with container:
        if not container.streams.audio:
            raise AudioError(f"{path}: contains no audio stream; leave it out")
        stream = container.streams.audio[0]
        # FFmpeg may open a file whose codec it does not know; PyAV then lacks the attributes.
        rate, channels = getattr(stream, "rate", None), getattr(stream, "channels", None)
        if not rate or not channels:
            raise undecodable
        codec = f"{container.format.name.split(',')[0]} {stream.codec_context.name}"
        yield Source(rate, channels, lambda excerpt: _av_blocks(container, excerpt), codec)


def _av_blocks(container: "av.container.InputContainer", excerpt: Excerpt) -> Iterator[np.ndarray]:
    stream = container.streams.audio[0]
    rate = stream.rate
    first = round(excerpt.start * rate)
    last = None if excerpt.end is None else round(excerpt.end * rate)
    position = 0
    for block in _native_blocks(container, round(BLOCK_SECONDS * rate)):
        kept = block[max(first - position, 0) : None if last is None else last - position]
        position += len(block)
        if len(kept):
            yield kept
        if last is not None and position >= last:
            return


def _native_blocks(
    container: "av.container.InputContainer", num_samples: int
) -> Iterator[np.ndarray]:
    """Blocks of at least a number of samples: the codec's own are too short to process singly."""
    import av

    # Packed: PyAV reads past the end of its table of planes when there are more than 8 channels.
    converter = av.AudioResampler(format="flt")
    waiting: list[np.ndarray] = []
    for decoded in container.decode(container.streams.audio[0]):
        decoded.pts = None  # Without time stamps, gaps between them are no error.
        waiting += [
            frame.to_ndarray().reshape(-1, frame.layout.nb_channels)
            for frame in converter.resample(decoded)
        ]
        if sum(map(len, waiting)) >= num_samples:
            yield np.concatenate(waiting)
            waiting.clear()
    if waiting:
        yield np.concatenate(waiting)
