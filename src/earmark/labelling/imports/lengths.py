"""The lengths of recordings."""

from collections.abc import Iterable, Iterator
from pathlib import Path

from earmark.audio.decoding import AV_EXTENSIONS, open_source
from earmark.audio.isolation import DecoderPool, Job
from earmark.audio.reading import stream_audio
from earmark.errors import AudioError
from earmark.system.progress import Reporter
from earmark.system.workers.worker import Send


def read_lengths(paths: Iterable[Path], reporter: Reporter) -> dict[Path, float | AudioError]:
    """The length of each recording in seconds, or why it cannot be read.

    Args:
        paths: Sound files.
        reporter: Shows progress.
    """
    wanted = sorted(set(paths))
    found: dict[Path, float | AudioError] = {}
    if not wanted:
        return found
    with DecoderPool(measure_seconds) as pool, reporter.track("lengths", len(wanted)) as task:
        for path, future in pool.map_in_order(_received, wanted, lambda one: Job(one, one)):
            task.advance(note=path.name)
            found[path] = future.result()
    return found


def _received(_: Path, parts: Iterator[float]) -> float | AudioError:
    try:
        return next(parts)
    except AudioError as error:
        return error


def measure_seconds(path: Path, _: Send) -> float:
    """The length of a file in seconds; work of a `DecoderPool`.

    What a container declares is an estimate, so it is decoded.

    Args:
        path: The file.

    Raises:
        AudioError: It cannot be decoded.
    """
    with open_source(path) as source:
        rate, seconds = source.sample_rate, source.seconds
    if seconds is not None and path.suffix.lower() not in AV_EXTENSIONS:
        return seconds
    return sum(map(len, stream_audio(path))) / rate
