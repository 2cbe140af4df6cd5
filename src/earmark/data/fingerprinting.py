"""Fingerprints of clips, computed once for each content."""

import math
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from earmark.audio.isolation import DecoderPool, Job
from earmark.audio.reading import Samples, stream_audio
from earmark.audio.source import Excerpt
from earmark.errors import AudioError
from earmark.features.digests import ContentDigests
from earmark.features.fingerprint_cache import FingerprintCache, KeptFingerprints
from earmark.features.fingerprints import SAMPLE_RATE, Fingerprint, fingerprint
from earmark.features.store import ClipKey
from earmark.system.progress import Reporter
from earmark.system.workers.worker import Send


class _Order(NamedTuple):
    path: Path
    excerpt: Excerpt


def fingerprint_clips(
    files: Mapping[ClipKey, Iterable[Path]],
    cache: FingerprintCache,
    digests: ContentDigests,
    reporter: Reporter,
) -> KeptFingerprints:
    """The fingerprints of clips; those that are kept are not computed again.

    Args:
        files: Each clip with the files that may hold it; the first one that does is decoded.
        cache: Where fingerprints are kept; what `earmark check` has measured is there as well.
        digests: Tells which content a file has.
        reporter: Shows a progress bar, if there is anything to compute.

    Returns:
        Those of the clips for which there is one, or a file to compute it from.
    """
    missing = {
        key: next((path for path in paths if _holds(digests, path, key)), None)
        for key, paths in files.items()
        if cache.get_fingerprint(key) is None
    }
    failed: set[ClipKey] = set()

    def computed(key: ClipKey, parts: Iterator[Fingerprint]) -> Fingerprint | None:
        try:
            found = next(parts, None)
        except AudioError:
            return None
        path = missing[key]
        return found if path and _holds(digests, path, key) else None

    if missing:
        with (
            DecoderPool(_fingerprint) as pool,
            reporter.track("fingerprints", len(missing)) as task,
        ):
            for key, future in pool.map_in_order(computed, missing, lambda key: _job(key, missing)):
                found = future.result()
                if found is None:
                    failed.add(key)
                else:
                    cache.put_fingerprint(key, found)
                task.advance()
    return KeptFingerprints(cache, [key for key in files if key not in failed])


def _holds(digests: ContentDigests, path: Path, key: ClipKey) -> bool:
    """Whether a file still has the content of a clip."""
    try:
        digests.confirm(path, key.digest)
    except AudioError:
        return False
    return True


def _job(key: ClipKey, paths: Mapping[ClipKey, Path | None]) -> Job | None:
    path = paths[key]
    if path is None:
        return None
    end = None if key.end == math.inf else key.end
    return Job(path, _Order(path, Excerpt(key.start, end)))


def _fingerprint(order: _Order, send: Send) -> Fingerprint:
    """Runs in a worker process."""

    def reported() -> Iterator[Samples]:
        for block in stream_audio(order.path, SAMPLE_RATE, order.excerpt):
            send(None)
            yield block

    return fingerprint(reported())
