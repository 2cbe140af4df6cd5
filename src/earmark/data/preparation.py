"""From recordings to stored features: many at once, a bad one never costs the others."""

import functools
import logging
import math
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import loky
import threadpoolctl

from earmark.audio.decoding import AV_EXTENSIONS, WHOLE, Excerpt
from earmark.config import FeatureConfig
from earmark.data.manifest import Recording
from earmark.errors import AudioError, FailedFile
from earmark.features.log_mel import Features, LogMel, extract
from earmark.features.store import ContentDigests, FeatureStore
from earmark.system.memory import keep_freed_memory
from earmark.system.parallel import default_num_workers, map_in_order
from earmark.system.progress import SILENT, Reporter

logger = logging.getLogger(__name__)

PROCESSES_FROM_BYTES = 8_000_000
"""So much for PyAV pays for starting processes, which takes about a second."""

Extractor = Callable[[Recording], Features]


@dataclass(frozen=True)
class Prepared:
    """What `prepare` did: the store key of each usable recording, by name, and the others."""

    keys: dict[str, str]
    skipped: tuple[FailedFile, ...]
    num_computed: int


class ContentSet:
    """Stretches of sound, told apart by their content.

    Args:
        keys: Store keys.

    Example:
        >>> trained = ContentSet(["aa@0.0-5.0", "bb"])
        >>> "aa@4.0-9.0" in trained, "aa@5.0-9.0" in trained, "bb@1.0-2.0" in trained
        (True, False, True)
    """

    def __init__(self, keys: Iterable[str]) -> None:
        self._stretches: dict[str, list[tuple[float, float]]] = defaultdict(list)
        for key in keys:
            digest, start, end = _parse_key(key)
            self._stretches[digest].append((start, end))

    def __contains__(self, key: str) -> bool:
        """Whether any of the sound of a clip is in the set."""
        digest, start, end = _parse_key(key)
        known = self._stretches.get(digest, ())
        return any(start < other_end and other_start < end for other_start, other_end in known)


def _make_key(digest: str, excerpt: Excerpt) -> str:
    return digest if excerpt == WHOLE else f"{digest}@{excerpt.start}-{excerpt.end}"


def _parse_key(key: str) -> tuple[str, float, float]:
    digest, _, stretch = key.partition("@")
    start, _, end = stretch.rpartition("-")
    return digest, float(start or 0.0), math.inf if end in ("", "None") else float(end)


def prepare(
    recordings: Sequence[Recording],
    store: FeatureStore,
    *,
    num_workers: int | None = None,
    reporter: Reporter = SILENT,
) -> Prepared:
    """Computes and stores the features that are not stored yet.

    A recording that fails is named and skipped; the others go on. Interrupted work goes on where
    it stopped, because clips count one by one.

    Args:
        recordings: What to prepare.
        store: Where to.
        num_workers: How many at once; as many as there are processors when it is not given.
        reporter: Told of progress and of each failure.
    """
    keep_freed_memory()
    num_workers = num_workers or default_num_workers()
    keys: dict[str, str] = {}
    skipped: list[FailedFile] = []
    pace = _Pace()
    cancel = threading.Event()
    with (
        ContentDigests(store.root) as digests,
        _extractor(recordings, store.config, num_workers, cancel) as extractor,
        store.writer() as writer,
        reporter.track("features", len(recordings)) as task,
    ):
        work = functools.partial(_work, digests, store, extractor)
        for recording, future in map_in_order(work, recordings, num_workers, cancel=cancel):
            try:
                key, extracted = future.result()
            except AudioError as error:
                skipped.append(FailedFile(recording.name, str(error)))
                logger.warning(f"skipped: {error}")
            else:
                keys[recording.name] = key
                if extracted is not None:
                    writer.append(key, extracted.frames)
                    pace.add(extracted.duration_seconds)
            task.advance(note=str(pace))
    if pace.num_clips:
        logger.info(f"features: {pace.num_clips} clips, {pace}")
    return Prepared(keys, tuple(skipped), pace.num_clips)


def _work(
    digests: ContentDigests, store: FeatureStore, extractor: Extractor, recording: Recording
) -> tuple[str, Features | None]:
    key = _make_key(digests.digest(recording.path), recording.excerpt)
    return key, None if key in store else extractor(recording)


@contextmanager
def _extractor(
    recordings: Sequence[Recording],
    config: FeatureConfig,
    num_workers: int,
    cancel: threading.Event,
) -> Iterator[Extractor]:
    """What extracts a recording: here, or in a process when PyAV, which holds the lock, decodes."""
    log_mel = LogMel(config)
    alone = len(recordings) == 1 and num_workers > 1

    def here(recording: Recording) -> Features:
        return extract(recording.path, log_mel, recording.excerpt, pipelined=alone, cancel=cancel)

    # Each worker is a thread already; more of them inside the matrix product would only wait.
    with threadpoolctl.threadpool_limits(1, "blas"):
        num_bytes = sum(one.path.stat().st_size for one in recordings if _needs_av(one))
        if alone or num_workers == 1 or num_bytes < PROCESSES_FROM_BYTES:
            yield here
            return
        with loky.ProcessPoolExecutor(num_workers) as pool:

            def anywhere(recording: Recording) -> Features:
                if _needs_av(recording):
                    return pool.submit(_extract_in_process, config, recording).result()
                return here(recording)

            yield anywhere


def _needs_av(recording: Recording) -> bool:
    return recording.path.suffix.lower() in AV_EXTENSIONS and recording.path.is_file()


def _extract_in_process(config: FeatureConfig, recording: Recording) -> Features:
    keep_freed_memory()
    return extract(recording.path, _front_end(config), recording.excerpt)


_front_end = functools.lru_cache(maxsize=1)(LogMel)


class _Pace:
    """Clips and seconds of sound done, and how many seconds in a second."""

    def __init__(self) -> None:
        self._started_at = time.monotonic()
        self._seconds = 0.0
        self.num_clips = 0

    def add(self, seconds: float) -> None:
        self._seconds += seconds
        self.num_clips += 1

    def __str__(self) -> str:
        elapsed = max(time.monotonic() - self._started_at, 1e-3)
        return f"{self._seconds:,.0f} s of sound, {self._seconds / elapsed:,.0f} in a second"
