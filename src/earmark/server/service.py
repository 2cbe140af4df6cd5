"""The parts of a running service, and how they start and stop."""

import asyncio
import logging
import tempfile
import wave
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path

from starlette.concurrency import run_in_threadpool

from earmark.errors import ConfigError
from earmark.server.admission import Admission
from earmark.server.limits import Limits
from earmark.server.metrics import Metrics
from earmark.server.predicting import Predictor
from earmark.server.registry import ModelRegistry
from earmark.server.uploads import Upload

logger = logging.getLogger(__name__)

REFRESH_SECONDS = 1.0
"""How often the files of the models are looked at."""


class Service:
    """What the endpoints share.

    Args:
        models: Those that are served.
        limits: On requests.
        metrics: Of this service and these models.
    """

    def __init__(self, models: ModelRegistry, limits: Limits, metrics: Metrics) -> None:
        self.models, self.limits, self.metrics = models, limits, metrics
        self.admission = Admission(limits.queue, metrics)
        self.predictor = Predictor(limits, metrics)
        self.spool = Path()
        self.num_streams = 0
        # Each stream keeps one, mostly to wait for samples; the loop has too few of its own.
        self.stream_threads = ThreadPoolExecutor(max(1, limits.streams), "stream")
        self.is_ready = False

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Starts what runs beside the requests, and stops it after the last one.

        Raises:
            ConfigError: The system has no place for files, or starts no workers.
        """
        with tempfile.TemporaryDirectory(prefix="earmark-") as folder:
            self.spool = Path(folder)
            refreshing = asyncio.create_task(self._refresh())
            try:
                await self._try()
                self.is_ready = True
                logger.info("ready", extra={"facts": {"models": list(self.models.names)}})
                yield
            finally:
                self.is_ready = False
                refreshing.cancel()
                await run_in_threadpool(self.predictor.close)
                self.stream_threads.shutdown(wait=False)

    @asynccontextmanager
    async def deadline(self) -> AsyncIterator[None]:
        """A context that ends with an error when the time of a request is over.

        Raises:
            RequestError: It is.
        """
        try:
            async with asyncio.timeout(self.limits.request_seconds):
                yield
        except TimeoutError:
            raise self.predictor.late() from None

    async def _try(self) -> None:
        """Predicts a second of silence, so that the first request need not wait for a worker."""
        path = self.spool / "silence.wav"
        with wave.open(str(path), "wb") as file:
            file.setparams((1, 2, 16_000, 0, "NONE", ""))
            file.writeframes(bytes(32_000))
        chosen = [(one.name, one.classifier) for one in self.models]
        results = await self.predictor.predict([Upload("silence", path)], chosen, segments=False)
        path.unlink()
        if error := next((one["error"] for one in results if "error" in one), None):
            raise ConfigError(f"the service cannot predict here: {error}")

    async def _refresh(self) -> None:
        while True:
            await asyncio.sleep(REFRESH_SECONDS)
            try:
                await run_in_threadpool(self.models.refresh)
            except Exception:
                # One bad look at the files must not end all later ones.
                logger.exception("models cannot be refreshed")
