"""Events as JSON to a web address."""

import http.client
import json
import urllib.error
import urllib.request
from typing import Any
from urllib.parse import urlsplit

from earmark._version import __version__
from earmark.errors import ConfigError
from earmark.events.outbox import Document, Outbox

TIMEOUT_SECONDS = 10.0
AGAIN = (408, 425, 429)
"""Statuses after which it is worth another try, as are all from 500 on."""


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A redirected POST would arrive as a GET, without the event."""

    def redirect_request(self, *_: Any, **__: Any) -> None:
        return None


_opener = urllib.request.build_opener(_NoRedirect)


def webhook(url: str) -> Outbox:
    """An outbox that posts each document to an address.

    Args:
        url: ``http://`` or ``https://``; it may hold a secret, so messages show the host only.

    Raises:
        ConfigError: It is no such address.
    """
    host = _host(url)
    if not host:
        raise ConfigError(f"--webhook {url}: give an address that starts with http:// or https://")

    def send(document: Document) -> None:
        request = urllib.request.Request(
            url,
            data=json.dumps(document).encode(),
            headers={
                "Content-Type": "application/json",
                "User-Agent": f"earmark/{__version__}",
            },
        )
        try:
            with _opener.open(request, timeout=TIMEOUT_SECONDS):
                pass
        except urllib.error.HTTPError as error:
            with error:
                if error.code in AGAIN or error.code >= 500:
                    raise OSError(f"status {error.code}") from None
                raise ValueError(f"status {error.code}") from None
        except http.client.HTTPException as error:
            raise OSError(f"no valid answer: {type(error).__name__}") from None

    return Outbox(send, f"webhook {host}")


def _host(url: str) -> str:
    """The host of an address that can be posted to; empty if it is no such address."""
    try:
        parts = urlsplit(url)
        is_whole = parts.scheme in ("http", "https") and parts.port != 0
    except ValueError:
        return ""
    return (parts.hostname or "") if is_whole and url.isprintable() and " " not in url else ""
