"""From recordings to clips: their features computed in parallel and stored."""

import functools
import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import loky
import threadpoolctl

from earmark.audio.decoding import AV_EXTENSIONS
from earmark.audio.source import HARMFUL_NOTES
from earmark.config import Config, FeatureConfig, TrainConfig, as_config
from earmark.data.content import Clip, ContentSet
from earmark.data.manifest import Manifest, read_manifest
from earmark.data.recording import Recording
from earmark.errors import AudioError, FailedFile
from earmark.features.band import find_band
from earmark.features.digests import ContentDigests
from earmark.features.log_mel import Features, LogMel, extract
from earmark.features.store import ClipKey, FeatureStore
from earmark.system.parallel import default_num_workers, map_in_order
from earmark.system.progress import SILENT, Reporter

if TYPE_CHECKING:
    from earmark.system.runtime import Runtime

logger = logging.getLogger(__name__)

PROCESSES_FROM_BYTES = 8_000_000
"""Size of the files for PyAV from which starting processes, about a second, pays off."""

Extractor = Callable[[Recording], Features]


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


def prepare(
    data: Path | str | Manifest,
    config: Config | Path | str | None = None,
    *,
    store: Path | str | None = None,
    num_workers: int | None = None,
    verify: bool = False,
    reporter: Reporter = SILENT,
) -> Prepared:
    """Computes the features of a data set, as far as they are not stored yet.

    Args:
        data: What `read_manifest` takes.
        config: All settings, of which the front end's count; the defaults when not given.
        store: Folder of the feature store; the shared one when not given.
        num_workers: Threads; as many as there are processors when not given.
        verify: As for `prepare_recordings`.
        reporter: Shows a progress bar.

    Raises:
        DataError: The data set cannot be read.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> from earmark.data.demo import demo_data
        >>> with demo_data() as folder, TemporaryDirectory() as store:
        ...     prepare(folder, store=store).num_computed
        130
    """
    manifest = read_manifest(data)
    features = as_config(config).features
    opened = FeatureStore(store, features)
    if band := find_band([one.path for one in manifest.recordings], features):
        logger.info(f"note: {band}")
    return prepare_recordings(
        manifest.recordings, opened, num_workers=num_workers, verify=verify, reporter=reporter
    )


def prepare_recordings(
    recordings: Sequence[Recording],
    store: FeatureStore,
    *,
    num_workers: int | None = None,
    verify: bool = False,
    reporter: Reporter = SILENT,
) -> Prepared:
    """Computes and stores the features that are not stored yet, or are damaged.

    A recording that fails is logged and skipped. Each clip is stored by itself, so interrupted
    work goes on where it stopped.

    Args:
        recordings: What to prepare.
        store: Where to.
        num_workers: Threads; as many as there are processors when not given.
        verify: Read every file again, whatever its size and times, and compute again what has no
            checksum.
        reporter: Shows a progress bar.
    """
    num_workers = num_workers or default_num_workers()
    keys: dict[str, ClipKey] = {}
    skipped: list[FailedFile] = []
    pace = _Pace()
    cancel = threading.Event()
    with (
        ContentDigests(store.root, verify=verify) as digests,
        _extractor(recordings, store.config, num_workers, cancel) as extractor,
        store.writer() as writer,
        reporter.track("features", len(recordings)) as task,
    ):
        is_stored = store.verify if verify else store.__contains__
        work = _Work(digests, is_stored, extractor)
        for recording, future in map_in_order(work, recordings, num_workers, cancel=cancel):
            try:
                key, computed = future.result()
            except AudioError as error:
                skipped.append(FailedFile(recording.name, str(error)))
                logger.warning(f"skipped: {error}")
            else:
                keys[recording.name] = key
                if computed is not None:
                    for note in computed.notes:
                        if note.kind in HARMFUL_NOTES:
                            logger.warning(f"{recording.path}: {note.text}")
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
    if not runtime.is_main:
        runtime.wait()
        store.refresh()
    prepared = prepare_recordings(recordings, store, reporter=runtime.reporter)
    if runtime.is_main:
        runtime.wait()
    return prepared


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
    """The usable clips of the training split and, where it is held out, of the validation split.

    Clips whose content is trained on are left out of validation.
    """
    train = usable_clips(manifest, prepared, "train")
    if not config.hold_out_validation:
        return {"train": train}
    validation = usable_clips(manifest, prepared, "validation")
    trained = ContentSet(clip.key for clip in train)
    for clip in validation:
        if clip.key in trained:
            logger.warning(f"left out of validation: {clip.name} is in the training split too")
    return {"train": train, "validation": [one for one in validation if one.key not in trained]}


class _Work:
    """From a recording to its key, and its features unless they are stored.

    Files of equal content wait for one another, so that their features are computed once.
    """

    def __init__(
        self,
        digests: ContentDigests,
        is_stored: Callable[[ClipKey], bool],
        extractor: Extractor,
    ) -> None:
        self._digests = digests
        self._is_stored = is_stored
        self._extractor = extractor
        self._locks: dict[ClipKey, threading.Lock] = {}
        self._computed: set[ClipKey] = set()

    def __call__(self, recording: Recording) -> tuple[ClipKey, Features | None]:
        key = ClipKey.of(self._digests.digest(recording.path), recording.excerpt)
        if self._is_stored(key):
            return key, None
        with self._locks.setdefault(key, threading.Lock()):
            if key in self._computed:
                return key, None
            features = self._extractor(recording)
            self._digests.confirm(recording.path, key.digest)
            self._computed.add(key)
            return key, features


@contextmanager
def _extractor(
    recordings: Sequence[Recording],
    config: FeatureConfig,
    num_workers: int,
    cancel: threading.Event,
) -> Iterator[Extractor]:
    """Extracts a recording here, or in a process if PyAV, which holds the GIL, decodes it."""
    log_mel = LogMel(config)
    alone = len(recordings) == 1 and num_workers > 1

    def here(recording: Recording) -> Features:
        return extract(recording.path, log_mel, recording.excerpt, pipelined=alone, cancel=cancel)

    # Each worker is a thread already; more threads inside the matrix product would only wait.
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
    return extract(recording.path, _front_end(config), recording.excerpt)


_front_end = functools.lru_cache(maxsize=1)(LogMel)


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
