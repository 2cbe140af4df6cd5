"""Runs the application until it is asked to stop, and finishes what it has accepted."""

import errno
import logging
import signal
import socket
import sys
from dataclasses import dataclass
from types import FrameType
from typing import Any

import uvicorn

from earmark.errors import ConfigError
from earmark.server.app import Access, make_app
from earmark.server.request_log import json_lines
from earmark.server.service import Service
from earmark.system.web.guard import is_loopback

logger = logging.getLogger(__name__)

MESSAGE_BYTES = 1 << 20
"""The largest message of a live stream: 5 s of 48 kHz in 32 bits."""
EXTRA_SECONDS = 5
"""How much longer than the longest request a shutdown may take."""
BACKLOG = 256
KEEP_ALIVE_SECONDS = 30


@dataclass(frozen=True)
class Address:
    """Where the service listens.

    Args:
        host: Name or number of an interface.
        port: 0 for any that is free.
    """

    host: str = "127.0.0.1"
    port: int = 8000

    @property
    def is_loopback(self) -> bool:
        """Whether only programs on this machine can connect.

        Example:
            >>> Address().is_loopback, Address("0.0.0.0").is_loopback
            (True, False)
        """
        return is_loopback(self.host)


def serve(service: Service, access: Access, address: Address) -> bool:
    """Serves until SIGINT or SIGTERM, then finishes the requests that it has accepted.

    Args:
        service: What is served.
        access: Who may ask.
        address: Where to listen.

    Returns:
        Whether it could start.

    Raises:
        ConfigError: The address is taken, or not one of this machine.
    """
    _require_free(address)
    config = uvicorn.Config(
        make_app(service, access),
        host=address.host,
        port=address.port,
        log_config=None,
        access_log=False,
        server_header=False,
        backlog=BACKLOG,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=int(service.limits.request_seconds) + EXTRA_SECONDS,
        ws_max_size=MESSAGE_BYTES,
    )
    server = uvicorn.Server(config)
    # The server raises the signal again when it has stopped, and then it is no reason to die.
    signal.signal(signal.SIGTERM, _ignore)
    with json_lines(sys.stderr):
        if access.token is None and not address.is_loopback:
            logger.warning("anyone who can reach this address may use the service; set a token")
        try:
            server.run()
        except KeyboardInterrupt:
            logger.info("interrupted")
    return server.started


def _require_free(address: Address) -> None:
    """Asks for the address first; the server would log that it is ready, and then find out."""
    place = f"{address.host}, port {address.port}"
    try:
        found = socket.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM)
        reasons = [_why_not(family, where) for family, _, _, _, where in found]
    except OSError as error:
        reasons = [error]
    # A family that the machine does not have is no obstacle if there is another.
    absent = all(one is not None for one in reasons)
    for one in reasons:
        if one is not None and (absent or one.errno != errno.EADDRNOTAVAIL):
            reason = (one.strerror or str(one)).lower()
            raise ConfigError(f"{place}: {reason}; choose another with --host or --port") from one


def _why_not(family: int, where: Any) -> OSError | None:
    with socket.socket(family, socket.SOCK_STREAM) as trial:
        trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            trial.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        try:
            trial.bind(where)
        except OSError as error:
            return error
    return None


def _ignore(_: int, __: FrameType | None) -> None:
    """Does nothing."""
