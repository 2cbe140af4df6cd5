"""Fingerprints of clips, computed once for each content."""

import threading
from collections.abc import Iterable, Mapping
from pathlib import Path

import threadpoolctl

from earmark.audio.reading import stream_audio
from earmark.audio.source import Excerpt
from earmark.errors import AudioError
from earmark.features.digests import ContentDigests
from earmark.features.fingerprint_cache import FingerprintCache, KeptFingerprints
from earmark.features.fingerprints import SAMPLE_RATE, Fingerprint, fingerprint
from earmark.features.store import ClipKey
from earmark.system.parallel import map_in_order
from earmark.system.progress import Reporter


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
    missing = [key for key in files if cache.get_fingerprint(key) is None]
    failed: set[ClipKey] = set()
    cancel = threading.Event()

    def compute(key: ClipKey) -> Fingerprint:
        return _compute(key, files[key], digests, cancel)

    if missing:
        # The clips are done in parallel; threads inside the matrix products would only wait.
        with (
            threadpoolctl.threadpool_limits(1, "blas"),
            reporter.track("fingerprints", len(missing)) as task,
        ):
            for key, future in map_in_order(compute, missing, cancel=cancel):
                try:
                    cache.put_fingerprint(key, future.result())
                except AudioError:
                    failed.add(key)
                task.advance()
    return KeptFingerprints(cache, [key for key in files if key not in failed])


def _compute(
    key: ClipKey, paths: Iterable[Path], digests: ContentDigests, cancel: threading.Event
) -> Fingerprint:
    excerpt = Excerpt(key.start, None if key.end == float("inf") else key.end)
    for path in paths:
        try:
            digests.confirm(path, key.digest)
            found = fingerprint(stream_audio(path, SAMPLE_RATE, excerpt, cancel=cancel))
            digests.confirm(path, key.digest)
        except AudioError:
            continue
        return found
    raise AudioError(f"{key}: no file has this content any more", "missing")
