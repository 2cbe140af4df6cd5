"""The command that serves models over HTTP."""

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from earmark.cli.options import adjusted, device_option, guarded
from earmark.errors import needs_extra

if TYPE_CHECKING:
    from earmark.system.progress import Reporter

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
@click.option("--page", type=_folder, help="Folder of a web page for /.")
@click.option("--max-mb", type=click.FloatRange(min=0.001), help="Largest body, in MB [100].")
@click.option("--max-seconds", type=click.FloatRange(min=0.1), help="Longest sound [3600].")
@click.option("--timeout", type=click.FloatRange(min=0.1), help="Seconds for a request [60].")
@click.option("--queue", type=click.IntRange(min=1), help="Most requests at a time [64].")
@click.option("--workers", type=click.IntRange(min=1), help="Decoders [processors + 1].")
@device_option
@adjusted
def serve(
    models: tuple[str, ...],
    settings: tuple[str, ...],
    device: str,
    reporter: "Reporter",
    **options: object,
) -> None:
    """Serve models over HTTP until Ctrl-C.

    Each MODEL is served under the name of its file or run folder; NAME=MODEL chooses another.
    """
    from earmark.system.workers.fork_server import start_early

    start_early("earmark.features.extraction")
    with needs_extra("serve"):
        from earmark.server.app import Access
        from earmark.server.guard import read_token
        from earmark.server.metrics import Metrics
        from earmark.server.registry import ModelRegistry, Opening
        from earmark.server.run import Address
        from earmark.server.run import serve as run
        from earmark.server.service import Service
    token = read_token(options["token_file"], os.environ)
    metrics = Metrics()
    registry = ModelRegistry(models, Opening(device, settings), metrics)
    access = Access(token, options["origins"], options["page"])
    service = Service(registry, _limits(options), metrics)
    if not run(service, access, Address(options["host"], options["port"])):
        sys.exit(1)


def _limits(options: dict[str, object]):
    from earmark.server.limits import Limits

    size = options["max_mb"]
    given = {
        "body_bytes": None if size is None else round(size * 1e6),
        "sound_seconds": options["max_seconds"],
        "request_seconds": options["timeout"],
        "queue": options["queue"],
        "workers": options["workers"],
    }
    return Limits(**{name: value for name, value in given.items() if value is not None})
