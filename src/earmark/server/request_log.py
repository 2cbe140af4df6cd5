"""One JSON line for each request and event, with neither contents nor names of files."""

import io
import json
import logging
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, TextIO
from uuid import uuid4

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from earmark.server.metrics import Metrics

logger = logging.getLogger(__name__)

LOGGERS = ("earmark", "uvicorn")
UNKNOWN_ROUTE = "other"
QUIET_ROUTES = ("/healthz", "/readyz", "/metrics")
"""They are asked every few seconds and logged only if they fail."""
SWITCHED = 101


class JsonFormatter(logging.Formatter):
    """A record as one line of JSON.

    Example:
        >>> record = logging.LogRecord("earmark", 20, "", 0, "ready", (), None)
        >>> json.loads(JsonFormatter().format(record))["message"]
        'ready'
    """

    def format(self, record: logging.LogRecord) -> str:
        """The line, without its end."""
        document: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "message": record.getMessage(),
            **getattr(record, "facts", {}),
        }
        if record.exc_info:
            document["traceback"] = "".join(traceback.format_exception(*record.exc_info))
        return json.dumps(document)


@contextmanager
def json_lines(stream: TextIO | io.TextIOBase) -> Iterator[None]:
    """Writes what earmark and the HTTP server log to a stream, instead of where it went before."""
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonFormatter())
    loggers = [logging.getLogger(name) for name in LOGGERS]
    before = [(one, one.handlers[:], one.level, one.propagate) for one in loggers]
    for one in loggers:
        one.handlers[:], one.propagate = [handler], False
        one.setLevel(logging.INFO)
    # There is a line for each request already.
    logging.getLogger("uvicorn.access").disabled = True
    try:
        yield
    finally:
        for one, handlers, level, propagates in before:
            one.handlers[:], one.propagate = handlers, propagates
            one.setLevel(level)


class RequestLog:
    """Counts, times and logs each request.

    Args:
        app: What answers.
        metrics: Of the service.
    """

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app, self._metrics = app, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """As every ASGI application; handlers may add to ``scope["facts"]``."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        started_at, status, number = time.monotonic(), 500, uuid4().hex[:16]
        facts = scope["facts"] = {"request": number}

        async def observed(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                name = (b"x-request-id", number.encode())
                message["headers"] = [*message.get("headers", ()), name]
            elif message["type"] == "websocket.accept":
                status = SWITCHED
            elif message["type"] == "websocket.close" and status != SWITCHED:
                status = 403
            await send(message)

        try:
            await self._app(scope, receive, observed)
        finally:
            self._record(scope, status, time.monotonic() - started_at, facts)

    def _record(self, scope: Scope, status: int, seconds: float, facts: dict[str, Any]) -> None:
        route = getattr(scope.get("route"), "path", UNKNOWN_ROUTE)
        self._metrics.requests.labels(route, str(status)).inc()
        if scope["type"] == "http":
            self._metrics.request_seconds.labels(route).observe(seconds)
        if route in QUIET_ROUTES and status < 400:
            return
        line = {"route": route, "status": status, "seconds": round(seconds, 4), **facts}
        logger.info("request", extra={"facts": line})
