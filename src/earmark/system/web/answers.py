"""Answers to requests: JSON in ASCII, errors in one line."""

import json
import math
from typing import Any

from fastapi import Request
from fastapi.responses import JSONResponse

INTERNAL = "internal error; the log of the service has its traceback"


class RequestError(Exception):
    """A request that is not answered with predictions.

    Args:
        status: Of HTTP.
        error: One line for people.
        headers: More headers of the answer.
    """

    def __init__(self, status: int, error: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(error)
        self.status, self.error, self.headers = status, error, headers


class BusyError(RequestError):
    """The queue is full.

    Args:
        wait_seconds: When there may be room.
    """

    def __init__(self, wait_seconds: float) -> None:
        seconds = max(1, math.ceil(wait_seconds))
        super().__init__(429, f"busy; try again in {seconds} s", {"Retry-After": str(seconds)})


class Document(JSONResponse):
    """A JSON document; names that are not valid text stay escapes."""

    def render(self, content: Any) -> bytes:
        """The bytes of the body."""
        return json.dumps(content, allow_nan=False).encode()


async def refuse(_: Request, refusal: Exception) -> Document:
    """The answer to a request that was refused."""
    assert isinstance(refusal, RequestError)
    return Document({"error": refusal.error}, refusal.status, refusal.headers)
