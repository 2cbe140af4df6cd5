"""Shows the page on this machine until it is asked to stop."""

import logging
import os
import socket
import sys
import webbrowser
from collections.abc import Callable

import uvicorn

from earmark.errors import ConfigError
from earmark.labelling.review.app import Desk, make_app

logger = logging.getLogger(__name__)

HOST, PORT = "127.0.0.1", 8010
NUM_PORTS = 20
"""Ports that are tried if none is given: each of several reviews gets one."""
SHUTDOWN_SECONDS = 3


def show_page(desk: Desk, port: int | None, ready: Callable[[str], object]) -> None:
    """Serves the page on the loopback interface until SIGINT or SIGTERM.

    Args:
        desk: What the page works with.
        port: 0 for any that is free; None for the first free one from `PORT` on.
        ready: Called with the address of the page.

    Raises:
        ConfigError: The port is in use.
    """
    config = uvicorn.Config(
        make_app(desk),
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=SHUTDOWN_SECONDS,
    )
    with _bound(port) as listener:
        ready(f"http://{HOST}:{listener.getsockname()[1]}/")
        uvicorn.Server(config).run(sockets=[listener])


def _bound(port: int | None) -> socket.socket:
    ports = list(range(PORT, PORT + NUM_PORTS)) if port is None else [port]
    while True:
        one = ports.pop(0)
        try:
            return socket.create_server((HOST, one))
        except OSError as error:
            if not ports:
                message = f"port {one}: {error.strerror}; choose another with --port"
                raise ConfigError(message) from None


def open_browser(address: str) -> None:
    """Opens the page where there is a screen; elsewhere a browser would take over the terminal."""
    has_screen = os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    if sys.platform in ("darwin", "win32") or has_screen:
        webbrowser.open(address)
