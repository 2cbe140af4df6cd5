"""Options of commands whose work other machines can share."""

import functools
from collections.abc import Callable
from concurrent.futures import Executor
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import click

from earmark.errors import ConfigError

LOCAL, RAY = "local", "ray"


@dataclass(frozen=True)
class Engine:
    """What runs the work.

    Args:
        name: ``local`` or ``ray``.
        address: Of a Ray cluster; None for the one of ``RAY_ADDRESS``, or one on this machine.
    """

    name: str = LOCAL
    address: str | None = None

    @property
    def is_local(self) -> bool:
        """Whether this process does the work with its own workers."""
        return self.name == LOCAL

    def start(self) -> AbstractContextManager[Executor | None]:
        """The executor, until the context ends; None for this process."""
        if self.is_local:
            return nullcontext()
        from earmark.system.ray_executor import RayExecutor

        return RayExecutor(self.address)


def engine_options(function: Callable[..., None]) -> Callable[..., None]:
    """Adds --engine and --address, and passes on the `Engine` that they make."""

    @click.option(
        "--engine",
        "name",
        type=click.Choice([LOCAL, RAY]),
        default=LOCAL,
        show_default=True,
        help="Work in this process, or on Ray.",
    )
    @click.option("--address", help="Ray cluster, such as HOST:6379; started here by default.")
    @functools.wraps(function)
    def run(*args: object, name: str, address: str | None, **options: object) -> None:
        if address is not None and name != RAY:
            raise ConfigError("--address: is that of a Ray cluster; add --engine ray")
        function(*args, engine=Engine(name, address), **options)

    return run
