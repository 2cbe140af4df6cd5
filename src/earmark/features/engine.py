"""Features of many files on the workers of an executor; the same values, bit for bit."""

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Executor
from pathlib import Path
from typing import NamedTuple

from earmark.audio.isolation import Job
from earmark.audio.source import WHOLE, Excerpt
from earmark.config import FeatureConfig
from earmark.errors import AudioError
from earmark.features.extraction import extraction_job, extraction_pool
from earmark.features.log_mel import Features, join_features
from earmark.system.executors import Work, chunks_of_files, run_chunks

CHUNK_BYTES = 1 << 24
"""Files of a task. Their features wait in the memory of this process until it is their turn."""

Found = Features | AudioError | None
"""The features of a file, or why there are none; None where none were requested."""


class FeatureRequest(NamedTuple):
    """A file whose features are requested.

    Args:
        path: The file; None where nothing is to be done.
        excerpt: Which part of it.
    """

    path: Path | None
    excerpt: Excerpt = WHOLE


def extract_on(
    executor: Executor, config: FeatureConfig, requests: Iterable[FeatureRequest]
) -> Iterator[Found]:
    """Computes features on the workers of an executor, which read the files themselves.

    Args:
        executor: Any `concurrent.futures.Executor`.
        config: Front-end settings.
        requests: Read ahead of the results, a few chunks for each worker.

    Yields:
        What was found for each request, in order.

    Raises:
        ConfigError: The workers cannot run earmark.
    """
    work = Work(FeatureConfig.model_validate_json, _extract, config.model_dump_json().encode())
    folder = Path.cwd()
    sent = (one._replace(path=one.path and folder / one.path) for one in requests)
    chunks = chunks_of_files(sent, lambda one: one.path, CHUNK_BYTES)
    return (found for _, found in run_chunks(executor, work, chunks))


def _extract(config: FeatureConfig, requests: Sequence[FeatureRequest]) -> list[Found]:
    """Runs in the worker."""

    def join(_request: FeatureRequest, parts: Iterator[Features]) -> Found:
        try:
            received = list(parts)
        except AudioError as error:
            return error
        return join_features(received) if received else None

    def job(request: FeatureRequest) -> Job | None:
        return None if request.path is None else extraction_job(request.path, request.excerpt)

    with extraction_pool(config) as pool:
        return [future.result() for _, future in pool.map_in_order(join, requests, job, 1)]
