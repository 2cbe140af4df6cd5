"""The endpoints that take and give documents."""

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from earmark.server import schemas
from earmark.server.metrics import CONTENT_TYPE
from earmark.server.service import Service
from earmark.server.uploads import receive
from earmark.system.web.answers import Document, RequestError

router = APIRouter()

ModelNames = Annotated[
    list[str],
    Query(
        alias="model",
        max_length=16,
        description="Names of models, by default the first. Several that take the same features "
        "decode a file once.",
    ),
]


def _only(*statuses: int) -> dict[int | str, dict[str, Any]]:
    return {status: schemas.ERRORS[status] for status in statuses}


_takes_files: dict[str, Any] = {
    "response_class": Document,
    "responses": {
        200: {"model": schemas.Results, "description": "Files that failed have an error."},
        **schemas.ERRORS,
    },
    "openapi_extra": schemas.BODY,
    "tags": ["predict"],
}


@router.post("/v1/predict", **_takes_files)
async def predict(request: Request, model: ModelNames = []) -> Document:  # noqa: B006
    """The label and the probabilities of whole files."""
    return await _predict(request, model, segments=False)


@router.post("/v1/segments", **_takes_files)
async def segments(request: Request, model: ModelNames = []) -> Document:  # noqa: B006
    """Labels of whole files, and when each label is heard."""
    return await _predict(request, model, segments=True)


@router.get("/v1/models", response_model=schemas.Models, responses=_only(401, 403), tags=["about"])
async def models(request: Request) -> Document:
    """The models that are served."""
    return Document({"models": [one.describe() for one in _service(request).models]})


@router.get(
    "/healthz",
    response_model=schemas.Status,
    responses=_only(403),
    openapi_extra=schemas.NO_TOKEN,
    tags=["about"],
)
async def healthz() -> Document:
    """Whether the process answers at all."""
    return Document({"status": "ok"})


@router.get(
    "/readyz",
    response_model=schemas.Status,
    responses={**_only(403), 503: {"model": schemas.Status, "description": "Not yet."}},
    openapi_extra=schemas.NO_TOKEN,
    tags=["about"],
)
async def readyz(request: Request) -> Document:
    """Whether it predicts: the models are open and a decoder has worked."""
    if _service(request).is_ready:
        return Document({"status": "ok"})
    return Document({"status": "starting"}, 503)


@router.get(
    "/metrics",
    response_class=Response,
    responses={200: {"content": {"text/plain": {}}}, **_only(401, 403)},
    tags=["about"],
)
async def metrics(request: Request) -> Response:
    """Counts and times for Prometheus."""
    content = _service(request).metrics.render()
    return Response(content, headers={"Content-Type": CONTENT_TYPE})


def _service(request: Request) -> Service:
    return request.app.state.service


async def _predict(request: Request, names: list[str], *, segments: bool) -> Document:
    service, facts = _service(request), request.scope["facts"]
    if unknown := sorted(set(request.query_params) - {"model"}):
        # Such as models=NAME, which would be answered by another model.
        raise RequestError(422, f"query.{unknown[0]}: no such parameter; there is: model")
    found = service.models.find(names)
    if found is None:
        known = ", ".join(service.models.names)
        raise RequestError(404, f"no such model; there are: {known}")
    chosen = [(one.name, one.classifier) for one in found]
    with service.admission.place():
        async with service.deadline(), receive(request, service.limits, service.spool) as files:
            facts["files"] = len(files)
            facts["bytes"] = sum(one.path.stat().st_size for one in files)
            results = await service.predictor.predict(files, chosen, segments=segments)
    num_failed = sum("error" in one for one in results)
    facts["failed"] = num_failed
    return Document({"results": results}, 422 if num_failed == len(results) else 200)
