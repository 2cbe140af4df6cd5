"""The command that serves models over HTTP."""

import math
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from earmark.cli.options import adjusted, device_option, guarded
from earmark.errors import needs_extra

if TYPE_CHECKING:
    from earmark.system.progress import Reporter

LIMIT_OPTIONS = ("body_bytes", "sound_seconds", "request_seconds", "queue", "streams", "workers")
"""Those that are fields of `earmark.server.limits.Limits`."""


def _finite(_: click.Context, __: click.Parameter, value: float | None) -> float | None:
    # A range of click takes NaN.
    if value is not None and not math.isfinite(value):
        raise click.BadParameter(f"{value} is no limit; give a number")
    return value


_folder = click.Path(path_type=Path, exists=True, file_okay=False)


@click.command()
@guarded
@click.argument("models", nargs=-1, required=True, metavar="MODEL...")
@click.option("--host", default="127.0.0.1", show_default=True, help="Interface to listen on.")
@click.option(
    "--port",
    type=click.IntRange(0, 65_535),
    default=8000,
    show_default=True,
    help="Port to listen on; 0 for any that is free.",
)
@click.option(
    "--token-file",
    type=click.Path(path_type=Path),
    help="File of the token that clients must send; EARMARK_TOKEN without it.",
)
@click.option("--cors-origin", "origins", multiple=True, help="Site whose pages may ask, or *.")
@click.option(
    "--allow-host",
    "hosts",
    multiple=True,
    help="Host name to answer to besides localhost; only on the loopback interface.",
)
@click.option("--page", type=_folder, help="Folder of a web page for /.")
@click.option(
    "--max-bytes",
    "body_bytes",
    type=click.IntRange(min=1000),
    help="Largest body; 100,000,000 by default.",
)
@click.option(
    "--max-seconds",
    "sound_seconds",
    type=click.FloatRange(min=0.1),
    callback=_finite,
    help="Longest sound of a file; 3600 by default.",
)
@click.option(
    "--timeout",
    "request_seconds",
    type=click.FloatRange(min=0.1),
    callback=_finite,
    help="Seconds that a request may take; 60 by default.",
)
@click.option("--queue", type=click.IntRange(min=1), help="Most requests at a time; 64 by default.")
@click.option("--streams", type=click.IntRange(min=0), help="Most live streams; 16 by default.")
@click.option(
    "--workers",
    type=click.IntRange(min=1),
    help="Files decoded at a time; one more than processors by default.",
)
@device_option
@adjusted
def serve(
    models: tuple[str, ...],
    settings: tuple[str, ...],
    device: str,
    reporter: "Reporter",
    **options: Any,
) -> None:
    """Serve models over HTTP until Ctrl-C.

    Each MODEL is served under the name of its file or run folder; NAME=MODEL chooses another.
    """
    from earmark.system.workers.fork_server import start_early

    start_early("earmark.features.extraction")
    with needs_extra("serve"):
        from earmark.server.app import Access
        from earmark.server.limits import Limits
        from earmark.server.metrics import Metrics
        from earmark.server.registry import ModelRegistry, Opening
        from earmark.server.run import Address
        from earmark.server.run import serve as run
        from earmark.server.service import Service
        from earmark.system.web.guard import read_token
    token = read_token(options["token_file"], os.environ)
    metrics = Metrics()
    registry = ModelRegistry(models, Opening(device, settings), metrics)
    address = Address(options["host"], options["port"])
    # Elsewhere the names of this machine are not known.
    hosts = options["hosts"] if address.is_loopback else None
    # Browsers send them without a slash at the end.
    origins = [one.rstrip("/") for one in options["origins"]]
    access = Access(token, origins, options["page"], hosts)
    given = {name: options[name] for name in LIMIT_OPTIONS if options[name] is not None}
    service = Service(registry, Limits(**given), metrics)
    if not run(service, access, address):
        sys.exit(1)
