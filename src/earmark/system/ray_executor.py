"""Ray as a `concurrent.futures.Executor`: tasks on this machine or on a cluster."""

import logging
import os
import socket
from collections.abc import Callable
from concurrent.futures import Executor, Future
from typing import Any

from earmark.errors import ConfigError, needs_extra

CONNECT_SECONDS = 10.0
TASK_RETRIES = 3
"""How often Ray starts a task again whose worker or node has died."""


class RayExecutor(Executor):
    """Tasks of Ray, with one CPU each.

    Args:
        address: Of a cluster, such as ``10.0.0.1:6379``; ``auto`` for the one that this machine
            belongs to. Without it ``RAY_ADDRESS`` counts, and otherwise Ray starts here. Where Ray
            runs in this process already, it is used as it is.

    Raises:
        ConfigError: The cluster cannot be reached.
        MissingExtraError: Ray is not installed.
    """

    def __init__(self, address: str | None = None) -> None:
        with needs_extra("--engine ray"):
            # Nothing is sent to its makers, unless the user has asked for it.
            os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
            import ray
        self._ray = ray
        self._is_own = not ray.is_initialized()
        if self._is_own:
            if address is not None:
                _require_listener(address)
            try:
                ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
            except Exception as error:  # noqa: BLE001 - its errors have no common base
                raise _unreachable(address, error) from None
        self._run = ray.remote(num_cpus=1, max_retries=TASK_RETRIES)(_run)

    @property
    def num_workers(self) -> int:
        """The CPUs that the cluster has now."""
        return max(1, int(self._ray.cluster_resources().get("CPU", 1)))

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Starts a task; see `concurrent.futures.Executor.submit`."""
        return self._run.remote(fn, args, kwargs).future()

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Leaves the cluster, or ends Ray if it was started here."""
        if self._is_own:
            self._ray.shutdown()


def _require_listener(address: str) -> None:
    """Checks that something listens at an address: Ray would try for minutes."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if port.isdecimal():
        try:
            socket.create_connection((host, int(port)), CONNECT_SECONDS).close()
        except (OSError, OverflowError) as error:
            raise _unreachable(address, error) from None


def _unreachable(address: str | None, error: Exception) -> ConfigError:
    reason = " ".join(str(error).split())
    return ConfigError(f"--address {address or 'auto'}: no Ray cluster there: {reason}")


def _run(fn: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    return fn(*args, **kwargs)
