"""Measurements of all recordings of a data set, each content decoded once."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from earmark.audio.isolation import DecoderPool, Job
from earmark.data.manifest import Manifest
from earmark.data.recording import Recording
from earmark.data.signals.cache import CheckCache, CheckKey
from earmark.data.signals.contents import read_digests
from earmark.data.signals.signal import Measurement, SignalStats, analyze_signal
from earmark.errors import AudioError
from earmark.features.digests import ContentDigests
from earmark.features.store import ClipKey
from earmark.system.progress import Reporter, Task
from earmark.system.workers.worker import Send


class MeasuredRecording(NamedTuple):
    """What is known of a recording that can be read.

    Args:
        stats: Statistics of its signal.
        key: Under which the store keeps its fingerprint, so that memory does not hold all of them.
    """

    stats: SignalStats
    key: ClipKey


Measured = MeasuredRecording | AudioError
"""What is known of a recording, or why it cannot be read."""


def measure_recordings(manifest: Manifest, root: Path, reporter: Reporter) -> dict[str, Measured]:
    """Measures every recording; those that were measured before are not decoded again.

    Args:
        manifest: The data.
        root: Folder of the feature store, where measurements are kept.
        reporter: Shows progress.

    Returns:
        Measurements and errors by the name of the recording, in the order of the data.
    """
    results: dict[str, Measured] = {}
    by_content: dict[CheckKey, list[Recording]] = {}
    with ContentDigests(root) as digests:
        found = read_digests(manifest.recordings, digests, reporter)
        for one in manifest.recordings:
            digest = found[one.name]
            if isinstance(digest, AudioError):
                results[one.name] = digest
            else:
                by_content.setdefault(CheckKey.of(one, digest), []).append(one)
        num_readable = sum(map(len, by_content.values()))
        with CheckCache(root) as cache, reporter.track("check", num_readable) as task:
            results.update(_measure_contents(by_content, cache, digests, task))
    return {one.name: results[one.name] for one in manifest.recordings}


def _measure_contents(
    by_content: dict[CheckKey, list[Recording]],
    cache: CheckCache,
    digests: ContentDigests,
    task: Task,
) -> Iterator[tuple[str, Measured]]:
    """The measurement of each content, for all recordings that have it."""
    unknown: list[Recording] = []
    keys: dict[str, CheckKey] = {}
    for key, recordings in by_content.items():
        kept = cache.get(key)
        if kept:
            task.advance(len(recordings))
            yield from _for_all(recordings, MeasuredRecording(kept.stats, key.clip))
        else:
            unknown.append(recordings[0])
            keys[recordings[0].name] = key

    def measured(recording: Recording, parts: Iterator[Measurement]) -> Measurement | AudioError:
        try:
            measurement = next(parts)
            digests.confirm(recording.path, keys[recording.name].clip.digest)
        except AudioError as error:
            return _without_traceback(error)
        return measurement

    with DecoderPool(_analyze) as pool:
        for recording, future in pool.map_in_order(measured, unknown, _job):
            key, result = keys[recording.name], future.result()
            recordings = by_content[key]
            task.advance(len(recordings), note=recording.name)
            if isinstance(result, Measurement):
                yield from _for_all(recordings, _keep(cache, key, result))
            else:
                yield recording.name, result
                # The message names the file, so each of the equal ones gets its own.
                for one in recordings[1:]:
                    keys[one.name] = key
                    yield one.name, _keep(cache, key, measured(one, pool.stream(_job(one))))


def _keep(cache: CheckCache, key: CheckKey, result: Measurement | AudioError) -> Measured:
    if isinstance(result, AudioError):
        return result
    cache.put(key, result)
    return MeasuredRecording(result.stats, key.clip)


def _for_all(recordings: list[Recording], result: Measured) -> Iterator[tuple[str, Measured]]:
    return ((one.name, result) for one in recordings)


def _job(recording: Recording) -> Job:
    return Job(recording.path, recording)


def _analyze(recording: Recording, send: Send) -> Measurement:
    """Runs in a worker process."""
    return analyze_signal(recording, on_block=lambda: send(None))


def _without_traceback(error: AudioError) -> AudioError:
    # It would keep alive what decoding held, resamplers among them, to the end of the program.
    error.__context__ = None
    return error.with_traceback(None)
