"""Fingerprints of clips, computed once for each content."""

import contextlib
import itertools
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from earmark.audio.downmix import Block
from earmark.audio.isolation import DecoderPool, Job
from earmark.audio.reading import stream_audio
from earmark.audio.source import Excerpt
from earmark.errors import AudioError
from earmark.features.digests import ContentDigests
from earmark.features.fingerprint_cache import FingerprintCache, KeptFingerprints
from earmark.features.fingerprints import SAMPLE_RATE, Fingerprint, fingerprint
from earmark.features.store import ClipKey
from earmark.system.progress import Reporter
from earmark.system.worker import Send


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
    if missing:
        with (
            DecoderPool(_compute) as pool,
            reporter.track("fingerprints", len(missing)) as task,
        ):
            work = _Work(files, digests, pool)
            for key, future in pool.map_in_order(work.receive, missing, work.job):
                try:
                    cache.put_fingerprint(key, future.result())
                except AudioError:
                    failed.add(key)
                task.advance()
    return KeptFingerprints(cache, [key for key in files if key not in failed])


class _Order(NamedTuple):
    path: Path
    excerpt: Excerpt


class _Work:
    """What workers do for clips."""

    def __init__(
        self,
        files: Mapping[ClipKey, Iterable[Path]],
        digests: ContentDigests,
        pool: DecoderPool,
    ) -> None:
        self._files, self._digests, self._pool = files, digests, pool
        self._asked: dict[ClipKey, tuple[Job | None, Iterator[Job]]] = {}

    def job(self, key: ClipKey) -> Job | None:
        """The work on the first file that has the content, if there is one."""
        jobs = self._jobs(key)
        self._asked[key] = next(jobs, None), jobs
        return self._asked[key][0]

    def receive(self, key: ClipKey, parts: Iterator[Fingerprint]) -> Fingerprint:
        """The fingerprint, if need be of another file that has the content.

        Raises:
            AudioError: None has it any more, or none can be read.
        """
        first, others = self._asked.pop(key)
        for job in filter(None, itertools.chain([first], others)):
            with contextlib.suppress(AudioError):
                found = next(parts if job is first else self._pool.stream(job))
                self._digests.confirm(job.path, key.digest)
                return found
        raise AudioError(f"{key}: no file has this content any more", "missing")

    def _jobs(self, key: ClipKey) -> Iterator[Job]:
        excerpt = Excerpt(key.start, None if key.end == float("inf") else key.end)
        for path in self._files[key]:
            with contextlib.suppress(AudioError):
                self._digests.confirm(path, key.digest)
                yield Job(path, _Order(path, excerpt))


def _compute(order: _Order, send: Send) -> Fingerprint:
    """Runs in a worker process."""

    def blocks() -> Iterator[Block]:
        for block in stream_audio(order.path, SAMPLE_RATE, order.excerpt):
            send(None)
            yield block

    return fingerprint(blocks())
