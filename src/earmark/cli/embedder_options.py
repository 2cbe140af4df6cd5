"""Options that name an ONNX file as embedder, for the commands that take one."""

import functools
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from earmark.cli.options import Function
from earmark.errors import ConfigError

if TYPE_CHECKING:
    from earmark.config import Config
    from earmark.features.embedder import EmbedderRequest

_DETAILS = {
    "rate": "embedder_rate",
    "window": "embedder_window",
    "output": "embedder_output",
    "licence": "embedder_licence",
}


def embedder_options(function: Function) -> Function:
    """Adds --embedder and what its file may not state; passes on a request, or None."""

    @click.option(
        "--embedder",
        "file",
        type=click.Path(path_type=Path),
        help="ONNX file that turns a waveform or log-mel values into vectors.",
    )
    @click.option(
        "--embedder-rate",
        type=click.IntRange(min=1000, max=768_000),
        help="Sample rate that it takes, in Hz, if it does not state it.",
    )
    @click.option(
        "--embedder-window",
        type=float,
        help="Length of its windows in seconds, if its input is of any length.",
    )
    @click.option("--embedder-output", help="Name of its output with the vectors.")
    @click.option("--embedder-licence", help="Licence of its weights, for the record.")
    @functools.wraps(function)
    def run(*args: object, file: Path | None, **options: Any) -> None:
        details = {key: options.pop(name) for key, name in _DETAILS.items()}
        function(*args, embedder=_request(file, details), **options)

    return run


def embedded(function: Function) -> Function:
    """Adds --embedder to a command that trains; it belongs below `configured`."""

    @embedder_options
    @functools.wraps(function)
    def run(
        *args: object, embedder: "EmbedderRequest | None", config: "Config", **options: object
    ) -> None:
        if embedder is not None:
            config = _on_vectors(config, embedder)
        function(*args, config=config, **options)

    return run


def _on_vectors(config: "Config", request: "EmbedderRequest") -> "Config":
    """The settings of a classifier on the vectors of an embedder."""
    from earmark.features.embedder import inspect_embedder
    from earmark.inference.open_embedder import with_own_settings
    from earmark.training.recipes.vectors import with_embedder

    earlier = config.features.embedder
    features = config.features if earlier is None else earlier.front_end or request.features
    found = inspect_embedder(with_own_settings(replace(request, features=features)))
    return with_embedder(config, found)


def _request(file: Path | None, details: dict[str, Any]) -> "EmbedderRequest | None":
    if file is None:
        for key, value in details.items():
            if value is not None:
                raise ConfigError(f"--embedder-{key}: is of --embedder; give that too")
        return None
    from earmark.features.embedder import EmbedderRequest

    return EmbedderRequest(
        file,
        sample_rate=details["rate"],
        window_seconds=details["window"],
        output=details["output"],
        licence=details["licence"],
    )
