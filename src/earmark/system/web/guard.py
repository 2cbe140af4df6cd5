"""Who may ask: a bearer token, and pages of other sites that may not."""

import hmac
import ipaddress
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from earmark.errors import ConfigError
from earmark.system.web.answers import Document

TOKEN_VARIABLE = "EARMARK_TOKEN"
OPEN_PATHS = ("/healthz", "/readyz")
"""Those that need no token: a supervisor asks whether the service lives."""
SHORTEST_TOKEN = 16


class Guard:
    """Refuses requests without the token, and those of pages from elsewhere.

    A browser lets any page send requests to a service on the same machine, and open web sockets
    there; only the answers of ordinary requests are kept from it. These, too, it can read if it
    makes the name of its own site an address of this machine: then the request has that name as
    its host.

    Args:
        app: What is guarded.
        token: None if anyone may ask.
        origins: Sites whose pages may ask, besides those of the service itself.
        hosts: Names by which the service may be asked, besides those of the loopback interface;
            None for any.
    """

    def __init__(
        self,
        app: ASGIApp,
        token: str | None,
        origins: Iterable[str] = (),
        hosts: Collection[str] | None = None,
    ) -> None:
        self._app, self._origins = app, frozenset(origins)
        self._hosts = None if hosts is None else frozenset(map(str.lower, hosts))
        self._token = None if token is None else token.encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """As every ASGI application."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        if not self._has_right_host(headers):
            answer = Document({"error": "not by this host name; serve has --allow-host"}, 403)
        elif not self._is_welcome(headers):
            answer = Document({"error": "pages of this site may not ask"}, 403)
        elif scope["path"] not in OPEN_PATHS and not self._is_authorized(headers):
            answer = Document(
                {"error": "wrong or missing token"}, 401, {"WWW-Authenticate": "Bearer"}
            )
        else:
            await self._app(scope, receive, send)
            return
        if scope["type"] == "http":
            await answer(scope, receive, send)
        else:
            # Before it is accepted, so the client gets status 403.
            await send({"type": "websocket.close", "code": 1008, "reason": ""})

    def _is_authorized(self, headers: Headers) -> bool:
        if self._token is None:
            return True
        scheme, _, given = headers.get("authorization", "").partition(" ")
        is_right = hmac.compare_digest(given.strip().encode("latin-1"), self._token)
        return scheme.lower() == "bearer" and is_right

    def _is_welcome(self, headers: Headers) -> bool:
        origin = headers.get("origin")
        if origin is None or origin in self._origins or "*" in self._origins:
            return True
        return origin.partition("://")[2] == headers.get("host")

    def _has_right_host(self, headers: Headers) -> bool:
        host = headers.get("host")
        # All browsers send one.
        if self._hosts is None or host is None:
            return True
        try:
            name = urlsplit(f"//{host}").hostname or ""
        except ValueError:
            return False
        return is_loopback(name) or name in self._hosts


def is_loopback(host: str) -> bool:
    """Whether a name or number is that of this machine for itself.

    Example:
        >>> [is_loopback(host) for host in ("127.0.0.1", "::1", "localhost", "0.0.0.0")]
        [True, True, True, False]
    """
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def read_token(file: Path | None, environment: Mapping[str, str]) -> str | None:
    """The token of a file or, without one, of the environment; None if there is neither.

    Args:
        file: Its content is the token; white space around it does not count.
        environment: Of the process, with `TOKEN_VARIABLE`.

    Raises:
        ConfigError: The file cannot be read, or the token is short or not ASCII.

    Example:
        >>> read_token(None, {"EARMARK_TOKEN": "0123456789abcdef"})
        '0123456789abcdef'
    """
    source, token = TOKEN_VARIABLE, environment.get(TOKEN_VARIABLE)
    if file is not None:
        source = str(file)
        try:
            token = file.read_text(encoding="utf-8")
        except (OSError, ValueError) as error:
            raise ConfigError(f"--token-file {file}: cannot be read: {error}") from None
    if token is None:
        return None
    token = token.strip()
    if len(token) < SHORTEST_TOKEN or not token.isascii() or len(token.split()) != 1:
        raise ConfigError(
            f"{source}: a token needs {SHORTEST_TOKEN} or more ASCII characters without spaces, as "
            "from: openssl rand -hex 32"
        )
    return token
