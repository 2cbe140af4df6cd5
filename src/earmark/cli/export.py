"""The command that exports a model."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from earmark.cli.options import guarded, json_option, model_argument
from earmark.cli.terminal import print_json, print_line

if TYPE_CHECKING:
    from earmark.exporters.description import GraphInput
    from earmark.system.progress import Reporter


@click.command()
@guarded
@model_argument
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    required=True,
    help="The .onnx file to write.",
)
@click.option(
    "--input",
    "takes",
    type=click.Choice(["waveform", "log-mel"]),
    default="waveform",
    show_default=True,
    help="Input of the graph: samples, or windows of log-mel frames.",
)
@click.option(
    "--licence",
    help="Licence of the weights, for the metadata.",
)
@click.option("--overwrite", is_flag=True, help="Replace any existing file.")
@json_option
def export(  # noqa: PLR0913 - one per option
    model: Path,
    output: Path,
    takes: "GraphInput",
    licence: str | None,
    overwrite: bool,
    as_json: bool,
    reporter: "Reporter",
) -> None:
    """Export a model to ONNX.

    The file is written only if its outputs agree with those of the original.
    """
    from earmark.exporters.onnx import export as export_model

    exported = export_model(model, output, takes=takes, licence=licence, overwrite=overwrite)
    if as_json:
        print_json(exported.to_dict())
    else:
        print_line(str(exported))
