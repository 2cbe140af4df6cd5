"""Files to predictions: decoded in workers, predicted in threads, a few at the same time."""

import asyncio
import itertools
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import CancelledError, ThreadPoolExecutor
from pathlib import Path
from typing import Any

from earmark.audio.isolation import DecoderPool
from earmark.config import FeatureConfig
from earmark.errors import AudioError, FailedFile
from earmark.features.extraction import extraction_job, extraction_pool
from earmark.features.log_mel import Features
from earmark.inference.classifier import Classifier
from earmark.inference.predictions import Prediction
from earmark.server.limits import Limits
from earmark.server.metrics import Metrics
from earmark.server.uploads import Upload
from earmark.system.web.answers import RequestError

Named = tuple[str, Classifier]
"""A model as it is when a request comes; another may take its name before the answer."""


class LateError(Exception):
    """The time of a request is over."""


class Predictor:
    """Predicts files of strangers. Decoders run in processes that may die.

    Args:
        limits: Of the service.
        metrics: Of the service.
    """

    def __init__(self, limits: Limits, metrics: Metrics) -> None:
        self._limits, self._metrics = limits, metrics
        self._threads = ThreadPoolExecutor(limits.workers, "predict")
        self._pools: dict[FeatureConfig, DecoderPool] = {}
        self._lock = threading.Lock()

    def close(self) -> None:
        """Ends the workers; files that are not predicted yet fail."""
        for pool in self._pools.values():
            pool.close()
        self._threads.shutdown(cancel_futures=True)

    async def predict(
        self, files: Sequence[Upload], models: Sequence[Named], *, segments: bool
    ) -> list[dict[str, Any]]:
        """A document for each file and model, files first; a file that fails has an error.

        Args:
            files: What to predict.
            models: By which models.
            segments: Whether with segments.

        Raises:
            RequestError: It takes too long.
        """
        deadline = time.monotonic() + self._limits.request_seconds
        loop = asyncio.get_running_loop()
        tasks = [
            loop.run_in_executor(self._threads, self._predict, one, models, segments, deadline)
            for one in files
        ]
        try:
            async with asyncio.timeout_at(loop.time() + self._limits.request_seconds):
                found = await asyncio.gather(*tasks)
        except (TimeoutError, LateError):
            raise self.late() from None
        finally:
            for task in tasks:
                task.cancel()
        return list(itertools.chain.from_iterable(found))

    def late(self) -> RequestError:
        """The answer to a request that takes too long."""
        return RequestError(504, f"not done in {self._limits.request_seconds:g} s; send less sound")

    def _predict(
        self, upload: Upload, models: Sequence[Named], segments: bool, deadline: float
    ) -> list[dict[str, Any]]:
        outcomes: dict[str, Prediction | AudioError] = {}
        for features, group in _by_front_end(models).items():
            parts: Iterable[Features] = self._decode(upload.path, features, deadline)
            try:
                # Only where several models take them, all parts are kept.
                parts = list(parts) if len(group) > 1 else parts
            except AudioError as error:
                outcomes |= dict.fromkeys((name for name, _ in group), error)
                continue
            for name, classifier in group:
                try:
                    outcomes[name] = classifier.predict_features(
                        upload.path, parts, segments=segments
                    )
                except AudioError as error:
                    outcomes[name] = error
        first = outcomes[models[0][0]]
        is_failure = isinstance(first, AudioError)
        self._metrics.files.labels(first.fault if is_failure else "predicted").inc()
        self._metrics.sound_seconds.inc(0 if is_failure else first.duration_seconds)
        return [{"model": name, **_document(upload, outcomes[name])} for name, _ in models]

    def _decode(self, path: Path, features: FeatureConfig, deadline: float) -> Iterator[Features]:
        job = extraction_job(path, limits=self._limits.sound)
        try:
            if time.monotonic() > deadline:
                raise LateError
            for part in self._pool(features).stream(job):
                if time.monotonic() > deadline:
                    raise LateError
                yield part
        except CancelledError:
            raise RequestError(503, "the service is shutting down") from None

    def _pool(self, features: FeatureConfig) -> DecoderPool:
        with self._lock:
            if features not in self._pools:
                self._pools[features] = extraction_pool(
                    features,
                    memory_bytes=self._limits.worker_bytes,
                    patience_seconds=self._limits.request_seconds,
                )
            return self._pools[features]


def _by_front_end(models: Sequence[Named]) -> dict[FeatureConfig, list[Named]]:
    groups: dict[FeatureConfig, list[Named]] = {}
    for name, classifier in models:
        groups.setdefault(classifier.spec.config.features, []).append((name, classifier))
    return groups


def _document(upload: Upload, outcome: Prediction | AudioError) -> dict[str, Any]:
    if isinstance(outcome, Prediction):
        return {**outcome.to_dict(), "path": upload.name}
    text = str(outcome).replace(str(upload.path), upload.name)
    failed = FailedFile(upload.name, " ".join(text.split()), outcome.fault)
    return {**failed.to_dict(), "fault": outcome.fault}
