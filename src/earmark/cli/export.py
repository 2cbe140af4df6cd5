"""The command that exports a model."""

from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import click

from earmark.cli.options import guarded, json_option, model_argument, store_option_for
from earmark.cli.terminal import print_json, print_line
from earmark.exporters.targets import TARGETS, GraphInput

if TYPE_CHECKING:
    from earmark.system.progress import Reporter


@click.command()
@guarded
@model_argument
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    required=True,
    help="The .onnx file to write, or the folder.",
)
@click.option(
    "--to",
    type=click.Choice(list(TARGETS)),
    help="What to write; by default what the suffix of --output means, or onnx.",
)
@click.option(
    "--input",
    "takes",
    type=click.Choice(get_args(GraphInput)),
    help="Input of the graph: samples (the default), or windows of log-mel frames.",
)
@click.option("--static", is_flag=True, help="Fix all shapes: a batch of one waveform or window.")
@click.option("--seconds", type=float, help="Fix all shapes, for waveforms of this length.")
@click.option("--quantize", type=click.Choice(["int8"]), help="Weights in 8-bit integers.")
@click.option(
    "--data",
    type=click.Path(path_type=Path),
    help="Data to quantize with, by its training and validation splits.",
)
@click.option(
    "--max-accuracy-drop",
    type=float,
    help="Largest drop in validation accuracy by quantization; 0.01 by default.",
)
@store_option_for(", with --quantize")
@click.option("--name", help="Name of files and functions in C; model by default.")
@click.option(
    "--no-verify", is_flag=True, help="Do not compile code in C and compare it with the original."
)
@click.option(
    "--runtime",
    type=click.Path(path_type=Path),
    help="For a page: onnxruntime-web, as a folder or as npm pack writes it; else npm fetches it.",
)
@click.option("--licence", help="Licence of the weights, for the metadata.")
@click.option("--overwrite", is_flag=True, help="Replace any existing file.")
@json_option
def export(
    model: Path,
    output: Path,
    to: str | None,
    as_json: bool,
    reporter: "Reporter",
    **options: Any,
) -> None:
    """Export a model to a file that needs no PyTorch.

    It is written only if its outputs agree with those of the original.
    """
    from earmark.exporters.targets import export as export_model

    options["store"] = options.pop("store_root")
    skips_check = options.pop("no_verify")
    # Not `in (None, False)`: 0 equals False.
    given = {name: one for name, one in options.items() if one is not None and one is not False}
    if skips_check:
        given["verify"] = False
    exported = export_model(model, output, to=to, **given)
    if as_json:
        print_json(exported.to_dict())
    else:
        for line in str(exported).splitlines():
            print_line(line)
