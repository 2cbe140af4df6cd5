"""The application: endpoints, errors, who may ask, and what is logged."""

from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware

from earmark._version import __version__
from earmark.server.page import add_page
from earmark.server.request_log import RequestLog
from earmark.server.routes import router
from earmark.server.service import Service
from earmark.server.stream import add_stream
from earmark.system.web.answers import INTERNAL, Document, RequestError, refuse
from earmark.system.web.guard import Guard


@dataclass(frozen=True)
class Access:
    """Who may ask, and what a browser gets.

    Args:
        token: What clients must send; None if anyone may ask.
        origins: Sites whose pages may ask.
        page: Folder of a web page for ``/``.
        hosts: Names by which the service may be asked, besides those of the loopback interface;
            None for any.
    """

    token: str | None = None
    origins: Sequence[str] = ()
    page: Path | None = None
    hosts: Collection[str] | None = None


def make_app(service: Service, access: Access = Access()) -> FastAPI:
    """The application, to be run by any ASGI server, in one process.

    Args:
        service: Its parts; they start and stop with the application.
        access: Who may ask.
    """

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        async with service.running():
            yield

    app = FastAPI(
        title="earmark",
        version=__version__,
        description="Labels sound files and live sound. Live sound goes to the web socket "
        "`/v1/stream`, which OpenAPI cannot describe; see the documentation of earmark.",
        lifespan=lifespan,
        # Their scripts would come from another site.
        docs_url=None,
        redoc_url=None,
    )
    app.state.service = service
    app.include_router(router)
    add_stream(app)
    add_page(app, access.page)
    for error, answer in _HANDLERS.items():
        app.add_exception_handler(error, answer)
    _add_guards(app, service, access)
    return app


def _add_guards(app: FastAPI, service: Service, access: Access) -> None:
    """Adds what looks at a request before the endpoints do; the last one that is added, first."""
    if access.token is not None:
        _describe_token(app)
    app.add_middleware(Guard, token=access.token, origins=access.origins, hosts=access.hosts)
    if access.origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=list(access.origins),
            allow_methods=["GET", "POST"],
            allow_headers=["Authorization", "Content-Type"],
        )
    app.add_middleware(RequestLog, metrics=service.metrics)


async def _refuse_parameters(_: Request, error: Exception) -> Document:
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    return Document({"error": f"{'.'.join(map(str, first['loc']))}: {first['msg']}"}, 422)


async def _refuse_route(_: Request, error: Exception) -> Document:
    assert isinstance(error, HTTPException)
    return Document({"error": str(error.detail).lower()}, error.status_code, error.headers)


async def _fail(_: Request, error: Exception) -> Document:
    return Document({"error": INTERNAL}, 500)


_HANDLERS = {
    RequestError: refuse,
    RequestValidationError: _refuse_parameters,
    HTTPException: _refuse_route,
    Exception: _fail,
}


def _describe_token(app: FastAPI) -> None:
    """Adds the token to the OpenAPI document."""
    make = app.openapi

    def openapi() -> dict[str, object]:
        document = make()
        document["security"] = [{"token": []}]
        components = document.setdefault("components", {})
        components["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
        return document

    app.openapi = openapi
