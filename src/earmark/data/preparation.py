"""From recordings to clips: their features computed in parallel and stored."""

import logging
import time
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import Executor, Future
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from earmark.audio.isolation import DecoderPool, Job
from earmark.audio.problems import FileProblems
from earmark.config import FeatureConfig, TrainConfig
from earmark.data.content import Clip, ContentSet
from earmark.data.manifest import Manifest
from earmark.data.recording import Recording
from earmark.errors import AudioError, FailedFile
from earmark.features.digests import ContentDigests
from earmark.features.engine import FeatureRequest, Found, extract_on
from earmark.features.extraction import extraction_job, extraction_pool
from earmark.features.log_mel import Features, join_features
from earmark.features.store import ClipKey, FeatureStore
from earmark.features.vectors import make_front_end, require_embedder
from earmark.system.parallel import default_num_workers, map_in_order
from earmark.system.progress import SILENT, Reporter

if TYPE_CHECKING:
    from earmark.system.runtime import Runtime

logger = logging.getLogger(__name__)

HASHED_AT_ONCE = 8
"""Files for which a thread computes digests at a time."""


@dataclass(frozen=True)
class Prepared:
    """The recordings whose features are stored, and those that failed.

    Args:
        keys: Name of each usable recording to the key of its features.
        skipped: The other recordings, with their errors.
        num_computed: Clips whose features were not stored before.
        store: Folder of the store.
    """

    keys: dict[str, ClipKey]
    skipped: tuple[FailedFile, ...]
    num_computed: int
    store: Path

    def __repr__(self) -> str:
        return (
            f"Prepared({len(self.keys)} clips, {self.num_computed} of them new, "
            f"{len(self.skipped)} files skipped, in {self.store})"
        )

    def to_dict(self) -> dict[str, Any]:
        """What ``prepare --json`` prints."""
        return {
            "num_clips": len(self.keys),
            "num_computed": self.num_computed,
            "store": str(self.store),
            "skipped": [one.to_dict() for one in self.skipped],
        }


def prepare_recordings(
    recordings: Sequence[Recording],
    store: FeatureStore,
    *,
    num_workers: int | None = None,
    verify: bool = False,
    executor: Executor | None = None,
    reporter: Reporter = SILENT,
) -> Prepared:
    """Computes and stores the features that are not stored yet, or are damaged.

    A recording that fails, or whose decoder crashes, is logged and skipped. Each clip is stored by
    itself, so interrupted work goes on where it stopped.

    Args:
        recordings: What to prepare.
        store: Where to.
        num_workers: Processes; as many as there are processors when not given.
        verify: Read every file again, whatever its size and times, and compute again what has no
            checksum.
        executor: Where to compute; this process identifies the files and stores the features. By
            default in processes of this machine.
        reporter: Shows a progress bar.

    Raises:
        CheckpointError: As `require_embedder`.
    """
    require_embedder(make_front_end(store.config))
    num_workers = num_workers or default_num_workers()
    keys: dict[str, ClipKey] = {}
    skipped: list[FailedFile] = []
    pace = _Pace()
    with (
        ContentDigests(store.root, verify=verify) as digests,
        closing(_keyed(recordings, digests, num_workers)) as keyed,
        extraction_pool(store.config) as pool,
        store.writer() as writer,
        FileProblems() as problems,
        reporter.track("features", len(recordings)) as task,
    ):
        # Threads within a file help a single one; among several files they would compete.
        work = _Work(
            digests,
            store.verify if verify else store.__contains__,
            pool,
            pipelined=len(recordings) == 1 < num_workers,
        )
        if executor is None:
            results = pool.map_in_order(work.receive, keyed, work.job, num_workers)
        else:
            results = _extract_on(executor, keyed, work, store.config)
        for one, future in results:
            try:
                key, computed = work.result(one, future)
            except AudioError as error:
                skipped.append(FailedFile(one.recording.name, str(error), error.fault))
                problems.add_skipped(str(error), error.fault)
            else:
                keys[one.recording.name] = key
                if computed is not None:
                    problems.add_notes(one.recording.path, computed.notes)
                    writer.append(key, computed.frames)
                    pace.add(computed.duration_seconds)
            task.advance(note=str(pace))
    if pace.num_clips:
        logger.info(f"features: {pace.num_clips} clips, {pace}")
    return Prepared(keys, tuple(skipped), pace.num_clips, store.root)


def prepare_once(
    recordings: Sequence[Recording], store: FeatureStore, runtime: "Runtime"
) -> Prepared:
    """Features of recordings: the first process computes them, the others wait and read."""
    with runtime.main_first():
        if not runtime.is_main:
            store.refresh()
        return prepare_recordings(recordings, store, reporter=runtime.reporter)


def usable_clips(manifest: Manifest, prepared: Prepared, split: str | None = None) -> list[Clip]:
    """The recordings of a split, or of all, that have features, in the order of the manifest."""
    return [
        Clip(one.name, prepared.keys[one.name], manifest.targets(one), one.group)
        for one in (manifest.split(split) if split else manifest.recordings)
        if one.name in prepared.keys
    ]


def training_clips(
    manifest: Manifest, prepared: Prepared, config: TrainConfig
) -> dict[str, list[Clip]]:
    """The usable clips of the training split and, unless it trains too, of the validation split.

    Clips whose content is trained on are left out of validation.
    """
    train = usable_clips(manifest, prepared, "train")
    if config.trains_on_validation:
        return {"train": train}
    validation = usable_clips(manifest, prepared, "validation")
    trained = ContentSet(clip.key for clip in train)
    for clip in validation:
        if clip.key in trained:
            logger.warning(f"left out of validation: {clip.name} is in the training split too")
    return {"train": train, "validation": [one for one in validation if one.key not in trained]}


class _Keyed(NamedTuple):
    """A recording and its key, or why it has none."""

    recording: Recording
    key: ClipKey | AudioError


def _keyed(
    recordings: Sequence[Recording], digests: ContentDigests, num_workers: int
) -> Generator[_Keyed, None, None]:
    """Recordings with their keys, in order; the files are hashed in threads."""

    def key(recording: Recording) -> _Keyed:
        try:
            digest = digests.digest(recording.path)
        except AudioError as error:
            return _Keyed(recording, error)
        return _Keyed(recording, ClipKey.of(digest, recording.excerpt))

    starts = range(0, len(recordings), HASHED_AT_ONCE)
    batches = (recordings[start : start + HASHED_AT_ONCE] for start in starts)
    for _, future in map_in_order(lambda batch: list(map(key, batch)), batches, num_workers):
        yield from future.result()


def _extract_on(
    executor: Executor, keyed: Iterator[_Keyed], work: "_Work", config: FeatureConfig
) -> Iterator[tuple[_Keyed, Future[Features | None]]]:
    """As `DecoderPool.map_in_order`, on the workers of an executor."""
    waiting: deque[_Keyed] = deque()

    def requests() -> Iterator[FeatureRequest]:
        for one in keyed:
            waiting.append(one)
            yield work.request(one)

    for found in extract_on(executor, config, requests()):
        one = waiting.popleft()
        future: Future[Features | None] = Future()
        try:
            future.set_result(work.receive(one, _parts(one.recording.path, found)))
        except AudioError as error:
            future.set_exception(error)
        yield one, future


def _parts(path: Path, found: Found) -> Iterator[Features]:
    """What a worker found for a file, which it knows by its absolute path."""
    if isinstance(found, AudioError):
        raise AudioError(str(found).replace(str(path.absolute()), str(path)), found.fault)
    if found is not None:
        yield found


class _Work:
    """What workers do for recordings: features that are not stored, once for each content."""

    def __init__(
        self,
        digests: ContentDigests,
        is_stored: Callable[[ClipKey], bool],
        pool: DecoderPool,
        *,
        pipelined: bool,
    ) -> None:
        self._digests, self._is_stored = digests, is_stored
        self._pool, self._pipelined = pool, pipelined
        self._stored: set[ClipKey] = set()
        self._asked: set[ClipKey] = set()

    def job(self, one: _Keyed) -> Job | None:
        """The extraction, unless the features are stored or have been asked for."""
        return self._extraction(one.recording) if self._asks(one.key) else None

    def request(self, one: _Keyed) -> FeatureRequest:
        """As `job`, for a worker of an executor."""
        path = one.recording.path if self._asks(one.key) else None
        return FeatureRequest(path, one.recording.excerpt)

    def _asks(self, key: ClipKey | AudioError) -> bool:
        if isinstance(key, AudioError) or key in self._stored or key in self._asked:
            return False
        if self._is_stored(key):
            self._stored.add(key)
            return False
        self._asked.add(key)
        return True

    def receive(self, one: _Keyed, parts: Iterator[Features]) -> Features | None:
        """The features in one piece, if there are any.

        Raises:
            AudioError: The recording cannot be read, or has changed meanwhile.
        """
        if isinstance(one.key, AudioError):
            raise one.key
        received = list(parts)
        if not received:
            return None
        self._digests.confirm(one.recording.path, one.key.digest)
        return join_features(received)

    def result(
        self, one: _Keyed, future: Future[Features | None]
    ) -> tuple[ClipKey, Features | None]:
        """The key of a recording, and its features if they are new.

        Raises:
            AudioError: As `receive`.
        """
        features, key = future.result(), one.key
        assert isinstance(key, ClipKey)
        if features is None and key not in self._stored:
            # Another file of equal content failed; the error of this one names this one.
            features = self.receive(one, self._pool.stream(self._extraction(one.recording)))
        if features is not None:
            self._stored.add(key)
        return key, features

    def _extraction(self, recording: Recording) -> Job:
        return extraction_job(recording.path, recording.excerpt, pipelined=self._pipelined)


class _Pace:
    """Clips and seconds of sound done, and the speed."""

    def __init__(self) -> None:
        self._started_at = time.monotonic()
        self._seconds = 0.0
        self.num_clips = 0

    def add(self, seconds: float) -> None:
        self._seconds += seconds
        self.num_clips += 1

    def __str__(self) -> str:
        elapsed = max(time.monotonic() - self._started_at, 1e-3)
        return f"{self._seconds:,.0f} s of sound, {self._seconds / elapsed:,.0f} times real time"
