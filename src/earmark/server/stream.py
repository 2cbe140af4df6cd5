"""Live sound over a web socket: samples in, a document for each window out."""

import asyncio
import contextlib
import functools
import json
import queue
from collections.abc import Iterator
from concurrent.futures import Future
from typing import Annotated, Any, Literal

import numpy as np
from fastapi import FastAPI, WebSocket, WebSocketDisconnect
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from earmark.audio.microphone import raw_blocks
from earmark.audio.source import SAMPLE_RATES
from earmark.errors import EarmarkError
from earmark.inference.classifier import Classifier
from earmark.server.service import Service

QUEUED_MESSAGES = 32
"""Messages of a client that wait; then the network holds back the next ones."""
FULL_SECONDS = 0.02
SEND_SECONDS = 10.0
"""How long a client may take to read a message."""
WRONG, UNSUPPORTED, BUSY, SILENT = 1008, 1003, 1013, 1001
"""Why a web socket is closed."""


class StreamRequest(BaseModel):
    """What a client sends first, or as the query: what its samples are.

    Args:
        rate: Samples in a second.
        format: Of the samples, as FFmpeg names it; they are mono.
        model: Its name; by default the first.
        hop_seconds: Step between windows; by default the model's.
    """

    model_config = ConfigDict(extra="forbid")

    rate: Annotated[int, Field(ge=SAMPLE_RATES.start, lt=SAMPLE_RATES.stop)]
    format: Literal["s16le", "f32le"] = "s16le"
    model: str | None = None
    hop_seconds: Annotated[float, Field(ge=0.01, le=3600)] | None = None


class ClosedError(Exception):
    """The stream ends before its sound does.

    Args:
        code: Of the web socket.
        error: One line for people.
    """

    def __init__(self, code: int, error: str) -> None:
        super().__init__(error)
        self.code, self.error = code, error


def add_stream(app: FastAPI) -> None:
    """Adds ``/v1/stream``."""

    @app.websocket("/v1/stream")
    async def stream(websocket: WebSocket) -> None:
        await _serve(websocket, app.state.service)


async def _serve(websocket: WebSocket, service: Service) -> None:
    await websocket.accept()
    try:
        if service.num_streams >= service.limits.streams:
            raise ClosedError(BUSY, "too many streams; try again later")
        service.num_streams += 1
        service.metrics.streams.set(service.num_streams)
        try:
            await _Stream(websocket, service).run()
        finally:
            service.num_streams -= 1
            service.metrics.streams.set(service.num_streams)
    except ClosedError as closed:
        await _close(websocket, closed.code, {"event": "error", "error": closed.error})
    except EarmarkError as error:
        await _close(websocket, WRONG, {"event": "error", "error": str(error)})
    except (WebSocketDisconnect, RuntimeError):
        # The client has gone; there is nobody to answer.
        return
    else:
        await _close(websocket, 1000, {"event": "end"})


async def _close(websocket: WebSocket, code: int, document: dict[str, Any]) -> None:
    try:
        await websocket.send_text(json.dumps(document))
        await websocket.close(code)
    except (WebSocketDisconnect, RuntimeError):
        return


class _Stream:
    """One client's live sound."""

    def __init__(self, websocket: WebSocket, service: Service) -> None:
        self._websocket, self._service = websocket, service
        self._samples: queue.Queue[bytes] = queue.Queue(QUEUED_MESSAGES)
        self._loop = asyncio.get_running_loop()
        self._is_over = False

    async def run(self) -> None:
        request = await self._negotiate()
        found = self._service.models.find([request.model] if request.model else [])
        if found is None:
            known = ", ".join(self._service.models.names)
            raise ClosedError(WRONG, f"no such model; there are: {known}")
        (model,) = found
        classifier = model.classifier
        hop_seconds = request.hop_seconds or classifier.spec.config.predict.hop_seconds
        await self._send(
            {
                "event": "ready",
                "model": model.name,
                "labels": list(classifier.labels),
                "window_seconds": classifier.spec.window_seconds,
                "hop_seconds": hop_seconds,
            }
        )
        predicting = self._loop.run_in_executor(
            self._service.stream_threads, self._predict, classifier, request, hop_seconds
        )
        receiving = asyncio.create_task(self._receive())
        try:
            # An error of either ends both.
            await asyncio.wait((predicting, receiving), return_when=asyncio.FIRST_EXCEPTION)
            for task in (predicting, receiving):
                if task.done():
                    task.result()
        finally:
            self._is_over = True
            receiving.cancel()
            self._wake()
            await asyncio.wait((predicting, receiving))
            _ = receiving.cancelled() or receiving.exception()

    async def _negotiate(self) -> StreamRequest:
        given: dict[str, Any] = dict(self._websocket.query_params)
        if "rate" not in given:
            message = await self._next()
            try:
                given |= json.loads(message.get("text") or "")
            except (ValueError, TypeError, RecursionError):
                raise ClosedError(
                    UNSUPPORTED, 'give the query ?rate=16000, or send {"rate": 16000} first'
                ) from None
        try:
            return StreamRequest.model_validate(given)
        except ValidationError as error:
            first = error.errors(include_input=False, include_url=False)[0]
            where = ".".join(map(str, first["loc"]))
            raise ClosedError(WRONG, f"{where}: {first['msg']}") from None

    async def _next(self) -> dict[str, Any]:
        idle = self._service.limits.idle_seconds
        try:
            async with asyncio.timeout(idle):
                message = await self._websocket.receive()
        except TimeoutError:
            raise ClosedError(SILENT, f"nothing was sent for {idle:g} s") from None
        if message["type"] == "websocket.disconnect":
            raise WebSocketDisconnect(message.get("code", 1000))
        return dict(message)

    async def _receive(self) -> None:
        """Queues samples until the client sends any text, which ends the sound."""
        while (data := (await self._next()).get("bytes")) is not None:
            # A message may be empty, but to the thread that would be the end.
            if data:
                await self._put(data)
        await self._put(b"")

    async def _put(self, data: bytes) -> None:
        while True:
            try:
                self._samples.put_nowait(data)
            except queue.Full:
                await asyncio.sleep(FULL_SECONDS)
            else:
                return

    def _wake(self) -> None:
        """Lets the thread see at once that the stream is over."""
        with contextlib.suppress(queue.Full):
            self._samples.put_nowait(b"")

    def _predict(self, classifier: Classifier, request: StreamRequest, hop_seconds: float) -> None:
        """Runs in a thread of its own, which waits for samples."""
        windows = classifier.stream(
            self._blocks(request), sample_rate=request.rate, hop_seconds=hop_seconds
        )
        try:
            for window in windows:
                document = {"event": "window", **window.to_dict(classifier.spec)}
                self._send_from_thread(document)
                self._service.metrics.stream_windows.inc()
        except Exception:
            # After the end, what goes wrong matters to nobody.
            if not self._is_over:
                raise

    def _blocks(self, request: StreamRequest) -> Iterator[np.ndarray]:
        return raw_blocks(self._read, request.format)

    def _read(self, _: int) -> bytes:
        while not self._is_over:
            try:
                return self._samples.get(timeout=1.0)
            except queue.Empty:
                continue
        return b""

    def _send_from_thread(self, document: dict[str, Any]) -> None:
        """Sends, and waits for it. If the loop ends first, no coroutine is left that never ran."""
        sent: Future[None] = Future()

        def start() -> None:
            sending = asyncio.ensure_future(self._send(document))
            sending.add_done_callback(functools.partial(_pass_on, sent))

        self._loop.call_soon_threadsafe(start)
        sent.result(SEND_SECONDS)

    async def _send(self, document: dict[str, Any]) -> None:
        await self._websocket.send_text(json.dumps(document, allow_nan=False))


def _pass_on(sent: "Future[None]", sending: "asyncio.Future[None]") -> None:
    if sending.cancelled():
        sent.cancel()
    elif error := sending.exception():
        sent.set_exception(error)
    else:
        sent.set_result(None)
