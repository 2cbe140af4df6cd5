"""The routes of the page: the queue, the sound of its clips, and answers."""

import math
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any

import xxhash
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from earmark.audio.source import Excerpt
from earmark.errors import AudioError, DataError
from earmark.labelling.review.answers import parse_answer
from earmark.labelling.review.page_data import describe_queue
from earmark.labelling.review.queue import QueueItem, place_of
from earmark.labelling.review.review import Review
from earmark.labelling.review.similar import HeldVectors, Similar
from earmark.labelling.review.sound import MAX_SECONDS, Sounds, Span, View, first_span
from earmark.system.numbers import parse_number
from earmark.system.web.answers import Document, RequestError, refuse
from earmark.system.web.guard import Guard
from earmark.system.web.pages import page_files
from earmark.system.web.ranges import answer_range

PACKAGE = "earmark.labelling.review"
MAX_BODY_BYTES = 1 << 20
_MEDIA_TYPES = {".html": "text/html", ".css": "text/css", ".js": "text/javascript"}
_HEADERS = {
    "Cache-Control": "no-store",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


@dataclass(frozen=True)
class Desk:
    """What the page works with.

    Args:
        review: The queue and the answers.
        sounds: Decodes clips.
        context_seconds: What is shown before and after a clip.
        vectors: Of windows, to find similar ones; None if there are none.
    """

    review: Review
    sounds: Sounds
    context_seconds: float = 3.0
    vectors: HeldVectors | None = None
    files: dict[str, bytes] = field(default_factory=lambda: page_files(PACKAGE), repr=False)


def make_app(desk: Desk) -> Starlette:
    """The application, for the loopback interface.

    Args:
        desk: What the page works with.
    """
    routes = {
        "/": _index,
        "/v1/queue": _queue,
        "/v1/changes": _changes,
        "/v1/clips/{key}": _view,
        "/v1/clips/{key}/sound": _sound,
        "/v1/clips/{key}/similar": _similar,
        "/v1/windows/{row:int}/sound": _window_sound,
        "/{name:path}": _file,
    }
    app = Starlette(
        routes=[
            *(Route(path, _with(desk, answer)) for path, answer in routes.items()),
            Route("/v1/answers", _with(desk, _answer), methods=["POST"]),
        ],
        exception_handlers={RequestError: refuse},
    )
    # The names of this machine for itself only: a page elsewhere that calls itself by another name
    # of it would read the clips.
    app.add_middleware(Guard, token=None, hosts=())
    return app


_Answer = Callable[[Desk, Request], Awaitable[Response]]


def _with(desk: Desk, answer: _Answer) -> Callable[[Request], Awaitable[Response]]:
    async def run(request: Request) -> Response:
        try:
            response = await answer(desk, request)
        except AudioError as error:
            response = Document({"error": str(error), "fault": error.fault}, 422)
        except DataError as error:
            response = Document({"error": str(error)}, 422)
        except OSError as error:
            response = Document({"error": f"not saved: {error}"}, 507)
        response.headers.update(_HEADERS)
        return response

    return run


async def _index(desk: Desk, _: Request) -> Response:
    return Response(desk.files["index.html"], media_type="text/html")


async def _file(desk: Desk, request: Request) -> Response:
    name = request.path_params["name"]
    media_type = _MEDIA_TYPES.get(PurePosixPath(name).suffix)
    if media_type is None or name not in desk.files:
        raise RequestError(404, "no such page")
    return Response(desk.files[name], media_type=media_type)


async def _queue(desk: Desk, _: Request) -> Response:
    review = desk.review
    # First, or what is answered meanwhile would be missed.
    facts = {"changes": len(review.changes), "has_similar": desk.vectors is not None}
    document = await run_in_threadpool(describe_queue, review.queue, review.states)
    # A browser may hold answers that were not sent: those to the same queue for the same table.
    log = xxhash.xxh3_64_hexdigest(str(review.log.path.absolute()).encode(errors="surrogateescape"))
    return Document({**document, **facts, "id": f"{document['id']}-{log}"})


async def _changes(desk: Desk, request: Request) -> Response:
    """What other tabs have answered since a number of changes."""
    review = desk.review
    since = _number(request, "since", 0.0)
    changes = review.changes[int(since) :]
    clips = {
        key: review.states.describe(review.queue.by_key[key]) for key in dict.fromkeys(changes)
    }
    return Document(
        {
            "number": int(since) + len(changes),
            "clips": clips,
            "labels": review.states.labels(review.queue),
        }
    )


async def _view(desk: Desk, request: Request) -> Response:
    view = await _decoded(desk, request)
    return Document(view.to_dict())


async def _sound(desk: Desk, request: Request) -> Response:
    view = await _decoded(desk, request)
    return answer_range(request, view.sound, view.media_type)


async def _decoded(desk: Desk, request: Request) -> View:
    recording = _item(desk, request).recording
    first = first_span(recording.excerpt, desk.context_seconds)
    start = _number(request, "start", first.start)
    end = _number(request, "end", first.end)
    if not 0 < end - start <= MAX_SECONDS + 1e-6:
        raise RequestError(422, f"start, end: give more than 0 s and at most {MAX_SECONDS:g} s")
    return await run_in_threadpool(
        desk.sounds.view, recording.path, recording.excerpt, Span(start, end)
    )


async def _similar(desk: Desk, request: Request) -> Response:
    if desk.vectors is None:
        raise RequestError(404, "no vectors; give --vectors")
    one = _item(desk, request).recording
    found = await run_in_threadpool(desk.vectors.similar, one.path, one.excerpt)
    return Document({"similar": [_describe_similar(desk, each) for each in found]})


def _describe_similar(desk: Desk, one: Similar) -> dict[str, Any]:
    window = Excerpt(one.start, one.end)
    item = desk.review.queue.by_place.get(place_of(one.path, window)) or _around(desk, one)
    return {
        "row": one.row,
        "name": one.path.name,
        "start": one.start,
        "end": one.end,
        "cosine": one.cosine,
        "clip": item and item.key,
        "label": item and _label_now(desk, item),
    }


def _label_now(desk: Desk, item: QueueItem) -> str:
    current = desk.review.states.of(item).current
    labels = current.labels if current else item.recording.labels
    return ";".join(labels)


def _around(desk: Desk, one: Similar) -> QueueItem | None:
    """The clip of the queue that a window lies in."""
    name = place_of(one.path, Excerpt())[0]
    for item in desk.review.queue.by_file.get(name, ()):
        excerpt = item.recording.excerpt
        if excerpt.start <= one.start and one.end <= (excerpt.end or math.inf) + 1e-6:
            return item
    return None


async def _window_sound(desk: Desk, request: Request) -> Response:
    row = request.path_params["row"]
    if desk.vectors is None or row >= len(desk.vectors.paths):
        raise RequestError(404, "no such window")
    one = desk.vectors.window(row)
    span = Span(one.start, min(one.end, one.start + MAX_SECONDS))
    view = await run_in_threadpool(desk.sounds.view, one.path, Excerpt(one.start, None), span)
    return answer_range(request, view.sound, view.media_type)


async def _answer(desk: Desk, request: Request) -> Response:
    """Saves an answer; 409 if it is to an earlier revision of the clip."""
    body = b""
    try:
        async for chunk in request.stream():
            body += chunk
            if len(body) > MAX_BODY_BYTES:
                raise RequestError(413, "too long for an answer", {"Connection": "close"})
    except ClientDisconnect:
        raise RequestError(400, "the answer ends early") from None
    answer = parse_answer(body)
    review = desk.review
    is_accepted = await run_in_threadpool(review.save, answer)
    document = {
        "clip": answer.clip,
        **review.states.describe(review.queue.by_key[answer.clip]),
        "labels": review.states.labels(review.queue),
    }
    return Document(document, 200 if is_accepted else 409)


def _item(desk: Desk, request: Request) -> QueueItem:
    item = desk.review.queue.by_key.get(request.path_params["key"])
    if item is None:
        raise RequestError(404, "no such clip in this queue; load the page again")
    return item


def _number(request: Request, name: str, default: float) -> float:
    text = request.query_params.get(name)
    if text is None:
        return default
    number = parse_number(text)
    if number is None or number < 0:
        raise RequestError(422, f"{name}: give a number of 0 or more")
    return number
