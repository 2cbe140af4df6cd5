"""The body of a request to files on disk, within limits."""

import shutil
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from fastapi import Request
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import ClientDisconnect

from earmark.audio.reading import has_sound_name
from earmark.server.limits import Limits
from earmark.system.web.answers import RequestError

MULTIPART = "multipart/form-data"
FIELD_BYTES = 1 << 16
"""Of a field of a form that is no file; it is not used."""
HELD_BYTES = 1 << 18
"""So much of a file in a form stays in memory until all of it is there."""
RAW_NAME = "-"
"""The path in the result of a body that is a sound by itself."""


@dataclass(frozen=True)
class Upload:
    """A file of a client.

    Args:
        name: As the client calls it; it is only ever sent back.
        path: Where it is.
    """

    name: str
    path: Path


@asynccontextmanager
async def receive(request: Request, limits: Limits, folder: Path) -> AsyncIterator[list[Upload]]:
    """The files of a request, for as long as the context is open.

    A body of ``multipart/form-data`` may have several; any other is one sound.

    Args:
        request: Its body has not been read yet.
        limits: Of the service.
        folder: Where files may be written.

    Raises:
        RequestError: The body is too large, or has no files or too many.
    """
    declared = request.headers.get("content-length", "")
    if declared.isdecimal() and int(declared) > limits.body_bytes:
        # Or the rest of the body would be read first.
        raise _too_large(limits, {"Connection": "close"})
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    body = _bounded(request, limits)
    # All in one folder: to make and to remove one for each request takes longer than the rest.
    place = _Place(folder)
    try:
        if media_type == MULTIPART:
            yield await _receive_form(request, body, limits, place)
        else:
            yield await _receive_raw(body, place)
    finally:
        place.clear()


class _Place:
    """Files of a request among those of others."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._paths = folder, list[Path]()

    def new(self, suffix: str = "") -> Path:
        """The path of a file that is not there yet."""
        self._paths.append(self._folder / f"{uuid4().hex}{suffix}")
        return self._paths[-1]

    def clear(self) -> None:
        """Removes the files."""
        for path in self._paths:
            path.unlink(missing_ok=True)


async def _bounded(request: Request, limits: Limits) -> AsyncGenerator[bytes, None]:
    num_bytes = 0
    try:
        async for chunk in request.stream():
            num_bytes += len(chunk)
            if num_bytes > limits.body_bytes:
                raise _too_large(limits, {"Connection": "close"})
            yield chunk
    except ClientDisconnect:
        raise RequestError(400, "the body ends early") from None


async def _receive_raw(body: AsyncGenerator[bytes, None], place: _Place) -> list[Upload]:
    path = place.new()
    # Writes go to the cache of the system, in pieces that are as small as those of the network.
    with path.open("wb") as file:
        async for chunk in body:
            file.write(chunk)
        if not file.tell():
            raise RequestError(422, "no sound: send a file as the body, or as multipart/form-data")
    return [Upload(RAW_NAME, path)]


async def _receive_form(
    request: Request, body: AsyncGenerator[bytes, None], limits: Limits, place: _Place
) -> list[Upload]:
    parser = MultiPartParser(
        *(request.headers, body),
        max_files=limits.files,
        max_fields=limits.files,
        max_part_size=FIELD_BYTES,
    )
    parser.spool_max_size = HELD_BYTES
    try:
        form = await parser.parse()
    except MultiPartException as error:
        raise RequestError(422, f"the form cannot be read: {error.message}") from None
    except UnicodeError:
        # The client chooses the codec of names; some fail in ways of their own.
        raise RequestError(422, "the form cannot be read: names in another charset") from None
    try:
        files = [one for _, one in form.multi_items() if isinstance(one, UploadFile)]
        if not files:
            raise RequestError(422, "no sound: the form has no files")
        return [await run_in_threadpool(_save, one, place) for one in files]
    finally:
        await form.close()


def _save(upload: UploadFile, place: _Place) -> Upload:
    name = upload.filename or RAW_NAME
    # Decoders look at the extension where the content is not enough.
    suffix = Path(name).suffix.lower()
    path = place.new(suffix if has_sound_name(Path(f"x{suffix}")) else "")
    with path.open("wb") as file:
        shutil.copyfileobj(upload.file, file)
    return Upload(name, path)


def _too_large(limits: Limits, headers: dict[str, str]) -> RequestError:
    return RequestError(413, f"the body has more than {limits.body_bytes:,} bytes", headers)
