"""Sample rates and lengths of files, read from their headers once for each content."""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from earmark.audio.decoding import open_source
from earmark.audio.isolation import DecoderPool, Job
from earmark.data.recording import Recording
from earmark.data.signals.cache import CHECK_VERSION, CheckCache
from earmark.errors import AudioError
from earmark.system.progress import Reporter
from earmark.system.workers.worker import Send


class Header(NamedTuple):
    """What is known of a file without decoding it.

    Args:
        sample_rate: In Hz.
        seconds: Length, which a container may only estimate; None if only decoding tells.
    """

    sample_rate: int
    seconds: float | None


def read_headers(
    recordings: Sequence[Recording],
    digests: Mapping[str, str],
    cache: CheckCache,
    reporter: Reporter,
) -> dict[str, Header]:
    """The headers of the files of recordings; a file that cannot be opened has none.

    Args:
        recordings: Those with a digest.
        digests: Content of the file, by the name of the recording.
        cache: Where headers are kept.
        reporter: Shows progress, if there is anything to read.
    """
    names = {one.name: _key(one, digests[one.name]) for one in recordings}
    first = {names[one.name]: one for one in reversed(recordings)}
    found = {key: header for key in first if (header := _kept(cache, key))}
    unknown = [key for key in first if key not in found]
    if unknown:
        with DecoderPool(_read) as pool, reporter.track("headers", len(unknown)) as task:
            work = pool.map_in_order(_received, unknown, lambda key: _job(first[key]))
            for key, future in work:
                task.advance(note=first[key].name)
                if header := future.result():
                    found[key] = header
                    cache.keep(key, json.dumps(header).encode())
    return {name: found[key] for name, key in names.items() if key in found}


def _key(recording: Recording, digest: str) -> str:
    # How a file is opened depends on its suffix.
    return f"header|{CHECK_VERSION}|{recording.path.suffix.lower()}|{digest}"


def _kept(cache: CheckCache, key: str) -> Header | None:
    content = cache.read(key)
    return None if content is None else Header(*json.loads(content))


def _job(recording: Recording) -> Job:
    return Job(recording.path, recording.path)


def _received(_: str, parts: Iterator[Header]) -> Header | None:
    try:
        return next(parts)
    except AudioError:
        return None


def _read(path: Path, _: Send) -> Header:
    """Runs in a worker process."""
    with open_source(path) as source:
        return Header(source.sample_rate, source.seconds)
